"""The buttons under a job's message. They work for ever and after any restart.

A button's custom id is `darkroom:<action>:<job id>`, with `:<index>` where it means one picture of several;
everything else is read from the history when it is pressed. Anybody may press Again and Variation, and the
new job belongs to whoever pressed. Cancel and Delete are for the owner, and for who may manage messages.
"""

import contextlib
import re
import secrets
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

import discord

from bot.errors import Refused
from bot.jobs.inputs import Inputs
from bot.jobs.states import Job
from bot.requests import again, variation
from bot.ui import words
from bot.ui.answers import answer_error, conversation, defer_update, keep_promise, promise_reply
from engine.wire import MAX_SEED

if TYPE_CHECKING:
    from bot.client import Darkroom

    Press = discord.Interaction[Darkroom]


class Action(StrEnum):
    AGAIN = "again"
    VARIATION = "variation"
    CANCEL = "cancel"
    DELETE = "delete"


def custom_id(action: Action, job_id: str, index: int | None = None) -> str:
    """The id that Discord keeps with a button and sends back when it is pressed; at most 100 characters."""
    return f"darkroom:{action}:{job_id}" + ("" if index is None else f":{index}")


class JobButton(
    discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]],
    template=r"darkroom:(?P<action>again|variation|cancel|delete):(?P<job>[A-Za-z0-9_-]{1,64})(:(?P<index>\d))?",
):
    """One button of one job."""

    def __init__(self, action: Action, job_id: str, index: int | None = None, *, row: int = 0) -> None:
        label, style = _LOOKS[action]
        if index is not None:
            label = f"V{index + 1}"
        key = custom_id(action, job_id, index)
        super().__init__(discord.ui.Button(label=label, style=style, custom_id=key, row=row))
        self.action = action
        self.job_id = job_id
        self.index = index or 0

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str]
    ) -> Self:
        del interaction, item  # everything is in the id
        index = None if match["index"] is None else int(match["index"])
        return cls(Action(match["action"]), match["job"], index)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Discord calls this. Errors are answered here: discord.py would only log them."""
        try:
            await self._act(interaction)
        except Exception as error:
            await answer_error(interaction, error)

    async def _act(self, interaction: "Press") -> None:
        if interaction.client.desk.debounce.again(interaction.user.id, self.custom_id):
            await defer_update(interaction)
        elif self.action is Action.AGAIN:
            await draw_again(interaction, self.job_id)
        elif self.action is Action.VARIATION:
            await draw_variation(interaction, self.job_id, self.index)
        elif self.action is Action.CANCEL:
            await cancel(interaction, self.job_id)
        else:
            await delete(interaction, self.job_id)


_LOOKS = {
    Action.AGAIN: ("Again", discord.ButtonStyle.primary),
    Action.VARIATION: ("Variation", discord.ButtonStyle.secondary),
    Action.CANCEL: ("Cancel", discord.ButtonStyle.secondary),
    Action.DELETE: ("Delete", discord.ButtonStyle.danger),
}


def waiting_view(job: Job) -> discord.ui.View:
    """Under a job that waits or is being drawn."""
    return _view(JobButton(Action.CANCEL, job.id))


def result_view(job: Job) -> discord.ui.View:
    """Under the pictures."""
    count = job.request.count
    if count == 1:
        variations = [JobButton(Action.VARIATION, job.id)]
    else:
        variations = [JobButton(Action.VARIATION, job.id, index) for index in range(count)]
    row = 1 if count > 3 else 0  # five buttons fit in a row
    return _view(JobButton(Action.AGAIN, job.id), *variations, JobButton(Action.DELETE, job.id, row=row))


def _view(*buttons: JobButton) -> discord.ui.View:
    view = discord.ui.View(timeout=None)
    for button in buttons:
        view.add_item(button)
    view.stop()  # so that discord.py does not keep one view per message: presses go to JobButton by its id
    return view


async def draw_again(interaction: "Press", job_id: str) -> None:
    """The same request with a new seed, as a new job of who pressed."""
    message_id = await promise_reply(interaction)
    desk = interaction.client.desk
    job = await _known(interaction, job_id)
    request = again(job.request, owner=str(interaction.user.id), seed=secrets.randbelow(MAX_SEED + 1))
    await desk.dispatcher.submit(
        await conversation(interaction, message_id), request, await _inputs_of(interaction, job), job.id
    )
    await keep_promise(interaction)


async def draw_variation(interaction: "Press", job_id: str, index: int) -> None:
    """A new job of who pressed that starts from picture `index`."""
    message_id = await promise_reply(interaction)
    desk = interaction.client.desk
    job = await _known(interaction, job_id)
    images = await desk.history.images(job.id)
    picture = next((image for image in images if image.index == index), None)
    if picture is None:
        raise Refused(words.GONE)
    request = variation(
        job.request,
        await desk.catalogue.capabilities(),
        owner=str(interaction.user.id),
        seed=secrets.randbelow(MAX_SEED + 1),
    )
    data = await _read(interaction, picture.sha256, picture.media_type)
    await desk.dispatcher.submit(
        await conversation(interaction, message_id), request, Inputs(image=data), job.id
    )
    await keep_promise(interaction)


async def cancel(interaction: "Press", job_id: str) -> None:
    """Ask the dispatcher to cancel; it edits the message once the job has ended."""
    await defer_update(interaction)
    job = await _known(interaction, job_id)
    if not _may_manage(interaction, job.conversation.user_id):
        raise Refused(words.NOT_YOURS_TO_CANCEL)
    if not await interaction.client.desk.dispatcher.cancel(job.id, interaction.user.id):
        raise Refused(words.TOO_LATE_TO_CANCEL)


async def delete(interaction: "Press", job_id: str) -> None:
    """Forget the job with its files, then remove the message.

    In this order: where the second half fails the button is still there and can be pressed again.
    """
    await defer_update(interaction)
    desk = interaction.client.desk
    job = await desk.history.get(job_id)
    if not _may_manage(interaction, _owner(interaction, job)):
        raise Refused(words.NOT_YOURS_TO_DELETE)
    if job is not None:
        await desk.dispatcher.delete(job.id)
    with contextlib.suppress(discord.NotFound):  # a retry of a deletion whose answer was lost
        await interaction.delete_original_response()


def _may_manage(interaction: "Press", owner: int | None) -> bool:
    return interaction.user.id == owner or interaction.permissions.manage_messages


def _owner(interaction: "Press", job: Job | None) -> int | None:
    """Whose message it is; for a job that is gone, who Discord says asked for it."""
    if job is not None:
        return job.conversation.user_id
    asked = interaction.message.interaction_metadata if interaction.message else None
    return asked.user.id if asked else None


async def _known(interaction: "Press", job_id: str) -> Job:
    job = await interaction.client.desk.history.get(job_id)
    if job is None:
        raise Refused(words.GONE)
    return job


async def _inputs_of(interaction: "Press", job: Job) -> Inputs:
    image, mask = [
        None if sha256 is None else await _read(interaction, sha256)
        for sha256 in (job.input_sha256, job.mask_sha256)
    ]
    return Inputs(image=image, mask=mask)


async def _read(interaction: "Press", sha256: str, media_type: str = "image/png") -> bytes:
    try:
        return await interaction.client.desk.files.read(sha256, media_type)
    except FileNotFoundError:
        raise Refused(words.GONE) from None
