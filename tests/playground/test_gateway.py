"""The gateway as a client that speaks it by hand sees it."""

import asyncio
import json
import zlib
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from bot.playground.client import Person
from bot.playground.server import Playground
from tests.playground.gateway_client import Socket, connect

GUILDS, MEMBERS, MESSAGES, CONTENT = 1, 1 << 1, 1 << 9, 1 << 15


@pytest.fixture(autouse=True)
def _no_pause(playground: Playground) -> None:
    """Sessions may begin one after the other."""
    playground.session_starts.pause_s = 0


async def test_a_heartbeat_is_acknowledged_unless_told_otherwise(
    playground: Playground, alice: Person
) -> None:
    async with connect(playground) as socket:
        await socket.send(1)
        assert (await socket.next())["op"] == 11
        await alice.gateway(acknowledge=False)
        await socket.send(1)
        assert (await socket.identify())["t"] == "READY"


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ("not json", 4002),
        ("[]", 4002),
        ("7", 4002),
        ("[" * 900, 4002),
        ('{"op": 1, "d": "' + "x" * 4096 + '"}', 4002),
        ('{"op": 77}', 4001),
        ('{"op": [], "d": "x"}', 4001),
        ('{"op": 3, "d": {"status": "online"}}', 4003),
        ('{"op": 4, "d": {"guild_id": "1"}}', 4003),
        ('{"op": 0, "d": {}}', 4003),
        ('{"op": 2, "d": {"token": "wrong", "intents": 1}}', 4004),
        ('{"op": 6, "d": {"token": "wrong", "session_id": "x", "seq": 1}}', 4004),
        ('{"op": 2, "d": "x"}', 4002),
        ('{"op": 6, "d": {"token": 7}}', 4002),
    ],
)
async def test_a_client_that_breaks_the_protocol_is_closed(
    playground: Playground, payload: str, code: int
) -> None:
    async with connect(playground) as socket:
        await socket.socket.send_str(payload)
        assert await socket.closed() == code


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"intents": None}, 4013),
        ({"intents": "1"}, 4013),
        ({"intents": -1}, 4013),
        ({"intents": 1 << 30}, 4013),
        ({"intents": True}, 4013),
        ({"intents": CONTENT}, 4014),
        ({"shard": [1, 1]}, 4010),
        ({"shard": [0, 0]}, 4010),
        ({"shard": [-1, 2]}, 4010),
        ({"shard": "0/1"}, 4010),
        ({"shard": [0, 1, 2]}, 4010),
        ({"presence": "online"}, 4002),
        ({"compress": "yes"}, 4002),
    ],
)
async def test_a_wrong_identify_is_closed_with_its_code(
    playground: Playground, alice: Person, fields: dict[str, Any], code: int
) -> None:
    await alice.gateway(privileged=["GUILD_MEMBERS"])
    async with connect(playground) as socket:
        await socket.send(2, {"token": playground.token, "intents": 1, "properties": {}, **fields})
        assert await socket.closed() == code


async def test_a_second_identify_is_closed(playground: Playground) -> None:
    async with connect(playground) as socket:
        await socket.ready()
        await socket.send(2, {"token": playground.token, "intents": 1, "properties": {}})
        assert await socket.closed() == 4005


@pytest.mark.parametrize("op", [0, 7, 9, 10, 11])
async def test_opcodes_that_only_discord_sends_are_unknown_to_it(playground: Playground, op: int) -> None:
    async with connect(playground) as socket:
        await socket.ready()
        await socket.send(op, {})
        assert await socket.closed() == 4001


@pytest.mark.parametrize(("query", "code"), [("?v=9", 4012), ("?v=x", 4012), ("?v=10&encoding=etf", 4002)])
async def test_another_version_or_encoding_is_closed(playground: Playground, query: str, code: int) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(playground.gateway.base + query) as socket,
    ):
        assert (await socket.receive(timeout=5)).data == code


