"""The page without a mouse, without eyes, and on a phone."""

import re
from typing import Any

from playwright.async_api import Page, expect

from bot.playground.client import Person
from bot.playground.server import Playground
from tests.page.browser import OpenPage
from tests.page.chat import Chat

TARGET = (
    44  # CSS pixels, what a thumb needs: https://www.w3.org/WAI/WCAG22/Understanding/target-size-enhanced
)
NAMED = {"button", "link", "textbox", "combobox", "searchbox", "img", "menuitem", "tab", "dialog", "listbox"}
# Whatever can be pressed and is now on the screen, but for names and commands inside of a line of text.
TARGETS = """[...document.querySelectorAll("button, [role=combobox], a.button")]
    .filter((each) => getComputedStyle(each).display !== "inline" && !each.matches(".author, .mention, .text-button"))
    .filter((each) => each.checkVisibility({ visibilityProperty: true, opacityProperty: true }))
    .map((each) => [each.getAttribute("aria-label") || each.textContent, each.getBoundingClientRect()])
    .filter(([, box]) => box.right > 0 && box.left < innerWidth && box.bottom > 0 && box.top < innerHeight)
    .map(([name, box]) => ({ name, width: box.width, height: box.height }))"""
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


async def test_a_command_can_be_given_on_a_phone(
    open_page: OpenPage, playground: Playground, bot: object
) -> None:
    del bot
    chat = Chat(await open_page(playground.base, phone=True))
    await chat.composer.tap()
    await chat.page.keyboard.type("/ima")
    await chat.offers.get_by_role("option", name="/imagine").tap()
    await chat.page.keyboard.type("a hamster")
    await chat.page.get_by_role("button", name="Send").tap()
    await expect(chat.messages.last.get_by_role("button", name="Again")).to_be_visible()
    assert await chat.page.evaluate(OVERFLOW) <= 0


async def test_places_are_in_a_drawer_on_a_phone(
    open_page: OpenPage, playground: Playground, alice: Person
) -> None:
    chat = Chat(await open_page(playground.base, phone=True))
    channel = chat.page.get_by_role("navigation", name="Channels").get_by_role("button", name="general")
    await expect(channel).not_to_be_in_viewport()
    await chat.page.get_by_role("button", name="Servers and channels").tap()
    await expect(channel).to_be_in_viewport()
    await channel.tap()
    await expect(channel).not_to_be_in_viewport()
    async with Person(playground.base, channel="dm") as private:
        await private.say("between us")
    await alice.say("for everybody")
    await expect(chat.message("for everybody")).to_be_visible()


async def test_what_is_pressed_on_a_phone_is_large_enough_for_a_thumb(
    open_page: OpenPage, playground: Playground, alice: Person, bot: object
) -> None:
    del bot
    await alice.wait_message(await alice.slash("imagine", {"prompt": "a hamster"}))
    await alice.wait_message(await alice.slash("size"))
    chat = Chat(await open_page(playground.base, phone=True))
    await expect(chat.messages).to_have_count(2)
    targets = await chat.page.evaluate(TARGETS)
    assert len(targets) > 5
    assert [each for each in targets if min(each["height"], each["width"]) < TARGET] == []


async def test_everything_has_a_name_for_screen_readers(
    open_page: OpenPage, playground: Playground, alice: Person, bob: Person, bot: object
) -> None:
    del bot
    await bob.say("hello")
    for command in ("imagine", "card", "size"):
        await alice.wait_message(await alice.slash(command, {"prompt": "x"} if command == "imagine" else {}))
    chat = Chat(await open_page(playground.base))
    await expect(chat.messages).to_have_count(4)
    await chat.page.get_by_role("button", name="Developer panel").click()
    assert await nameless(chat.page) == []
    await chat.begin("imagine")
    assert await nameless(chat.page) == []


async def nameless(page: Page) -> list[dict[str, Any]]:
    """Nodes of Chromium's accessibility tree whose role asks for a name and that have none."""
    session = await page.context.new_cdp_session(page)
    tree = await session.send("Accessibility.getFullAXTree")
    nodes = [node for node in tree["nodes"] if not node["ignored"]]
    assert len(nodes) > 50
    return [
        node
        for node in nodes
        if node["role"]["value"] in NAMED and not node.get("name", {}).get("value", "").strip()
    ]


async def test_what_arrives_is_said_aloud(open_page: OpenPage, playground: Playground, bob: Person) -> None:
    chat = Chat(await open_page(playground.base))
    await expect(chat.composer).to_be_visible()
    await bob.say("is anybody here?")
    await expect(chat.page.locator("[aria-live=polite]", has_text="Bob: is anybody here?")).to_have_count(1)


async def test_the_whole_page_is_reached_by_tab_and_arrows(
    open_page: OpenPage, playground: Playground, alice: Person, bot: object
) -> None:
    del bot
    await alice.wait_message(await alice.slash("imagine", {"prompt": "a hamster"}))
    chat = Chat(await open_page(playground.base))
    await expect(chat.messages).to_have_count(1)
    await chat.page.locator("body").focus()
    reached = []
    for _ in range(25):
        await chat.page.keyboard.press("Tab")
        reached.append(
            await chat.page.evaluate("document.activeElement.ariaLabel || document.activeElement.innerText")
        )
    wanted = (
        "Skip",
        "Server Playground",
        "general",
        "You are Alice",
        "Developer panel",
        "Again",
        "Message #general",
    )
    assert [name for name in wanted if not any(re.match(name, each) for each in reached)] == []
