"""What comes back on the page after somebody did something, and where the page goes when a place is gone."""

import pytest
from playwright.async_api import expect

from bot.playground.client import Json, Person
from bot.playground.server import Playground
from tests.page.browser import OpenPage
from tests.page.chat import Chat


@pytest.fixture
async def chat(playground: Playground, open_page: OpenPage) -> Chat:
    return Chat(await open_page(playground.base))


async def test_a_pressed_button_is_free_again_once_the_bot_has_answered(
    chat: Chat, alice: Person, bot: object
) -> None:
    del bot
    await alice.wait_message(await alice.slash("imagine", {"prompt": "a hamster"}))
    button = chat.messages.first.get_by_role("button", name="Again")
    for times in (1, 2):
        await button.click()
        await expect(chat.messages.filter(has_text="again with 7")).to_have_count(times)
        await expect(button).not_to_have_attribute("aria-busy", "true")


async def test_a_reply_and_its_picture_are_said_aloud(chat: Chat, bot: object) -> None:
    del bot
    await chat.begin("imagine")
    await chat.page.keyboard.type("a hamster")
    await chat.send()
    said = chat.page.locator("[aria-live=polite]", has_text="darkroom: a hamster in 20 steps")
    await expect(said).to_contain_text("a picture")


async def test_a_reply_names_whom_it_answers(chat: Chat, alice: Person, bot: object) -> None:
    del bot
    await alice.wait_message(await alice.slash("model", {"name": f"<@{await own_id(alice)}> and **bold**"}))
    await alice.wait_message(await alice.slash("twice"))
    await expect(chat.messages.last.locator(".message-context")).to_contain_text("first")
    await expect(chat.message("and bold")).to_contain_text("@Alice and bold")


async def own_id(person: Person) -> str:
    people: list[Json] = (await person.world())["people"]
    return next(str(each["id"]) for each in people if each["username"] == "alice")


async def test_a_link_to_a_message_leads_to_it_without_leaving_the_page(chat: Chat, alice: Person) -> None:
    goal = await alice.say("here it is")
    guild = (await alice.world())["guild_id"]
    await alice.say(f"[look](https://discord.com/channels/{guild}/{goal['channel_id']}/{goal['id']})")
    await chat.messages.last.get_by_role("button", name="look").click()
    await expect(chat.message("here it is")).to_be_focused()


async def test_who_loses_a_channel_is_told_and_taken_to_another(
    chat: Chat,
) -> None:
    await chat.page.get_by_role("button", name="Developer panel").click()
    await chat.page.get_by_role("tab", name="World").click()
    await chat.page.get_by_label("New channel").get_by_label("name").fill("prints")
    await chat.page.get_by_label("New channel").get_by_role("button", name="Add").click()
    channels = chat.page.get_by_role("navigation", name="Channels")
    await channels.get_by_role("button", name="prints").click()
    await expect(chat.page.get_by_role("textbox", name="Message #prints")).to_be_visible()
    await chat.page.get_by_role("button", name="Delete #prints").click()
    await expect(chat.page.get_by_role("textbox", name="Message #general")).to_be_visible()
    await expect(channels.get_by_role("button", name="prints")).to_have_count(0)