async def test_a_client_without_heartbeats_times_out(playground: Playground) -> None:
    playground.gateway.heartbeat_ms = 20
    async with connect(playground) as socket:
        ready = await socket.ready()
        assert await socket.closed() == 4009
    playground.gateway.heartbeat_ms = 41_250
    async with connect(playground) as socket:
        await socket.resume(ready["session_id"], 2)
        assert (await socket.next())["op"] == 9


async def test_the_121st_payload_within_a_minute_is_one_too_many(playground: Playground) -> None:
    async with connect(playground) as socket:
        await socket.ready()
        for _ in range(119):
            await socket.send(3, {"status": "online"})
        playground.clock.move(60)
        await socket.send(1)
        assert (await socket.next())["op"] == 11
        for _ in range(120):
            await socket.send(3, {"status": "idle"})
        assert await socket.closed() == 4008


async def test_presence_and_voice_are_accepted(playground: Playground) -> None:
    async with connect(playground) as socket:
        await socket.ready(presence={"status": "online", "activities": [], "since": None, "afk": False})
        await socket.send(3, {"status": "dnd", "activities": [{"name": "x", "type": 0}], "afk": False})
        voice = {"guild_id": playground.state.guild_id, "channel_id": None}
        await socket.send(4, {**voice, "self_mute": False, "self_deaf": False})
        await socket.send(1)
        assert (await socket.next())["op"] == 11
        await socket.send(3, {"status": 7})
        assert await socket.closed() == 4002
    assert playground.gateway.presence
    assert playground.gateway.presence["status"] == "dnd"


async def test_without_the_content_intent_what_people_write_is_hidden(
    playground: Playground, alice: Person
) -> None:
    async with connect(playground) as socket:
        await socket.ready(GUILDS | MESSAGES)
        await alice.say("secret")
        await alice.say(f"<@{playground.state.bot.id}> hello")
        assert (await socket.next())["d"]["content"] == ""
        assert (await socket.next())["d"]["content"].endswith("hello")


async def test_a_session_resumes_with_what_it_missed(playground: Playground, alice: Person) -> None:
    async with connect(playground) as socket:
        ready = await socket.ready(GUILDS | MESSAGES | CONTENT)
        await alice.gateway(close=4000)
        assert await socket.closed() == 4000
    await alice.say("missed")
    async with connect(playground) as socket:
        await socket.resume(ready["session_id"], 2)
        missed, resumed = await socket.next(), await socket.next()
    assert (missed["s"], missed["d"]["content"], resumed["t"]) == (3, "missed", "RESUMED")


async def _refused(socket: Socket, session: str, seq: int) -> None:
    await socket.resume(session, seq)
    assert (await socket.next()) == {"op": 9, "d": False, "s": None, "t": None}


async def test_a_session_ends_when_the_client_closes_it(playground: Playground) -> None:
    async with connect(playground) as socket:
        ready = await socket.ready()
        await socket.socket.close(code=1000)
    async with connect(playground) as socket:
        await _refused(socket, ready["session_id"], 2)


async def _left(playground: Playground, intents: int = GUILDS) -> str:
    """A session whose connection is gone."""
    async with connect(playground) as socket:
        ready = await socket.ready(intents)
        playground.gateway.close(4000)
        await socket.closed()
    session: str = ready["session_id"]
    return session


async def test_a_session_that_is_left_times_out(playground: Playground) -> None:
    session = await _left(playground)
    playground.clock.move(301)
    async with connect(playground) as socket:
        await _refused(socket, session, 2)


async def test_a_session_that_missed_more_than_is_held_is_over(playground: Playground) -> None:
    session = await _left(playground)
    for number in range(1001):
        playground.gateway.publish("USER_UPDATE", {"id": str(number)})
    async with connect(playground) as socket:
        await _refused(socket, session, 2)


async def test_a_sequence_that_was_never_sent_is_invalid(playground: Playground) -> None:
    session = await _left(playground)
    async with connect(playground) as socket:
        await socket.resume(session, 99)
        assert await socket.closed() == 4007


