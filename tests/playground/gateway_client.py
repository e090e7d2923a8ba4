"""A gateway client that speaks the protocol by hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from bot.playground.server import Playground


class Socket:
    """One connection in text frames. `hello` was read already."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, token: str) -> None:
        self.socket = socket
        self._token = token

    async def send(self, op: int, data: Any = None) -> None:
        await self.socket.send_json({"op": op, "d": data})

    async def next(self) -> dict[str, Any]:
        payload: dict[str, Any] = await self.socket.receive_json(timeout=5)
        return payload

    async def identify(self, intents: Any = 1, **more: Any) -> dict[str, Any]:
        """What the gateway answers: READY where it likes it; `more` are fields of IDENTIFY."""
        await self.send(2, {"token": self._token, "intents": intents, "properties": {}, **more})
        return await self.next()

    async def ready(self, intents: int = 1, **more: Any) -> dict[str, Any]:
        """READY's data, with the GUILD_CREATEs read too."""
        answer = await self.identify(intents, **more)
        assert answer["t"] == "READY"
        if intents & 1:
            for _ in answer["d"]["guilds"]:
                assert (await self.next())["t"] == "GUILD_CREATE"
        data: dict[str, Any] = answer["d"]
        return data

    async def resume(self, session: str, seq: Any) -> None:
        await self.send(6, {"token": self._token, "session_id": session, "seq": seq})

    async def closed(self) -> int | None:
        assert (await self.socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
        return self.socket.close_code


@asynccontextmanager
async def connect(playground: Playground, query: str = "") -> AsyncIterator[Socket]:
    async with aiohttp.ClientSession() as http, http.ws_connect(playground.gateway.base + query) as socket:
        hello = await socket.receive(timeout=5)
        assert hello.type is aiohttp.WSMsgType.TEXT
        assert hello.json()["op"] == 10
        yield Socket(socket, playground.token)
