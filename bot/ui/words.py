"""Every sentence that a person reads in the chat. Pure functions of data.

Prompts and names are a stranger's text: they are shown inside inline code or escaped, without control
characters, and no message exceeds Discord's 2000 characters.
"""

import re
import unicodedata
from collections.abc import Sequence

from discord.utils import escape_markdown, escape_mentions

from bot.jobs.states import Job, JobState
from engine.wire import (
    STARTING,
    Capabilities,
    GenerationRequest,
    Loading,
    PostStep,
    Progress,
    Queued,
    Task,
    Upscale,
)

MAX_CONTENT = 2000  # Discord's limit on a message
MAX_PROMPT_SHOWN = 1000
MAX_NOTICE = 600  # three unknown words with what was perhaps meant, and a model's advice
BAR = 12  # characters of the progress bar
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

GONE = "That picture is no longer in the history, so there is nothing to go on from."
CHANGED = "This command has changed since Discord last told you about it. Reload Discord and try again."
NOT_YOURS_TO_CANCEL = "Only who asked for this picture, or a moderator, can cancel it."
NOT_YOURS_TO_DELETE = "Only who asked for this picture, or a moderator, can delete it."
TOO_LATE_TO_CANCEL = "This picture is finished already."
RESTARTED = "I was restarted before I could take this down, so nothing is queued. Please ask once more."
NO_HISTORY = "You have not asked for a picture yet. Try `/imagine`."
NO_JOBS = "You have no picture waiting."
BUTTONS = (
    "**Buttons** Again draws the same with a new seed, Edit the same seed with other words. Variation (V1 to V4 "
    "for several pictures) starts from that picture, Upscale (U1 to U4) makes it twice as large, Zoom out and the "
    "arrows draw more of it around it or to one side. Anybody may press them, and the new picture is theirs. "
    "Cancel and Delete are for who asked, and for moderators."
)
PROMPT_HELP = (
    "**Prompts** `(word:1.3)` counts more, `[word]` less; `{red|blue} cat` is one of them; `[cat:dog:0.5]` changes "
    "half way; `<lora:name:0.8>` draws with a LoRA."
)
HIDDEN_PROMPT = "(this server's AutoMod does not allow the prompt to be shown)"


def plain(text: str, most: int = MAX_CONTENT) -> str:
    """`text` as it reads, on one line, with nothing in it that formats, links, pings or reorders."""
    escaped = escape_mentions(escape_markdown(_visible(text), ignore_links=False))
    # Angle brackets make channels, commands and times; an address would be unfurled below the message.
    return shorten(escaped.replace("<", "\\<").replace("://", ":\u200b//"), most)


def code(text: str, most: int) -> str:
    """`text` on one line as inline code of at most `most` characters between the back-ticks."""
    return f"`{shorten(_visible(text).replace('`', 'ˋ'), most) or ' '}`"


def shorten(text: str, most: int) -> str:
    """At most `most` characters; an ellipsis where some are missing."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _visible(text: str) -> str:
    """On one line, without controls, and without the marks that turn the direction of what follows."""
    line = " ".join(_BIDI.sub("", text).split())
    return "".join(char for char in line if unicodedata.category(char) not in {"Cc", "Cs"})


def duration(seconds: float) -> str:
    """ "9 s", "3 min", "2 h": as exact as a guess deserves."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{round(seconds / 3600)} h"


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th, 21st."""
    last = 0 if 10 <= number % 100 <= 20 else number % 10
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(last, 'th') }"


def waiting(job: Job, event: Queued | None, reason: str | None, *, show_prompt: bool = True) -> str:
    """The message of a job that waits: its place and time, or the reason why there is none."""
    return _headed(job, place(event) if reason is None else plain(reason, 500), show_prompt)


def place(event: Queued | None) -> str:
    """ "Queued, 2nd in line, about 14 s.", or what is known of it."""
    if event is None:
        return "Queued."
    time = "" if event.eta_s is None else f", about {duration(event.eta_s)}"
    return f"Queued, {ordinal(event.position)} in line{time}."


def drawing(job: Job, event: Loading | Progress, *, show_prompt: bool = True) -> str:
    """The message of a job that is being drawn."""
    if isinstance(event, Loading):
        return _headed(job, f"Loading the model {code(event.model, 80)} …", show_prompt)
    return _headed(job, progress(event), show_prompt)


def progress(event: Progress) -> str:
    """ "▰▰▰▱▱▱ 50 % · step 10 of 20 · about 9 s left".

    After the last step the picture is decoded and written, which may take longer than the steps and is not foretold.
    """
    done = min(max(event.step / max(event.steps, 1), 0.0), 1.0)
    filled = int(done * BAR)
    bar = "▰" * filled + "▱" * (BAR - filled)
    left = "" if event.eta_s is None else f" · about {duration(event.eta_s)} left"
    if 0 < event.steps <= event.step:
        left = " · finishing"
    return f"{bar} {int(done * 100)} % · step {event.step} of {event.steps}{left}"


def result(job: Job, notices: Sequence[str], *, show_prompt: bool = True) -> str:
    """The line under the pictures, and below it what has to be said about them."""
    facts = [
        f"**<@{job.conversation.user_id}>**",
        subject(job.request, MAX_PROMPT_SHOWN, show_prompt=show_prompt),
        *_how(job.request),
    ]
    if job.seconds is not None:
        facts.append(f"{job.seconds:.1f} s" if job.seconds >= 0.05 else "under 0.1 s")
    found = ""
    if job.description is not None:
        found = f"\n> {code(job.description, MAX_PROMPT_SHOWN) if show_prompt else HIDDEN_PROMPT}"
    told = dict.fromkeys(notices if show_prompt else map(unquoted, notices))
    small = "".join(f"\n-# {plain(notice, MAX_NOTICE)}" for notice in told)
    return shorten(" · ".join(facts) + found + small, MAX_CONTENT)


def subject(request: GenerationRequest, most: int, *, show_prompt: bool = True) -> str:
    """What is drawn: the prompt, or what is done to a picture that has none."""
    if not request.prompt.strip():
        return _WITHOUT_PROMPT.get(request.task, "a picture without words")
    return code(request.prompt, most) if show_prompt else HIDDEN_PROMPT


def _how(request: GenerationRequest) -> list[str]:
    """What it takes to draw it again, or what was done to it."""
    if request.task is Task.DESCRIBE:
        return []
    if request.task is Task.PROCESS:
        return [_done(step) for step in request.post]
    return [
        f"seed {request.seed}",
        f"model {plain(request.model, 100)}",
        "1 step" if request.steps == 1 else f"{request.steps} steps",
    ]


def _done(step: PostStep) -> str:
    if isinstance(step, Upscale):
        return f"{step.scale:g} times as large, by {plain(step.upscaler, 100)}"
    return _DONE[step.type]


_WITHOUT_PROMPT = {Task.DESCRIBE: "a picture in words", Task.PROCESS: "a picture"}
_DONE = {
    "faces": "faces restored",
    "sharpen": "sharpened",
    "denoise": "smoothed",
    "colour": "other colours",
    "crop": "cropped",
    "resize": "resized",
}


def ended(job: Job, text: str, *, show_prompt: bool = True) -> str:
    """The last word on a job without a picture."""
    return _headed(job, plain(text if show_prompt else unquoted(text), 800), show_prompt)


def unquoted(text: str) -> str:
    """A sentence of the engine without what it quotes, which may be the very words that must not be shown."""
    return re.sub(r"“[^”]*”?|(?<!\w)'[^']*'?(?!\w)", "“…”", text)


def refusal(text: str) -> str:
    """A refused request's sentence, safe to show."""
    return plain(text)


