"""Commands on the page: found, filled in and sent, and what becomes of them."""

import base64
from pathlib import Path

import pytest
from playwright.async_api import expect

from bot.playground.client import Person
from bot.playground.server import Playground
from tests.page.browser import OpenPage
from tests.page.chat import Chat

pytestmark = pytest.mark.usefixtures("bot")

# What dropping and pasting a file are to a page: a transfer that holds it.
DROP = """([element, kind, data]) => {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const files = new DataTransfer();
    files.items.add(new File([bytes], "given.png", { type: "image/png" }));
    const options = { bubbles: true, cancelable: true };
    const event = kind === "paste"
        ? new ClipboardEvent("paste", { ...options, clipboardData: files })
        : new DragEvent(kind, { ...options, dataTransfer: files });
    element.dispatchEvent(event);
}"""


@pytest.fixture
async def chat(open_page: OpenPage, playground: Playground) -> Chat:
    return Chat(await open_page(playground.base))


@pytest.fixture
def file(picture: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "in.png"
    path.write_bytes(picture)
    return path


async def test_a_command_is_found_filled_in_and_sent_by_keyboard_alone(chat: Chat) -> None:
    await chat.begin("imagine")
    await chat.page.keyboard.type("a hamster")
    await chat.add_option("steps", "30")
    await chat.send()
    await expect(chat.messages.last).to_contain_text("a hamster in 30 steps from 0 bytes")
    await expect(chat.composer).to_be_focused()
    await chat.page.keyboard.press("ArrowUp")
    await expect(chat.form("imagine").get_by_label("prompt")).to_have_value("a hamster")


async def test_a_whole_line_can_be_typed(chat: Chat) -> None:
    await chat.composer.focus()
    await chat.page.keyboard.type("/imagine prompt:a hamster steps:5")
    await chat.send()
    await expect(chat.messages.last).to_contain_text("a hamster in 5 steps")


async def test_a_picture_is_attached_by_its_button(chat: Chat, file: Path, picture: bytes) -> None:
    await chat.begin("imagine")
    await chat.page.keyboard.type("a hamster")
    await chat.add_option("image")
    await chat.attach("image", file)
    await chat.send()
    await expect(chat.messages.last).to_contain_text(f"from {len(picture)} bytes")


@pytest.mark.parametrize("kind", ["drop", "paste"])
async def test_a_picture_is_attached_by_dropping_and_pasting_it(
    chat: Chat, picture: bytes, kind: str
) -> None:
    form = await chat.begin("imagine")
    await chat.page.keyboard.type("a hamster")
    given = base64.b64encode(picture).decode()
    await chat.page.evaluate(DROP, [await form.element_handle(), kind, given])
    await expect(form).to_contain_text("given.png")
    await form.get_by_label("prompt").focus()
    await chat.send()
    await expect(chat.messages.last).to_contain_text(f"from {len(picture)} bytes")


async def test_what_cannot_be_sent_is_said_before_it_is_sent(chat: Chat, playground: Playground) -> None:
    form = await chat.begin("imagine")
    await chat.send()
    alert = chat.page.get_by_role("alert")
    await expect(alert).to_have_text("prompt is required and was not given.")
    await chat.page.keyboard.type("a hamster")
    await chat.add_option("steps", "151")
    await chat.send()
    await expect(alert).to_have_text("steps must be at most 150; you gave 151.")
    await expect(form.get_by_label("steps", exact=True)).to_be_focused()
    assert not playground.state.interactions


async def test_suggestions_come_from_the_bot_while_typing(chat: Chat) -> None:
    await chat.begin("model")
    await chat.page.keyboard.type("jug")
    await chat.pick("juggernaut")
    await chat.send()
    await expect(chat.messages.last).to_contain_text("juggernaut")


async def test_fixed_choices_are_offered_and_nothing_else_is_taken(chat: Chat) -> None:
    await chat.begin("settings everything")
    for name, value in (
        ("flag", "True"),
        ("scale", ""),
        ("who", "bob"),
        ("where", "general"),
        ("role", "@everyone"),
    ):
        field = chat.form("settings everything").get_by_label(name, exact=True)
        await field.focus()
        if value:
            await chat.page.keyboard.type(value)
            await chat.pick(value)
        else:
            await chat.page.keyboard.type("7.5")
    await chat.form("settings everything").get_by_label("either", exact=True).focus()
    await chat.page.keyboard.type("alice")
    await chat.pick("alice")
    sampler = chat.form("settings everything").get_by_label("sampler", exact=True)
    await sampler.fill("nothing known")
    await chat.send()
    await expect(chat.page.get_by_role("alert")).to_contain_text("sampler must be one of Euler a, DDIM")
    await sampler.fill("DDIM")
    await chat.pick("DDIM")
    await chat.send()
    await expect(chat.messages.last).to_contain_text("True 7.5 bob general @everyone alice ddim")


async def test_a_button_answers_only_who_pressed_it_and_can_be_dismissed(chat: Chat, alice: Person) -> None:
    await alice.wait_message(await alice.slash("imagine", {"prompt": "a hamster"}))
    await chat.messages.get_by_role("button", name="Again").click()
    answer = chat.message("again with 7")
    await expect(answer).to_contain_text("Only you can see this")
    await answer.get_by_role("button", name="Dismiss message").click()
    await expect(answer).to_have_count(0)


async def test_a_form_opens_and_is_checked_and_sent(chat: Chat) -> None:
    await chat.begin("edit")
    await chat.send()
    form = chat.page.get_by_role("dialog", name="Edit")
    field = form.get_by_label("Prompt")
    await expect(field).to_be_focused()
    await chat.page.keyboard.type("a fox")
    await form.get_by_role("button", name="Submit").click()
    await expect(form).to_have_count(0)
    await expect(chat.messages.last).to_contain_text("edited: a fox")


async def test_a_form_that_is_closed_sends_nothing(chat: Chat, playground: Playground) -> None:
    await chat.begin("edit")
    await chat.send()
    form = chat.page.get_by_role("dialog", name="Edit")
    await expect(form.get_by_label("Prompt")).to_be_focused()
    await chat.page.keyboard.press("Escape")
    await expect(form).to_have_count(0)
    assert len(playground.state.interactions) == 1


async def test_a_select_menu_is_used_by_keyboard_and_edits_its_message(chat: Chat, alice: Person) -> None:
    await alice.wait_message(await alice.slash("size"))
    await chat.messages.last.get_by_role("combobox").focus()
    await chat.page.keyboard.press("ArrowDown")
    await expect(chat.offers.get_by_role("option").first).to_be_focused()
    await chat.page.keyboard.press("ArrowDown")
    await chat.page.keyboard.press("Enter")
    await expect(chat.messages.last).to_contain_text("size large")
    await expect(chat.messages).to_have_count(1)


async def test_context_menus_run_commands_on_messages_and_people(chat: Chat, bob: Person) -> None:
    await bob.say("look at this")
    said = chat.messages.first
    await said.click(button="right")
    await chat.page.get_by_role("menuitem", name="Describe").click()
    await expect(chat.messages.last).to_contain_text("described: look at this")
    await said.get_by_role("button", name="bob").first.click(button="right")
    await chat.page.get_by_role("menuitem", name="Greet").click()
    await expect(chat.messages.last).to_contain_text("hello bob")


async def test_a_bot_that_does_not_answer_is_told_from_one_that_thinks(chat: Chat, alice: Person) -> None:
    await chat.begin("silent")
    await chat.send()
    pending = chat.page.get_by_role("article", name="silent")
    await expect(pending).to_contain_text("Sending")
    await alice.move_clock(3.1)
    await expect(pending).to_contain_text("The application did not respond")
