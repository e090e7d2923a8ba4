"""The page around the commands: what others do, places, people, pictures, and a long conversation."""

import asyncio
import io
import re
from collections.abc import Awaitable, Callable

import pytest
from PIL import Image
from playwright.async_api import Page, expect

from bot.playground.client import Person
from bot.playground.server import Playground
from tests.page.browser import OpenPage
from tests.page.chat import Chat
from tests.playground.conftest import Api, Asked

MANY = 2000
IN_THE_PAGE = 300  # of them at once, while nobody scrolls


async def test_everything_is_still_there_after_a_reload(
    open_page: OpenPage, playground: Playground, alice: Person, bot: object
) -> None:
    del bot
    await alice.say("hello")
    await alice.wait_message(await alice.slash("imagine", {"prompt": "a hamster"}))
    await alice.wait_message(await alice.slash("card"))
    chat = Chat(await open_page(playground.base))
    await expect(chat.messages).to_have_count(3)
    before = await chat.texts()
    await chat.page.reload()
    await expect(chat.messages).to_have_count(3)
    assert await chat.texts() == before


async def test_what_others_do_appears_as_it_happens(
    open_page: OpenPage, playground: Playground, bob: Person, bot: object
) -> None:
    del bot
    chat = Chat(await open_page(playground.base))
    await bob.say("hello")
    await expect(chat.message("hello")).to_be_visible()
    menu = await bob.wait_message(await bob.slash("size"))
    await expect(chat.message("which?")).to_be_visible()
    await bob.choose(menu, "size", ["large"])
    await expect(chat.message("size large")).to_contain_text("(edited)")
    await expect(chat.messages).to_have_count(2)


async def test_text_is_shown_as_text(open_page: OpenPage, playground: Playground, bob: Person) -> None:
    chat = Chat(await open_page(playground.base))
    harmful = "<img src=x onerror=alert(1)> <b>not bold</b> [go](javascript:alert(1))"
    await bob.say(harmful)
    await expect(chat.messages.last).to_contain_text("<img src=x onerror=alert(1)> <b>not bold</b>")
    await expect(chat.messages.last.locator("img, b, a[href^='javascript']")).to_have_count(0)
    await bob.say("**bold** and ||hidden|| and `code`")
    await expect(chat.messages.last.get_by_text("bold", exact=True)).to_have_css(
        "font-weight", re.compile("[6-9]00")
    )
    await expect(chat.messages.last).not_to_contain_text("**")


async def test_a_picture_is_looked_at_and_left_by_keyboard(
    open_page: OpenPage, playground: Playground, alice: Person, bot: object
) -> None:
    del bot
    await alice.wait_message(await alice.slash("imagine", {"prompt": "a hamster"}))
    chat = Chat(await open_page(playground.base))
    frame = chat.messages.last.get_by_role("button", name="a picture")
    await frame.focus()
    await chat.page.keyboard.press("Enter")
    viewer = chat.page.get_by_role("dialog", name="Picture")
    await expect(viewer.get_by_role("img", name="a picture")).to_be_visible()
    async with chat.page.expect_download() as started:
        await viewer.get_by_role("link", name="Download").click()
    assert (await started.value).suggested_filename == "picture.png"
    await chat.page.keyboard.press("Escape")
    await expect(viewer).to_be_hidden()
    await expect(frame).to_be_focused()


async def test_places_and_people_are_switched_and_kept_in_the_address(
    open_page: OpenPage, playground: Playground, alice: Person
) -> None:
    await alice.say("in general")
    chat = Chat(await open_page(playground.base))
    await expect(chat.message("in general")).to_be_visible()
    channels = chat.page.get_by_role("navigation", name="Channels")
    await channels.get_by_role("button", name="after-dark").click()
    await expect(chat.page.get_by_role("heading", name="Age-restricted channel")).to_be_visible()
    await expect(chat.composer).to_be_hidden()
    await chat.page.get_by_role("button", name="Continue").click()
    await chat.composer.fill("in the dark")
    await chat.page.keyboard.press("Enter")
    await expect(chat.message("in the dark")).to_contain_text("Alice")
    await chat.page.get_by_role("button", name=re.compile("You are Alice")).click()
    await chat.page.get_by_role("menuitem", name="Bob").click()
    await chat.page.get_by_role("button", name="Continue").click()
    await expect(chat.message("in the dark")).to_be_visible()
    await chat.page.reload()
    await expect(chat.page.get_by_role("button", name=re.compile("You are Bob"))).to_be_visible()
    await expect(chat.message("in the dark")).to_be_visible()


async def test_the_traffic_is_shown_filtered_and_copied(
    open_page: OpenPage, playground: Playground, alice: Person, bot: object
) -> None:
    del bot
    chat = Chat(await open_page(playground.base))
    await chat.page.get_by_role("button", name="Developer panel").click()
    await alice.wait_message(await alice.slash("twice"))
    rows = chat.page.get_by_role("list", name="Traffic").get_by_role("listitem")
    await expect(rows.filter(has_text="INTERACTION_CREATE")).to_have_count(1)
    await chat.page.get_by_role("searchbox", name="Filter the traffic").fill("callback")
    await expect(rows).to_have_count(1)
    await rows.locator("summary").click()
    await rows.get_by_role("button", name="Copy request").click()
    await expect(chat.page.get_by_text("Copied")).to_be_visible()
    assert '"content": "first"' in await chat.page.evaluate("navigator.clipboard.readText()")