def queue_entry(job: Job, event: Queued | Loading | Progress | None) -> str:
    """One line of /queue."""
    if isinstance(event, Progress):
        state = progress(event)
    elif isinstance(event, Loading):
        state = "loading its model"
    else:
        state = place(event)
    return f"- {subject(job.request, 80)} {state} {jump_link(job)}".rstrip()


def totals(waiting: int, engine: str) -> str:
    """What the whole bot is busy with. `engine` is the sentence of `engine_status`."""
    if not waiting:
        return f"Nobody has a picture waiting or being drawn. {engine}"
    pictures = "One picture is" if waiting == 1 else f"{waiting} pictures are"
    return f"{pictures} waiting or being drawn, everybody's together. {engine}"


def engine_status(capabilities: Capabilities | None, *, away: bool) -> str:
    """How the engine is, in a sentence."""
    if capabilities is None:
        return "The engine has not been up yet."
    if away:
        return "The engine is away; what you ask for waits until it is back."
    if capabilities.device == STARTING:
        return "The engine is starting."
    return "The engine is up."


def models(capabilities: Capabilities | None) -> str:
    """The models that can be chosen."""
    titles = [plain(model.title, 60) for model in capabilities.models] if capabilities else []
    return f"Models: {shorten(', '.join(titles), 400) or 'none'}."


def queue(entries: Sequence[str], totals: str) -> str:
    """The whole of /queue: as many of a person's jobs as fit, and what the bot is busy with."""
    shown = list(entries)
    while shown and len("\n".join([*shown, _AND_MORE, totals])) > MAX_CONTENT:
        shown.pop()
    lines = shown or ([] if entries else [NO_JOBS])
    if len(shown) < len(entries):
        lines = [*shown, _AND_MORE.format(len(entries) - len(shown))]
    return "\n".join([*lines, totals])


_AND_MORE = "- and {} more"
_STATE_WORDS = {
    JobState.RECEIVED: "waiting",
    JobState.QUEUED: "waiting",
    JobState.RUNNING: "being drawn",
    JobState.GENERATED: "about to be posted",
    JobState.POSTING: "about to be posted",
    JobState.POSTED: "posted",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "cancelled",
    JobState.EXPIRED: "expired",
}


def history_entry(job: Job) -> str:
    """One entry of /history: the prompt, what came of it, when, and the way back to it."""
    when = f"<t:{int(job.created_at.timestamp())}:R>"
    line = f"{subject(job.request, 300)}\n" + "".join(f"{fact} · " for fact in _how(job.request)[:2])
    return f"{line}{_STATE_WORDS[job.state]} · {when} {jump_link(job)}".rstrip()


def history_title(page: int, pages: int) -> str:
    """ "Your pictures, page 2 of 5"; pages count from 0."""
    return f"Your pictures, page {page + 1} of {pages}"


def jump_link(job: Job) -> str:
    """A masked link to the job's message, or nothing where there is none."""
    where = job.conversation
    if where.message_id is None:
        return ""
    server = "@me" if where.guild_id is None else where.guild_id
    return f"[show](https://discord.com/channels/{server}/{where.channel_id}/{where.message_id})"


def _headed(job: Job, text: str, show_prompt: bool) -> str:
    about = subject(job.request, 300, show_prompt=show_prompt)
    return f"<@{job.conversation.user_id}> {about}\n{text}"
