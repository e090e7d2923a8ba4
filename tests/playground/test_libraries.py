"""The same stories told to bots on other libraries than ours: hikari, and discord.js where Node.js is present."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.playground.client import Json, NotPossible, Person
from bot.playground.server import Playground
from bot.playground.traffic import Event
from tests.playground.hikari_bot import HikariBot
from tests.programs import DISCORD_JS, node

Running = Callable[[Playground, bytes, Path], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def hikari(playground: Playground, picture: bytes, folder: Path) -> AsyncIterator[None]:
    del folder
    async with HikariBot(base=playground.base, token=playground.token, picture=picture).running():
        yield


@asynccontextmanager
async def discord_js(playground: Playground, picture: bytes, folder: Path) -> AsyncIterator[None]:
    file = folder / "picture.png"
    file.write_bytes(picture)
    settings = {"DISCORD_API": playground.base, "DISCORD_TOKEN": playground.token, "PICTURE": str(file)}
    process = await asyncio.create_subprocess_exec(
        node(),
        "bot.js",
        cwd=DISCORD_JS,
        env={**os.environ, **settings},
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    yield
    _, complaints = await asyncio.wait_for(process.communicate(b""), 10)
    assert (process.returncode, complaints.decode()) == (0, "")


@pytest.fixture(autouse=True, params=[hikari, discord_js], ids=["hikari", "discord.js"])
async def bot(
    request: pytest.FixtureRequest, playground: Playground, alice: Person, picture: bytes, tmp_path: Path
) -> AsyncIterator[None]:
    running: Running = request.param
    async with running(playground, picture, tmp_path):
        await alice.wait_online()
        yield


async def test_its_commands_are_offered(alice: Person) -> None:
    offered = {(command["type"], command["name"]) for command in await alice.commands()}
    assert offered >= {(1, "imagine"), (1, "settings"), (2, "Greet"), (3, "Describe")}


async def test_a_deferred_answer_becomes_a_picture_made_from_an_attachment(
    alice: Person, picture: bytes
) -> None:
    asked = await alice.slash(
        "imagine", {"prompt": "a hamster", "steps": 30}, files={"image": ("in.png", picture)}
    )
    message = await alice.wait_message(asked)
    assert message["content"] == f"a hamster in 30 steps from {len(picture)} bytes"
    (attachment,) = message["attachments"]
    assert (attachment["filename"], attachment["width"], attachment["height"]) == ("picture.png", 64, 48)
    assert await alice.download(attachment["url"]) == picture


async def test_a_button_answers_only_who_pressed_it(alice: Person, bob: Person) -> None:
    message = await alice.wait_message(await alice.slash("imagine", {"prompt": "a hamster"}))
    reply = await bob.wait_message(await bob.press(message, "Again"))
    assert reply["content"] == "again with 7"
    assert reply["id"] in ids(await bob.messages())
    assert reply["id"] not in ids(await alice.messages())


async def test_a_followup_may_be_seen_by_fewer_people(alice: Person, bob: Person) -> None:
    asked = await alice.slash("twice")
    await alice.wait(asked, lambda act: len(act.followup_ids) == 1)
    assert [message["content"] for message in await alice.messages()] == ["first", "second"]
    assert [message["content"] for message in await bob.messages()] == ["first"]


async def test_a_deferred_answer_may_be_for_one_person(alice: Person, bob: Person) -> None:
    message = await alice.wait_message(await alice.slash("secret"))
    assert message["content"] == "between us"
    assert await bob.messages() == []


async def test_an_edit_keeps_the_files_that_it_names(alice: Person, picture: bytes) -> None:
    asked = await alice.slash("frames")
    message = await alice.wait_message(asked, lambda seen: len(seen["attachments"]) == 2)
    assert [each["filename"] for each in message["attachments"]] == ["one.png", "two.png"]
    for attachment in message["attachments"]:
        assert await alice.download(attachment["url"]) == picture


async def test_an_answer_can_be_taken_back(alice: Person) -> None:
    asked = await alice.slash("gone")
    await alice.wait(asked, lambda act: len(act.followup_ids) == 1)
    assert [message["content"] for message in await alice.messages()] == ["nothing to see"]


async def test_a_layout_of_components_shows_its_file(alice: Person, picture: bytes) -> None:
    message = await alice.wait_message(await alice.slash("layout"))
    (container,) = message["components"]
    text, gallery = container["components"]
    assert (container["accent_color"], text["content"]) == (0xFF8800, "# A picture")
    assert await alice.download(gallery["items"][0]["media"]["url"]) == picture


async def test_a_form_opens_and_is_sent(alice: Person) -> None:
    opened = await alice.wait(await alice.slash("edit"), lambda act: act.state == "form")
    with pytest.raises(NotPossible, match=r"at most 100 characters; you gave 101\."):
        await alice.submit(opened, {"prompt": "x" * 101})
    reply = await alice.wait_message(await alice.submit(opened, {"prompt": "a fox"}))
    assert reply["content"] == "edited: a fox"


async def test_a_select_menu_edits_its_message(alice: Person) -> None:
    message = await alice.wait_message(await alice.slash("size"))
    await alice.choose(message, "size", ["large"])
    (changed,) = await alice.wait_channel(lambda seen: seen[0]["content"] != "which?")
    assert (changed["id"], changed["content"]) == (message["id"], "size large")


async def test_suggestions_come_while_typing(alice: Person) -> None:
    assert await alice.autocomplete("model", "name", "jug") == [{"name": "juggernaut", "value": "juggernaut"}]


async def test_every_kind_of_option_arrives_as_its_object(alice: Person) -> None:
    options = {"flag": True, "scale": 7.5, "who": "bob", "where": "general", "role": "@everyone"}
    message = await alice.wait_message(await alice.slash("settings everything", options))
    assert message["content"] == "true 7.5 bob general @everyone"


async def test_context_menus_carry_their_target(alice: Person, bob: Person) -> None:
    said = await bob.say("look at this")
    described = await alice.wait_message(await alice.use_on_message("Describe", said))
    assert described["content"] == "described: look at this"
    greeted = await alice.wait_message(await alice.use_on_user("Greet", "bob"))
    assert greeted["content"] == "hello bob"


@pytest.mark.parametrize("fault", [{"reconnect": True}, {"close": 4000}, {"drop": True}], ids=str)
async def test_a_lost_connection_is_resumed_with_what_was_missed(
    playground: Playground, alice: Person, fault: dict[str, Any]
) -> None:
    await alice.gateway(**fault)
    asked = await alice.slash("imagine", {"prompt": "missed"})
    assert (await alice.wait_message(asked))["content"].startswith("missed")
    async with asyncio.timeout(10):
        while "RESUMED" not in events(playground):
            await playground.state.changes.wait(playground.state.changes.count, timeout=1)
    assert events(playground).count("IDENTIFY") == 1


async def test_a_rate_limit_is_waited_for(alice: Person) -> None:
    await alice.fault("rate_limit", path="/webhooks/*", method="PATCH", seconds=0.01)
    message = await alice.wait_message(await alice.slash("imagine", {"prompt": "slowly"}))
    assert message["content"].startswith("slowly")


def ids(messages: list[Json]) -> list[str]:
    return [message["id"] for message in messages]


def events(playground: Playground) -> list[str]:
    return [entry.name for entry in playground.traffic.entries if isinstance(entry, Event)]