async def test_time_is_moved_and_faults_are_made_from_the_page(
    open_page: OpenPage, playground: Playground
) -> None:
    before = playground.clock.now()
    chat = Chat(await open_page(playground.base))
    await chat.page.get_by_role("button", name="Developer panel").click()
    await chat.page.get_by_role("tab", name="faults").click()
    await chat.page.get_by_role("button", name="Reply lost").click()
    await expect(chat.page.get_by_role("list", name="Faults in force")).to_contain_text("lost")
    assert [rule.kind for rule in playground.faults.rules] == ["lost"]
    await chat.page.get_by_role("button", name="+24 h").click()
    async with asyncio.timeout(10):
        while playground.clock.now() < before + 24 * 3600:
            await playground.state.changes.wait(playground.state.changes.count, timeout=1)


async def test_two_thousand_messages_leave_the_page_usable(
    open_page: OpenPage, playground: Playground, alice: Person, bob: Person
) -> None:
    for number in range(MANY):
        await bob.say(f"message number {number}")
    chat = Chat(await open_page(playground.base))
    newest = chat.message(f"message number {MANY - 1}")
    await expect(newest).to_be_in_viewport()
    assert await chat.messages.count() <= IN_THE_PAGE
    await chat.composer.fill("and one more")
    await chat.page.keyboard.press("Enter")
    await expect(chat.message("and one more")).to_be_in_viewport()
    seen = await chat.messages.first.inner_text()
    await chat.messages.first.scroll_into_view_if_needed()
    await expect(chat.messages.first).not_to_have_text(seen, use_inner_text=True)
    await alice.say("meanwhile")
    await expect(chat.message("meanwhile")).not_to_be_in_viewport()
    await chat.page.get_by_role("button", name="Jump to the newest").click()
    await expect(chat.message("meanwhile")).to_be_in_viewport()


@pytest.mark.parametrize("sent", ["a message", "a command"])
async def test_whoever_sends_something_while_reading_older_messages_sees_what_comes_of_it(
    open_page: OpenPage, playground: Playground, bob: Person, bot: object, sent: str
) -> None:
    del bot
    for number in range(30):
        await bob.say(f"line {number}")
    chat = Chat(await open_page(playground.base, phone=True))
    await expect(chat.message("line 29")).to_be_in_viewport()
    await chat.message("line 0").scroll_into_view_if_needed()
    await expect(chat.message("line 29")).not_to_be_in_viewport()
    if sent == "a command":
        await chat.begin("imagine")
    else:
        await chat.composer.focus()
    await chat.page.keyboard.type("a hamster")
    await chat.send()
    await expect(chat.message("a hamster")).to_be_in_viewport()


@pytest.mark.parametrize("scheme", ["dark", "light"])
async def test_it_is_dark_or_light_as_the_system_is_until_somebody_chooses(
    open_page: OpenPage, playground: Playground, scheme: str
) -> None:
    page = await open_page(playground.base, scheme=scheme)
    toggle = page.get_by_role("button", name="Dark or light")
    await expect(toggle).to_be_visible()
    is_dark = scheme == "dark"
    assert (await brightness(page) < 0.5) is is_dark
    await toggle.click()
    assert (await brightness(page) < 0.5) is not is_dark
    await page.reload()
    await expect(toggle).to_be_visible()
    assert (await brightness(page) < 0.5) is not is_dark


async def brightness(page: Page) -> float:
    """Of the page's background, between 0 and 1."""
    color: str = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    red, green, blue = map(float, re.findall(r"[\d.]+", color)[:3])
    return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255


async def test_whoever_is_at_the_end_stays_there_while_pictures_come_and_go(
    open_page: OpenPage, playground: Playground, alice: Person, api: Api, ask: Callable[[], Awaitable[Asked]]
) -> None:
    playground.rate_limits.enabled = False
    for number in range(8):
        await alice.say(f"line {number}\n" * 4)
    asked = await ask()
    await asked.callback(5)
    chat = Chat(await open_page(playground.base))
    for number in range(10):
        body = f'{{"content": "preview {number}", "attachments": [{{"id": 0}}]}}'
        preview = {"files[0]": (f"{number}.png", a_picture(number))}
        await api.upload("PATCH", asked.original, body, preview)
        shown = chat.message(f"preview {number}").get_by_role("img", name=f"{number}.png")
        await expect(shown).to_have_js_property("complete", True)
        await expect(shown).to_be_in_viewport(ratio=0.99)
    await expect(chat.page.get_by_role("button", name="Jump to the newest")).to_be_hidden()


def a_picture(number: int) -> bytes:
    """A PNG of 256 by 256 pixels; each number has its own."""
    stream = io.BytesIO()
    Image.new("RGB", (256, 256), (20 * number, 90, 160)).save(stream, "PNG")
    return stream.getvalue()
