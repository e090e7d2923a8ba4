"""The real discord.py against the playground."""

import asyncio
from pathlib import Path
from typing import Any

import discord
import pytest
from discord.gateway import DiscordWebSocket

from bot.playground.client import DidNotRespond, NotPossible, Person
from bot.playground.connect import point_discord_at
from bot.playground.server import Playground
from tests.playground.conftest import StartBot
from tests.playground.sample_bot import SampleBot

pytestmark = pytest.mark.usefixtures("bot")


async def test_a_slash_command_with_a_file_is_deferred_and_edited_into_a_picture(
    alice: Person, picture: bytes
) -> None:
    asked = await alice.slash(
        "imagine", {"prompt": "a hamster", "steps": 30}, files={"image": ("in.png", picture)}
    )
    message = await alice.wait_message(asked)
    assert message["content"] == f"a hamster in 30 steps from {len(picture)} bytes"
    (attachment,) = message["attachments"]
    assert (attachment["width"], attachment["height"], attachment["description"]) == (64, 48, "a picture")
    assert await alice.download(attachment["url"]) == picture


async def test_the_marks_of_an_interaction_tell_when_the_bot_answered(alice: Person) -> None:
    asked = await alice.slash("imagine", {"prompt": "a hamster"})
    seen = await alice.wait(asked, lambda act: act.edits == 1)
    assert seen.acknowledged_after is not None
    assert 0 <= seen.acknowledged_after < 3
    assert seen.acknowledged_at is not None
    assert seen.first_edit_at is not None
    assert seen.acknowledged_at <= seen.first_edit_at == seen.last_edit_at


async def test_a_typed_line_is_the_same_command(alice: Person, picture: bytes, tmp_path: Path) -> None:
    source = tmp_path / "in put.png"
    source.write_bytes(picture)
    asked = await alice.enter(f"/imagine prompt:a big hamster steps:5 image:@{source}")
    message = await alice.wait_message(asked)
    assert message["content"] == f"a big hamster in 5 steps from {len(picture)} bytes"


async def test_a_dynamic_button_answers_only_who_pressed_it(alice: Person, bob: Person) -> None:
    message = await alice.wait_message(await alice.slash("imagine", {"prompt": "a hamster"}))
    reply = await bob.wait_message(await bob.press(message, "Again"))
    assert reply["content"] == "again with 7"
    assert reply["id"] in [seen["id"] for seen in await bob.messages()]
    assert reply["id"] not in [seen["id"] for seen in await alice.messages()]


async def test_a_followup_comes_after_the_answer(alice: Person) -> None:
    asked = await alice.slash("twice")
    await alice.wait(asked, lambda act: len(act.followup_ids) == 1)
    assert [message["content"] for message in await alice.messages()] == ["first", "second"]


async def test_a_file_that_an_embed_shows_is_not_listed_twice(alice: Person, picture: bytes) -> None:
    message = await alice.wait_message(await alice.slash("card"))
    assert message["attachments"] == []
    image = message["embeds"][0]["image"]
    assert (image["width"], image["height"]) == (64, 48)
    assert await alice.download(image["url"]) == picture


async def test_suggestions_come_while_typing(alice: Person) -> None:
    assert await alice.autocomplete("model", "name", "jug") == [{"name": "juggernaut", "value": "juggernaut"}]


async def test_a_form_opens_and_is_sent(alice: Person) -> None:
    opened = await alice.wait(await alice.slash("edit"), lambda act: act.state == "form")
    with pytest.raises(NotPossible, match=r"Prompt must have at most 100 characters; you gave 101\."):
        await alice.submit(opened, {"prompt": "x" * 101})
    reply = await alice.wait_message(await alice.submit(opened, {"prompt": "a fox"}))
    assert reply["content"] == "edited: a fox"


async def test_a_select_menu_edits_its_message(alice: Person) -> None:
    message = await alice.wait_message(await alice.slash("size"))
    changed = await alice.wait_message(
        await alice.choose(message, "size", ["large"]), lambda seen: seen["content"] != "which?"
    )
    assert (changed["id"], changed["content"]) == (message["id"], "size large")


async def test_context_menus_carry_their_target(alice: Person, bob: Person) -> None:
    said = await bob.say("look at this")
    described = await alice.wait_message(await alice.use_on_message("Describe", said))
    assert described["content"] == "described: look at this"
    greeted = await alice.wait_message(await alice.use_on_user("Greet", "bob"))
    assert greeted["content"] == "hello bob"


