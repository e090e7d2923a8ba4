"""What the jobs need from the outside, as protocols: the chat, and the engine.

The dispatcher and the delivery speak to these. `bot/ui/poster.py` is the chat on Discord,
`bot/engine_client.py` the engine over HTTP.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bot.jobs.states import Job
from engine.wire import Cancelled, Capabilities, ErrorBody, Failed, Finished, Loading, Progress, Queued

EngineEvent = Queued | Loading | Progress | Finished | Failed | Cancelled


@dataclass(frozen=True, kw_only=True)
class Upload:
    """One file to attach: its name, its bytes on disk, and a text for those who cannot see it."""

    filename: str
    path: Path
    alt_text: str


class ChatError(Exception):
    """The chat did not take a message."""


class ChatUnavailable(ChatError):
    """It may work later: Discord answered 5xx, the connection broke, or we are rate limited.

    The message may nevertheless have been posted: look before sending again.
    """


class ChatGone(ChatError):
    """It will never work: the channel is gone, or the bot may not write there. `str()` says which."""


class ChatTooLarge(ChatGone):
    """The files are larger than the chat takes here, whatever it said before."""


class Chat(Protocol):
    """One conversation's message, from "queued" to the picture.

    Every call may run twice with the same effect. Each edits the reply to the interaction while its token
    lives; after that the message `job.conversation.message_id`, or sends to the channel where there is none.
    Raises `ChatUnavailable` or `ChatGone`.
    """

    async def waiting(self, job: Job, event: Queued | None, reason: str | None) -> None:
        """Say that the job waits: its place and time, or the reason ("The engine is away…") without them."""

    async def drawing(self, job: Job, event: Loading | Progress) -> None:
        """Show progress, with the preview where there is one."""

    async def post(self, job: Job, uploads: Sequence[Upload], *, look_first: bool) -> int:
        """Post the pictures with their line and buttons; return the message id.

        With `look_first` an earlier send may have succeeded unseen: search for it before sending.
        """

    async def tell(self, job: Job, text: str) -> None:
        """Replace the message by a final sentence: failed, cancelled, expired."""


class EngineError(Exception):
    """The engine did not take or did not finish a call."""


class EngineAway(EngineError):
    """Not reachable, or the connection broke: the job may be offered again."""


class EngineFull(EngineError):
    """The front's queue is full. `retry_after` in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"the engine's queue is full; offered again in {retry_after:g} s")
        self.retry_after = retry_after


class EngineRefused(EngineError):
    """The engine said no, with an `ErrorBody`: 401, 404, 409, 422. `error` holds it."""

    def __init__(self, error: ErrorBody) -> None:
        super().__init__(error.message)
        self.error = error


class Engine(Protocol):
    """The engine as the bot sees it."""

    async def submit(self, job: Job, input_image: Path | None, mask: Path | None = None) -> None:
        """PUT the job; the same job again attaches to it. Raises EngineAway, EngineFull, EngineRefused."""

    def events(self, job_id: str) -> AsyncGenerator[EngineEvent]:
        """The job's events up to and with the terminal one, reconnecting with Last-Event-ID.

        Raises EngineAway where the stream cannot be continued, EngineRefused where the job is not known.
        """

    async def image(self, job_id: str, index: int) -> bytes:
        """The bytes of one finished image. Raises EngineAway, EngineRefused."""

    async def release(self, job_id: str) -> None:
        """DELETE: cancel the job, or acknowledge a finished one. Raises EngineAway."""

    @property
    def is_away(self) -> bool:
        """Whether it did not answer when it was last asked what it offers."""

    async def capabilities(self) -> Capabilities:
        """What the engine offers, at most half a minute old. Raises EngineAway before the first answer."""
