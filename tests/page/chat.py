"""The page as somebody uses it: found by roles and names, as a screen reader finds it."""

import re
from pathlib import Path

from playwright.async_api import Locator, Page, expect


class Chat:
    """What is common to all stories; everything else is asked of `page`."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.composer = page.get_by_role("textbox", name=re.compile("^Message "))
        self.messages = page.get_by_role("list", name=re.compile("^Messages in ")).get_by_role("article")
        self.offers = page.get_by_role("listbox")

    def message(self, text: str) -> Locator:
        """The newest message with this text."""
        return self.messages.filter(has_text=text).last

    def form(self, command: str) -> Locator:
        """A slash command that is being filled in."""
        return self.page.get_by_role("group", name=f"/{command}")

    async def begin(self, command: str) -> Locator:
        """Find a command by typing and pick it."""
        await self.composer.focus()
        await self.page.keyboard.type(f"/{command}")
        await expect(self.offers.get_by_role("option").first).to_contain_text(f"/{command}")
        await self.page.keyboard.press("Enter")
        await expect(self.form(command)).to_be_visible()
        return self.form(command)

    async def add_option(self, name: str, value: str = "") -> None:
        """By keyboard: go to where options are added, find it, type its value."""
        await self.page.get_by_role("combobox", name="Add an option").focus()
        await self.page.keyboard.type(name)
        await self.page.keyboard.press("Enter")
        if value:
            await self.page.keyboard.type(value)

    async def pick(self, offer: str) -> None:
        """Go down the list that is open to what is called so, by keyboard, and take it."""
        wanted = self.offers.get_by_role("option", name=offer).first
        await expect(wanted).to_be_visible()
        while await wanted.get_attribute("aria-selected") != "true":
            await self.page.keyboard.press("ArrowDown")
        await self.page.keyboard.press("Enter")

    async def attach(self, option: str, file: Path) -> None:
        await self.page.get_by_label(option, exact=True).set_input_files(file)

    async def send(self) -> None:
        await self.page.keyboard.press("Enter")

    async def texts(self) -> list[str]:
        """Every message that is in the page, with who wrote it and what is under it."""
        return await self.messages.all_inner_texts()