async def test_members_come_on_request(playground: Playground) -> None:
    async with connect(playground) as socket:
        await socket.ready(GUILDS | MEMBERS)
        await socket.send(8, {"guild_id": playground.state.guild_id, "query": "", "limit": 0, "nonce": "n"})
        chunk = (await socket.next())["d"]
    names = [each["user"]["username"] for each in chunk["members"]]
    assert (sorted(names), chunk["nonce"]) == (["alice", "bob", "darkroom"], "n")


async def test_members_come_by_name_and_by_id(playground: Playground) -> None:
    state = playground.state
    async with connect(playground) as socket:
        await socket.ready()
        await socket.send(8, {"guild_id": state.guild_id, "query": "AL", "limit": 1})
        by_name = (await socket.next())["d"]
        await socket.send(8, {"guild_id": state.guild_id, "user_ids": [state.people["bob"].id, "1"]})
        by_id = (await socket.next())["d"]
    assert [each["user"]["username"] for each in by_name["members"]] == ["alice"]
    assert [each["user"]["username"] for each in by_id["members"]] == ["bob"]
    assert by_id["not_found"] == ["1"]


async def test_all_members_need_their_intent(playground: Playground) -> None:
    async with connect(playground) as socket:
        await socket.ready()
        await socket.send(8, {"guild_id": playground.state.guild_id, "query": "", "limit": 0})
        await socket.send(1)
        assert (await socket.next())["op"] == 11


async def test_a_thousand_members_are_one_chunk(playground: Playground) -> None:
    state = playground.state
    for number in range(1000):
        state.add_member(state.guilds[state.guild_id], state.add_person(f"person{number}"))
    async with connect(playground) as socket:
        await socket.ready(GUILDS | MEMBERS)
        await socket.send(8, {"guild_id": state.guild_id, "query": "", "limit": 0})
        chunks = [(await socket.next())["d"] for _ in range(2)]
    assert [len(chunk["members"]) for chunk in chunks] == [1000, 3]
    assert [(chunk["chunk_index"], chunk["chunk_count"]) for chunk in chunks] == [(0, 2), (1, 2)]


async def _two_payloads(playground: Playground, name: str, unpack: Callable[[bytes], bytes]) -> list[int]:
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{playground.gateway.base}?compress={name}") as socket,
    ):
        first = json.loads(unpack(await socket.receive_bytes(timeout=5)))
        await socket.send_json({"op": 1, "d": None})
        second = json.loads(unpack(await socket.receive_bytes(timeout=5)))
        return [first["op"], second["op"]]


async def test_zlib_is_one_stream_a_connection(playground: Playground) -> None:
    assert await _two_payloads(playground, "zlib-stream", zlib.decompressobj().decompress) == [10, 11]


async def test_zstd_is_one_stream_a_connection(playground: Playground) -> None:
    zstandard = pytest.importorskip(
        "zstandard", reason="optional: discord.py asks for it only where installed"
    )
    unpack = zstandard.ZstdDecompressor().decompressobj().decompress
    assert await _two_payloads(playground, "zstd-stream", unpack) == [10, 11]


async def test_large_payloads_are_compressed_one_by_one_where_asked(playground: Playground) -> None:
    async with connect(playground) as socket:
        await socket.send(
            2, {"token": playground.token, "intents": GUILDS, "compress": True, "properties": {}}
        )
        ready = await socket.socket.receive(timeout=5)
        guild = json.loads(zlib.decompress(await socket.socket.receive_bytes(timeout=5)))
    text = zlib.decompress(ready.data) if ready.type is aiohttp.WSMsgType.BINARY else ready.data
    assert (json.loads(text)["t"], guild["t"]) == ("READY", "GUILD_CREATE")


async def test_a_failure_of_the_gateway_itself_is_an_unknown_error(
    playground: Playground, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect(playground) as socket:
        del playground.state.bot  # something impossible
        await socket.send(2, {"token": playground.token, "intents": 1, "properties": {}})
        assert await socket.closed() == 4000
    assert "the gateway failed" in caplog.text


async def test_two_clients_do_not_wait_for_each_other(playground: Playground) -> None:
    async with connect(playground) as first, connect(playground) as second:
        both = await asyncio.gather(first.ready(), second.ready())
    assert both[0]["session_id"] != both[1]["session_id"]
