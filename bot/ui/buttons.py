"""The buttons under a job's message. They work for ever and after any restart.

A button's custom id is `darkroom:<action>:<job id>`, with `:<index>` where it means one picture of several;
everything else is read from the history when it is pressed. Anybody may draw on from a picture, and the new
job belongs to whoever pressed. Cancel and Delete are for the owner, and for who may manage messages.
"""

import contextlib
import re
from typing import TYPE_CHECKING, Any, Self

import discord

from bot.errors import Refused
from bot.jobs.states import Job
from bot.ui import words
from bot.ui.actions import Action, custom_id
from bot.ui.answers import answer_error, defer_update
from bot.ui.forms import open_form
from bot.ui.going_on import draw, known
from engine.wire import GenerationRequest, Task

if TYPE_CHECKING:
    from bot.client import Darkroom

    Press = discord.Interaction[Darkroom]

_PLAIN = discord.ButtonStyle.secondary
_LOOKS = {
    Action.AGAIN: ("Again", discord.ButtonStyle.primary),
    Action.VARIATION: ("Variation", _PLAIN),
    Action.EDIT: ("Edit", _PLAIN),
    Action.UPSCALE: ("Upscale", _PLAIN),
    Action.OUT: ("Zoom out", _PLAIN),
    Action.LEFT: ("◀", _PLAIN),
    Action.UP: ("▲", _PLAIN),
    Action.DOWN: ("▼", _PLAIN),
    Action.RIGHT: ("▶", _PLAIN),
    Action.DRAW: ("Draw this", discord.ButtonStyle.primary),
    Action.CANCEL: ("Cancel", _PLAIN),
    Action.DELETE: ("Delete", discord.ButtonStyle.danger),
}
_ONE_OF_SEVERAL = {Action.VARIATION: "V", Action.UPSCALE: "U"}
_ARROWS = (Action.LEFT, Action.UP, Action.DOWN, Action.RIGHT)


class JobButton(
    discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]],
    template=rf"darkroom:(?P<action>{'|'.join(Action)}):(?P<job>[A-Za-z0-9_-]{{1,64}})(:(?P<index>\d))?",
):
    """One button of one job."""

    def __init__(self, action: Action, job_id: str, index: int | None = None, *, row: int = 0) -> None:
        label, style = _LOOKS[action]
        if index is not None:
            label = f"{_ONE_OF_SEVERAL.get(action, label)}{index + 1}"
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
        if self.action is Action.EDIT:  # a form that was closed may be opened again at once
            await open_form(interaction, await known(interaction.client.desk, self.job_id))
        elif interaction.client.desk.debounce.again(interaction.user.id, self.custom_id):
            await defer_update(interaction)
        elif self.action is Action.CANCEL:
            await cancel(interaction, self.job_id)
        elif self.action is Action.DELETE:
            await delete(interaction, self.job_id)
        else:
            await draw(interaction, self.action, self.job_id, self.index)


def waiting_view(job: Job) -> discord.ui.View:
    """Under a job that waits or is being drawn."""
    return _view([[Action.CANCEL]], job)


def result_view(job: Job) -> discord.ui.View:
    """Under the pictures. Delete is always the last one, away from where the thumb goes most."""
    request = job.request
    if request.task is Task.DESCRIBE:
        return _view([[Action.DRAW, Action.DELETE]], job)
    if request.count > 1:
        rows = [[Action.AGAIN, Action.EDIT], [Action.VARIATION], [Action.UPSCALE, Action.DELETE]]
        return _view(rows, job, pictures=request.count)
    return _view(_of_one(request), job)


def _of_one(request: GenerationRequest) -> list[list[Action]]:
    """The rows under a single picture."""
    if request.task is Task.UPSCALE:
        return [[Action.AGAIN, Action.EDIT, Action.UPSCALE, Action.DELETE]]
    around = [[*_ARROWS, Action.DELETE]]
    if request.task is not Task.PROCESS:
        return [[Action.AGAIN, Action.VARIATION, Action.EDIT, Action.UPSCALE, Action.OUT], *around]
    if request.prompt:  # the same again would be the same picture
        return [[Action.VARIATION, Action.UPSCALE, Action.OUT], *around]
    return [[Action.UPSCALE, Action.DELETE]]


def _view(rows: list[list[Action]], job: Job, *, pictures: int = 1) -> discord.ui.View:
    view = discord.ui.View(timeout=None)
    for number, row in enumerate(rows):
        for action in row:
            several = pictures > 1 and action in _ONE_OF_SEVERAL
            for index in range(pictures) if several else (None,):
                view.add_item(JobButton(action, job.id, index, row=number))
    view.stop()  # so that discord.py does not keep one view per message: presses go to JobButton by its id
    return view


async def cancel(interaction: "Press", job_id: str) -> None:
    """Ask the dispatcher to cancel; it edits the message once the job has ended."""
    await defer_update(interaction)
    desk = interaction.client.desk
    job = await known(desk, job_id)
    if not _may_manage(interaction, job.conversation.user_id):
        raise Refused(words.NOT_YOURS_TO_CANCEL)
    if not await desk.dispatcher.cancel(job.id, interaction.user.id):
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