async def test_every_kind_of_option_arrives_as_its_object(alice: Person) -> None:
    options = {
        "flag": True,
        "scale": 7.5,
        "who": "bob",
        "where": "general",
        "role": "@everyone",
        "either": "alice",
        "sampler": "Euler a",
    }
    message = await alice.wait_message(await alice.slash("settings everything", options))
    assert message["content"] == "True 7.5 bob general @everyone alice euler_a"


async def test_a_layout_of_components_shows_its_file(playground: Playground) -> None:
    async with Person(playground.base, channel="after-dark") as alice:
        message = await alice.wait_message(await alice.slash("layout"))
    (container,) = message["components"]
    assert container["components"][1]["items"][0]["media"]["url"].startswith(playground.base)


async def test_commands_work_in_direct_messages(playground: Playground, alice: Person) -> None:
    async with Person(playground.base, channel="dm") as private:
        message = await private.wait_message(await private.slash("imagine", {"prompt": "a hamster"}))
    assert message["id"] not in [seen["id"] for seen in await alice.messages()]


async def test_without_an_answer_within_3_seconds_the_person_is_told(alice: Person) -> None:
    asked = await alice.slash("silent")
    await alice.move_clock(3.1)
    with pytest.raises(DidNotRespond):
        await alice.wait_message(asked)


async def test_the_bot_resumes_after_being_asked_to_reconnect(alice: Person, bot: SampleBot) -> None:
    await alice.gateway(reconnect=True)
    asked = await alice.slash("imagine", {"prompt": "in between"})
    async with asyncio.timeout(10):
        await bot.resumed.wait()
    assert (await alice.wait_message(asked))["content"].startswith("in between")


async def test_the_bot_identifies_again_after_an_invalid_session(
    playground: Playground, alice: Person
) -> None:
    await alice.gateway(invalidate=True)
    async with asyncio.timeout(10):
        while [entry.name for entry in playground.traffic.entries if hasattr(entry, "name")].count(
            "READY"
        ) < 2:
            await playground.state.changes.wait(playground.state.changes.count, timeout=1)
    assert await alice.wait_message(await alice.slash("imagine", {"prompt": "again"}))


@pytest.mark.parametrize("fault", [{"close": 4000}, {"drop": True}])
async def test_a_lost_connection_is_resumed_with_what_was_missed(
    alice: Person, bot: SampleBot, fault: dict[str, Any]
) -> None:
    await alice.gateway(**fault)
    asked = await alice.slash("imagine", {"prompt": "missed"})
    assert (await alice.wait_message(asked))["content"].startswith("missed")
    assert bot.resumed.is_set()


async def test_a_rate_limit_with_via_is_waited_for(alice: Person) -> None:
    await alice.fault("rate_limit", path="/webhooks/*", method="PATCH", seconds=0.01)
    message = await alice.wait_message(await alice.slash("imagine", {"prompt": "slowly"}))
    assert message["content"].startswith("slowly")


async def test_commands_of_the_server_are_synced_at_once(
    playground: Playground, start_bot: StartBot, alice: Person
) -> None:
    await start_bot(sync_to=int(playground.state.guild_id))
    command = [each for each in await alice.commands() if each.get("guild_id")]
    assert "imagine" in [each["name"] for each in command]


async def test_three_attributes_point_discord_py_at_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for owner, name in (
        (discord.http.Route, "BASE"),
        (DiscordWebSocket, "DEFAULT_GATEWAY"),
        (discord.asset.Asset, "BASE"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    point_discord_at("http://127.0.0.1:7800/")
    assert discord.http.Route("GET", "/users/@me").url == "http://127.0.0.1:7800/api/v10/users/@me"
    assert str(DiscordWebSocket.DEFAULT_GATEWAY) == "ws://127.0.0.1:7800/gateway"
    assert discord.asset.Asset.BASE == "http://127.0.0.1:7800"


async def test_it_waits_where_a_bucket_is_empty(alice: Person, bot: SampleBot) -> None:
    """One deletion a second: it reads the headers, and none is refused."""
    await alice.rate_limits(scale=0.2)
    channel = next(each for each in bot.get_all_channels() if isinstance(each, discord.TextChannel))
    said = [await alice.say("x") for _ in range(2)]
    for message in said:
        await channel.get_partial_message(int(message["id"])).delete()
    deletions = [each for each in await alice.traffic() if each.get("method") == "DELETE"]
    assert [each["status"] for each in deletions] == [204, 204]
    assert deletions[1]["at"] - deletions[0]["at"] >= 0.99
