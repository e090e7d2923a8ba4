"""The form behind Edit: the words of a picture, to be changed and drawn again.

Like a button it says all in its custom id, `darkroom:edited:<job id>`, so one that was opened before a restart
can be sent after it.
"""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

import discord

from bot.jobs.states import Job
from bot.ui.answers import answer_error
from bot.ui.going_on import draw_edited
from engine.wire import JOB_ID_PATTERN, MAX_PROMPT_CHARS

if TYPE_CHECKING:
    from bot.client import Darkroom

    Sent = discord.Interaction[Darkroom]

PROMPT, NEGATIVE_PROMPT = "prompt", "negative_prompt"
_EDITED = re.compile(rf"darkroom:edited:({JOB_ID_PATTERN.strip('^$')})")


async def open_form(interaction: discord.Interaction[Any], job: Job) -> None:
    """Show the job's words, to be changed."""
    form = discord.ui.Modal(title="Draw it with other words", custom_id=f"darkroom:edited:{job.id}")
    form.add_item(_field("Prompt", PROMPT, job.request.prompt, required=True))
    form.add_item(_field("Keep out of the picture", NEGATIVE_PROMPT, job.request.negative_prompt))
    form.stop()  # so that discord.py does not keep it: what is sent goes to `on_form` by its id
    await interaction.response.send_modal(form)


async def on_form(interaction: "Sent") -> None:
    """Draw what a form asks for. Errors are answered here."""
    data = cast(Mapping[str, Any], interaction.data or {})
    match = _EDITED.fullmatch(str(data.get("custom_id")))
    if match is None:
        return
    words = dict(_values(data))
    try:
        await draw_edited(interaction, match[1], words.get(PROMPT, ""), words.get(NEGATIVE_PROMPT, ""))
    except Exception as error:
        await answer_error(interaction, error)


def _field(label: str, key: str, value: str, *, required: bool = False) -> discord.ui.Label[Any]:
    text: discord.ui.TextInput[Any] = discord.ui.TextInput(
        custom_id=key,
        style=discord.TextStyle.paragraph,
        default=value or None,
        required=required,
        max_length=MAX_PROMPT_CHARS,
    )
    return discord.ui.Label(text=label, component=text)


def _values(component: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What was typed, by the custom ids of its fields."""
    if "value" in component:
        yield component["custom_id"], component["value"]
    for inside in (*component.get("components", ()), *filter(None, [component.get("component")])):
        yield from _values(inside)
