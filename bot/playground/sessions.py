"""What the gateway is made of: opcodes, shards, connections, and the sessions that outlive them.

https://discord.com/developers/docs/events/gateway
"""

import asyncio
import json
import secrets
import zlib
from collections import deque
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from aiohttp import web

from bot.playground.compression import compressor
from bot.playground.intents import Intents
from bot.playground.ratelimits import Window
from bot.playground.state import Json

REPLAYED = 1000  # events that a session can replay
RESUMABLE_S = 300.0  # "the session will remain active and timeout after a few minutes"
SENDS, SENDS_PER_S = 120, 60.0  # payloads that a client may send on one connection
COMPRESSED_FROM = 1024  # bytes, with payload compression: "not all payloads will be compressed"


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


class GatewayClosed(Exception):
    """The bot broke the protocol: close with this code.

    https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True)
class Shard:
    """One of `count` sessions that share the bot's guilds."""

    id: int
    count: int

    def carries(self, guild_id: str | None) -> bool:
        """Whether events of this guild belong here; those of no guild belong to the first shard."""
        return (int(guild_id) >> 22 if guild_id else 0) % self.count == self.id


class Connection:
    """One websocket. What is sent waits in a queue, so that nobody waits for a slow reader."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self.socket = socket
        self._transport = request.transport
        self.closed_by_us = False
        self.sends = Window(SENDS, SENDS_PER_S)
        self.compresses_payloads = False  # asked for in IDENTIFY; a compressed stream excludes it
        self._compress = compressor(request.query.get("compress"))
        self._outbox: asyncio.Queue[Json | GatewayClosed] = asyncio.Queue()

    def send(self, op: Op, data: Any = None, number: int | None = None, event: str | None = None) -> None:
        self._outbox.put_nowait({"op": int(op), "d": data, "s": number, "t": event})

    def close(self, code: int, reason: str = "") -> None:
        """Close, once everything before was sent."""
        self.closed_by_us = True
        self._outbox.put_nowait(GatewayClosed(code, reason))

    def drop(self) -> None:
        """Cut the connection without a word."""
        self.closed_by_us = True
        if self._transport:
            self._transport.abort()

    async def write(self) -> None:
        """Send until closed."""
        while isinstance(item := await self._outbox.get(), dict):
            try:
                await self._write(json.dumps(item))
            except ConnectionError:
                return
        await self.socket.close(code=item.code, message=item.reason.encode())

    async def _write(self, raw: str) -> None:
        if self._compress:
            await self.socket.send_bytes(self._compress(raw.encode()))
        elif self.compresses_payloads and len(raw) >= COMPRESSED_FROM:
            await self.socket.send_bytes(zlib.compress(raw.encode()))
        else:
            await self.socket.send_str(raw)


class Session:
    """What IDENTIFY began: it can be resumed on another connection, with the events missed in between."""

    def __init__(self, intents: Intents, shard: Shard) -> None:
        self.id = secrets.token_hex(16)
        self.intents = intents
        self.shard = shard
        self.sequence = 0
        self.events: deque[tuple[int, str, Json]] = deque(maxlen=REPLAYED)
        self.connection: Connection | None = None
        self.left_at: float | None = None  # when its connection was lost

    def dispatch(self, event: str, data: Json) -> None:
        self.sequence += 1
        self.events.append((self.sequence, event, data))
        if self.connection:
            self.connection.send(Op.DISPATCH, data, self.sequence, event)

    def is_lost(self, now: float) -> bool:
        """Whether its connection was lost so long ago that it cannot be resumed."""
        return self.left_at is not None and now - self.left_at > RESUMABLE_S

    def can_replay(self, after: int, now: float) -> bool:
        """Whether all events after this one are still held, and the session did not time out."""
        if self.is_lost(now):
            return False
        return after >= self.sequence or self.events[0][0] <= after + 1

    def replay(self, after: int) -> None:
        for number, event, data in self.events:
            if number > after and self.connection:
                self.connection.send(Op.DISPATCH, data, number, event)
