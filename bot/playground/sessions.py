"""What the gateway is made of: opcodes, intents, connections, and the sessions that outlive them.

https://discord.com/developers/docs/events/gateway
"""

import asyncio
import json
import secrets
from collections import deque
from enum import IntEnum, IntFlag
from typing import Any

from aiohttp import web

from bot.playground.compression import compressor
from bot.playground.state import Json

REPLAYED = 1000  # events that a session can replay


class Op(IntEnum):
    DISPATCH = 0
    HEARTBEAT = 1
    IDENTIFY = 2
    PRESENCE_UPDATE = 3
    VOICE_STATE_UPDATE = 4
    RESUME = 6
    RECONNECT = 7
    REQUEST_GUILD_MEMBERS = 8
    INVALID_SESSION = 9
    HELLO = 10
    HEARTBEAT_ACK = 11


class Intents(IntFlag):
    NONE = 0  # an event that everybody gets
    GUILDS = 1 << 0
    GUILD_MEMBERS = 1 << 1
    GUILD_PRESENCES = 1 << 8
    GUILD_MESSAGES = 1 << 9
    DIRECT_MESSAGES = 1 << 12
    MESSAGE_CONTENT = 1 << 15


PRIVILEGED = Intents.GUILD_MEMBERS | Intents.GUILD_PRESENCES | Intents.MESSAGE_CONTENT


class Connection:
    """One websocket. What is sent waits in a queue, so that nobody waits for a slow reader."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self.socket = socket
        self._transport = request.transport
        self.closed_by_us = False
        self._compress = compressor(request.query.get("compress"))
        self._outbox: asyncio.Queue[Json | int] = asyncio.Queue()

    def send(self, op: Op, data: Any = None, number: int | None = None, event: str | None = None) -> None:
        self._outbox.put_nowait({"op": int(op), "d": data, "s": number, "t": event})

    def close(self, code: int) -> None:
        """Close, once everything before was sent."""
        self.closed_by_us = True
        self._outbox.put_nowait(code)

    def drop(self) -> None:
        """Cut the connection without a word."""
        self.closed_by_us = True
        if self._transport:
            self._transport.abort()

    async def write(self) -> None:
        """Send until closed."""
        while isinstance(item := await self._outbox.get(), dict):
            raw = json.dumps(item)
            try:
                if self._compress:
                    await self.socket.send_bytes(self._compress(raw.encode()))
                else:
                    await self.socket.send_str(raw)
            except ConnectionError:
                return
        await self.socket.close(code=item)


class Session:
    """What IDENTIFY began: it can be resumed on another connection, with the events missed in between."""

    def __init__(self, intents: Intents) -> None:
        self.id = secrets.token_hex(16)
        self.intents = intents
        self.sequence = 0
        self.events: deque[tuple[int, str, Json]] = deque(maxlen=REPLAYED)
        self.connection: Connection | None = None

    def dispatch(self, event: str, data: Json) -> None:
        self.sequence += 1
        self.events.append((self.sequence, event, data))
        if self.connection:
            self.connection.send(Op.DISPATCH, data, self.sequence, event)

    def can_replay(self, after: int) -> bool:
        return bool(self.events) and self.events[0][0] <= after + 1

    def replay(self, after: int) -> None:
        for number, event, data in self.events:
            if number > after and self.connection:
                self.connection.send(Op.DISPATCH, data, number, event)
