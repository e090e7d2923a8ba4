"""Which events a session gets for its intents, by Discord's table."""

from typing import Any

import pytest

from bot.playground.client import Person
from bot.playground.intents import EVERY, Intents, needed
from bot.playground.server import Playground
from tests.playground.gateway_client import Socket, connect

BOT = "1"


@pytest.mark.parametrize(
    ("event", "data", "intent"),
    [
        ("INTERACTION_CREATE", {}, Intents.NONE),
        ("READY", {}, Intents.NONE),
        ("GUILD_CREATE", {"id": "5"}, Intents.GUILDS),
        ("CHANNEL_DELETE", {"guild_id": "5"}, Intents.GUILDS),
        ("THREAD_CREATE", {"guild_id": "5"}, Intents.GUILDS),
        ("MESSAGE_CREATE", {"guild_id": "5"}, Intents.GUILD_MESSAGES),
        ("MESSAGE_CREATE", {}, Intents.DIRECT_MESSAGES),
        ("MESSAGE_DELETE_BULK", {"guild_id": "5"}, Intents.GUILD_MESSAGES),
        ("MESSAGE_REACTION_ADD", {"guild_id": "5"}, Intents.GUILD_MESSAGE_REACTIONS),
        ("MESSAGE_REACTION_ADD", {}, Intents.DIRECT_MESSAGE_REACTIONS),
        ("TYPING_START", {}, Intents.DIRECT_MESSAGE_TYPING),
        ("CHANNEL_PINS_UPDATE", {"guild_id": "5"}, Intents.GUILDS),
        ("CHANNEL_PINS_UPDATE", {}, Intents.DIRECT_MESSAGES),
        ("GUILD_MEMBER_ADD", {"guild_id": "5", "user": {"id": "2"}}, Intents.GUILD_MEMBERS),
        ("GUILD_MEMBER_UPDATE", {"guild_id": "5", "user": {"id": "2"}}, Intents.GUILD_MEMBERS),
        ("GUILD_MEMBER_UPDATE", {"guild_id": "5", "user": {"id": BOT}}, Intents.NONE),
        ("PRESENCE_UPDATE", {"guild_id": "5"}, Intents.GUILD_PRESENCES),
        ("MESSAGE_POLL_VOTE_ADD", {}, Intents.DIRECT_MESSAGE_POLLS),
        ("ENTITLEMENT_CREATE", {}, Intents.NONE),
    ],
)
def test_the_intent_of_an_event(event: str, data: dict[str, Any], intent: Intents) -> None:
    assert needed(event, data, bot_id=BOT) == intent


def test_every_intent_is_one_that_discord_knows() -> None:
    assert EVERY.value == 0b11001100011111111111111111


async def events(socket: Socket) -> list[str]:
    """The names of what came so far."""
    await socket.send(1)
    found = []
    while (payload := await socket.next())["op"] != 11:
        found.append(payload["t"])
    return found


@pytest.mark.parametrize(
    ("intents", "told"),
    [
        (0, []),
        (1 << 9, ["MESSAGE_CREATE"]),
        (1 << 12, ["MESSAGE_CREATE"]),
        (1 << 9 | 1 << 12, ["MESSAGE_CREATE"] * 2),
    ],
)
async def test_messages_are_told_to_who_asked_for_them(
    playground: Playground, alice: Person, intents: int, told: list[str]
) -> None:
    async with connect(playground) as socket:
        await socket.ready(intents)
        await alice.say("in the server")
        alice.channel = "dm"
        await alice.say("directly")
        assert await events(socket) == told


async def test_without_the_guilds_intent_no_guild_is_told(playground: Playground) -> None:
    async with connect(playground) as socket:
        ready = await socket.ready(0)
        assert [guild["id"] for guild in ready["guilds"]] == [playground.state.guild_id]
        assert await events(socket) == []


async def test_interactions_need_no_intent(playground: Playground, alice: Person, commands: object) -> None:
    del commands
    async with connect(playground) as socket:
        await socket.ready(0)
        await alice.slash("imagine", {"prompt": "a hamster"})
        assert await events(socket) == ["INTERACTION_CREATE"]


async def test_direct_messages_keep_their_content(playground: Playground, alice: Person) -> None:
    alice.channel = "dm"
    async with connect(playground) as socket:
        await socket.ready(1 << 12)
        await alice.say("for you")
        assert (await socket.next())["d"]["content"] == "for you"
