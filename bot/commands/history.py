"""/history: a person's own pictures, newest first, page by page, shown to them alone."""

import io
import re
from typing import Any, Self

import discord
from discord import app_commands

from bot.client import Darkroom, Desk
from bot.history.files import THUMBNAIL_TYPE
from bot.history.store import Page
from bot.jobs.states import Job, StoredImage
from bot.ui import words
from bot.ui.answers import answer_error, defer_reply, defer_update

PAGE_SIZE = 5


@app_commands.command(name="history", description="Your pictures, newest first, shown to you alone")
async def history(interaction: discord.Interaction[Darkroom]) -> None:
    await defer_reply(interaction, private=True)
    await show_page(interaction, 0)


class PageButton(
    discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]], template=r"darkroom:history:(?P<page>\d{1,6})"
):
    """Turns to one page of the history of whoever presses it."""

    def __init__(self, page: int, label: str = "Page", *, disabled: bool = False) -> None:
        key = f"darkroom:history:{page}"
        super().__init__(discord.ui.Button(label=label, custom_id=key, disabled=disabled))
        self.page = page

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str]
    ) -> Self:
        del interaction, item  # everything is in the id
        return cls(int(match["page"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Discord calls this. Errors are answered here: discord.py would only log them."""
        try:
            await defer_update(interaction)
            await show_page(interaction, self.page)
        except Exception as error:
            await answer_error(interaction, error)


async def show_page(interaction: discord.Interaction[Darkroom], number: int) -> None:
    """Put one page into the private reply. Pages count from 0; one past the end is the last."""
    desk = interaction.client.desk
    user_id = interaction.user.id
    page = await desk.history.of_user(user_id, number, PAGE_SIZE)
    pages = max(1, -(-page.total // PAGE_SIZE))
    if number >= pages:  # pictures were deleted since the buttons were made
        number = pages - 1
        page = await desk.history.of_user(user_id, number, PAGE_SIZE)
    if page.total == 0:
        await interaction.edit_original_response(
            content=words.NO_HISTORY, embeds=[], attachments=[], view=None
        )
        return
    embeds, files = await _entries(desk, page)
    await interaction.edit_original_response(
        content=words.history_title(number, pages),
        embeds=embeds,
        attachments=files,
        view=_turning(number, pages),
    )


async def _entries(desk: Desk, page: Page) -> tuple[list[discord.Embed], list[discord.File]]:
    embeds, files = [], []
    for job, images in page.entries:
        embed = discord.Embed(description=words.history_entry(job))
        if (thumbnail := await _thumbnail(desk, job, images)) is not None:
            embed.set_thumbnail(url=f"attachment://{thumbnail.filename}")
            files.append(thumbnail)
        embeds.append(embed)
    return embeds, files


async def _thumbnail(desk: Desk, job: Job, images: tuple[StoredImage, ...]) -> discord.File | None:
    try:
        data = await desk.files.read(images[0].thumbnail_sha256, THUMBNAIL_TYPE)
    except (FileNotFoundError, IndexError):
        return None
    return discord.File(io.BytesIO(data), f"{job.id}.jpg", description="Thumbnail")


def _turning(number: int, pages: int) -> discord.ui.View | None:
    if pages == 1:
        return None
    view = discord.ui.View(timeout=None)
    view.add_item(PageButton(max(number - 1, 0), "Newer", disabled=number == 0))
    # Two buttons may not share a custom id, and the page after the last is the last.
    view.add_item(PageButton(number + 1, "Older", disabled=number == pages - 1))
    view.stop()  # so that discord.py does not keep it: presses go to PageButton by its id
    return view
