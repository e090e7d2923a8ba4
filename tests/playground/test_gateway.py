"""The gateway as a client that speaks it by hand sees it."""

import json
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from bot.playground.client import Person
from bot.playground.server import Playground


class Socket:
    """One gateway connection that decompresses nothing: text frames."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def send(self, op: int, data: Any = None) -> None:
        await self.socket.send_json({"op": op, "d": data})

    async def next(self) -> dict[str, Any]:
        payload: dict[str, Any] = await self.socket.receive_json(timeout=5)
        return payload

    async def identify(self, token: str, intents: int = 1) -> dict[str, Any]:
        """READY, with GUILD_CREATE read too where it comes."""
        await self.send(2, {"token": token, "intents": intents, "properties": {}})
        ready = await self.next()
        if intents & 1:
            assert (await self.next())["t"] == "GUILD_CREATE"
        return ready

    async def closed(self) -> int | None:
        assert (await self.socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
        return self.socket.close_code


@asynccontextmanager
async def connect(playground: Playground, query: str = "") -> AsyncIterator[Socket]:
    async with aiohttp.ClientSession() as http, http.ws_connect(playground.gateway.base + query) as socket:
        yield Socket(socket)


async def hello(socket: Socket) -> None:
    assert (await socket.next())["op"] == 10


async def test_a_heartbeat_is_acknowledged_unless_told_otherwise(
    playground: Playground, alice: Person
) -> None:
    async with connect(playground) as socket:
        await hello(socket)
        await socket.send(1)
        assert (await socket.next())["op"] == 11
        await alice.gateway(acknowledge=False)
        await socket.send(1)
        assert (await socket.identify(playground.token))["t"] == "READY"


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ("not json", 4002),
        ('{"op": 77}', 4001),
        ('{"op": 3, "d": {}}', 4003),
        ('{"op": 2, "d": {"token": "wrong", "intents": 1}}', 4004),
        ('{"op": 2, "d": "x"}', 4002),
        ('{"op": [], "d": "x"}', 4001),
    ],
)
async def test_a_client_that_breaks_the_protocol_is_closed(
    playground: Playground, payload: str, code: int
) -> None:
    async with connect(playground) as socket:
        await hello(socket)
        await socket.socket.send_str(payload)
        assert await socket.closed() == code


async def test_an_intent_that_is_not_switched_on_is_disallowed(playground: Playground) -> None:
    playground.gateway.allowed &= ~(1 << 15)
    async with connect(playground) as socket:
        await hello(socket)
        await socket.send(2, {"token": playground.token, "intents": 1 << 15, "properties": {}})
        assert await socket.closed() == 4014


async def test_without_the_content_intent_what_people_write_is_hidden(
    playground: Playground, alice: Person
) -> None:
    async with connect(playground) as socket:
        await hello(socket)
        await socket.identify(playground.token, 1 | 1 << 9)
        await alice.say("secret")
        await alice.say(f"<@{playground.state.bot.id}> hello")
        assert (await socket.next())["d"]["content"] == ""
        assert (await socket.next())["d"]["content"].endswith("hello")


async def test_a_session_resumes_with_what_it_missed(playground: Playground, alice: Person) -> None:
    async with connect(playground) as socket:
        await hello(socket)
        ready = await socket.identify(playground.token, 1 | 1 << 9 | 1 << 15)
        await alice.gateway(close=4000)
        assert await socket.closed() == 4000
    await alice.say("missed")
    session = {"token": playground.token, "session_id": ready["d"]["session_id"], "seq": 2}
    async with connect(playground) as socket:
        await hello(socket)
        await socket.send(6, session)
        missed, resumed = await socket.next(), await socket.next()
    assert (missed["s"], missed["d"]["content"], resumed["t"]) == (3, "missed", "RESUMED")


async def test_a_session_ends_when_the_client_closes_it(playground: Playground) -> None:
    async with connect(playground) as socket:
        await hello(socket)
        ready = await socket.identify(playground.token)
        await socket.socket.close(code=1000)
    async with connect(playground) as socket:
        await hello(socket)
        await socket.send(6, {"token": playground.token, "session_id": ready["d"]["session_id"], "seq": 2})
        assert (await socket.next()) == {"op": 9, "d": False, "s": None, "t": None}


async def test_members_come_on_request(playground: Playground) -> None:
    async with connect(playground) as socket:
        await hello(socket)
        await socket.identify(playground.token)
        await socket.send(8, {"guild_id": playground.state.guild_id, "query": "", "limit": 0, "nonce": "n"})
        chunk = (await socket.next())["d"]
    assert ([each["user"]["username"] for each in chunk["members"]], chunk["nonce"]) == (
        ["darkroom", "alice", "bob"],
        "n",
    )


async def _two_payloads(playground: Playground, name: str, unpack: Callable[[bytes], bytes]) -> list[int]:
    async with connect(playground, f"?compress={name}") as socket:
        first = json.loads(unpack(await socket.socket.receive_bytes(timeout=5)))
        await socket.send(1)
        second = json.loads(unpack(await socket.socket.receive_bytes(timeout=5)))
        return [first["op"], second["op"]]


async def test_zlib_is_one_stream_a_connection(playground: Playground) -> None:
    assert await _two_payloads(playground, "zlib-stream", zlib.decompressobj().decompress) == [10, 11]


async def test_zstd_is_one_stream_a_connection(playground: Playground) -> None:
    zstandard = pytest.importorskip(
        "zstandard", reason="optional: discord.py asks for it only where installed"
    )
    unpack = zstandard.ZstdDecompressor().decompressobj().decompress
    assert await _two_payloads(playground, "zstd-stream", unpack) == [10, 11]
