"""What somebody began to write, and who gets it."""

from pathlib import Path

from playwright.async_api import expect

from bot.playground.server import Playground
from tests.page.browser import OpenPage
from tests.page.chat import Chat


async def test_typing_goes_to_the_message_as_soon_as_the_page_is_open(
    playground: Playground, open_page: OpenPage
) -> None:
    chat = Chat(await open_page(playground.base))
    await expect(chat.composer).to_be_focused()
    await chat.page.evaluate("document.activeElement.blur()")
    await chat.page.keyboard.type("hello")
    await chat.page.keyboard.press("Enter")
    await expect(chat.message("hello")).to_be_visible()


async def test_a_draft_and_its_files_stay_with_the_channel_they_were_begun_in(
    playground: Playground, open_page: OpenPage, tmp_path: Path
) -> None:
    note = tmp_path / "note.txt"
    note.write_text("for general only")
    chat = Chat(await open_page(playground.base))
    await chat.page.locator("form input[type=file]").first.set_input_files(note)
    await chat.composer.fill("unfinished")
    files = chat.page.get_by_role("list", name="Files to send")
    await expect(files).to_contain_text("note.txt")
    await chat.page.get_by_role("button", name="Direct messages").click()
    await expect(chat.composer).to_have_value("")
    await expect(files).to_be_hidden()
    await chat.page.go_back()
    await expect(chat.composer).to_have_value("unfinished")
    await expect(files).to_contain_text("note.txt")


async def test_a_file_over_the_limit_is_named_before_it_is_sent(
    playground: Playground, open_page: OpenPage, tmp_path: Path
) -> None:
    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        file.truncate(21 * 1024 * 1024)
    chat = Chat(await open_page(playground.base))
    await chat.page.locator("form input[type=file]").first.set_input_files(large)
    said = chat.page.get_by_text("large.bin is 21.0 MiB; at most 20 MiB are taken here.")
    await expect(said).to_be_visible()
