"""The gateway: websocket connections, the sessions that outlive them, and the events that they carry.

https://discord.com/developers/docs/events/gateway
"""

import asyncio
import json
from typing import Any, Protocol

from aiohttp import WSMessage, WSMsgType, web

from bot.playground import shapes
from bot.playground.cdn import Cdn
from bot.playground.sessions import PRIVILEGED, Connection, Intents, Op, Session
from bot.playground.state import Json, State
from bot.playground.traffic import Traffic

HEARTBEAT_MS = 41_250


class Publish(Protocol):
    def __call__(self, event: str, data: Json, intent: Intents = Intents.NONE) -> None:
        """Send an event to every session that asked for it."""


class GatewayClosed(Exception):
    """The bot broke the protocol: close with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Gateway:
    """All sessions. The methods below `publish` are the faults that a test or a person can cause."""

    def __init__(self, *, state: State, cdn: Cdn, traffic: Traffic, token: str) -> None:
        self._state = state
        self._cdn = cdn
        self._traffic = traffic
        self._token = token
        self._sessions: dict[str, Session] = {}
        self._connections: set[Connection] = set()
        self.base = ""
        self.acknowledges = True
        self.allowed = PRIVILEGED  # the privileged intents that are switched on for the application

    @property
    def connected(self) -> int:
        """Sessions that are connected and identified."""
        return sum(session.connection is not None for session in self._sessions.values())

    def publish(self, event: str, data: Json, intent: Intents = Intents.NONE) -> None:
        self._state.changes.bump()
        for session in self._sessions.values():
            if intent in session.intents:
                self._dispatch(session, event, data)

    def _dispatch(self, session: Session, event: str, data: Json) -> None:
        shown = self._cdn.signed(data)
        if event.startswith("MESSAGE_") and not self._may_read(session, data):
            shown |= {"content": "", "embeds": [], "attachments": [], "components": []}
        self._traffic.event(at=self._state.clock.now(), name=event, data=shown)
        session.dispatch(event, shown)

    def _may_read(self, session: Session, message: Json) -> bool:
        """Without the message content intent: own messages, direct ones, and those that mention the bot."""
        if Intents.MESSAGE_CONTENT in session.intents or "content" not in message:
            return True
        own = message["author"]["id"] == self._state.bot.id
        return (
            own or "guild_id" not in message or self._state.bot in self._state.mentioned(message["content"])
        )

    def reconnect(self) -> None:
        """Op 7: ask every client to reconnect and resume."""
        for connection in self._connections:
            connection.send(Op.RECONNECT)

    def invalidate(self, *, resumable: bool) -> None:
        """Op 9: the session is over, or (`resumable`) has to be resumed."""
        if not resumable:
            self._sessions.clear()
        for connection in self._connections:
            connection.send(Op.INVALID_SESSION, resumable)

    def close(self, code: int) -> None:
        """Close every connection with a close code. 1000 and 1001 also end the sessions."""
        if code in (1000, 1001):
            self._sessions.clear()
        for connection in self._connections:
            connection.close(code)

    def drop(self) -> None:
        """Cut every connection without a close frame; the sessions can be resumed."""
        for connection in self._connections:
            connection.drop()

    async def connect(self, request: web.Request) -> web.WebSocketResponse:
        """One connection, from HELLO until either side closes."""
        socket = web.WebSocketResponse(max_msg_size=4096 * 4, compress=False)
        await socket.prepare(request)
        connection = Connection(socket, request)
        self._connections.add(connection)
        connection.send(Op.HELLO, {"heartbeat_interval": HEARTBEAT_MS, "_trace": []})
        writer = asyncio.create_task(connection.write(), name="gateway writer")
        try:
            await self._listen(connection)
        finally:
            self._connections.discard(connection)
            self._detach(connection)
            connection.close(1000)
            await writer
        return socket

    async def _listen(self, connection: Connection) -> None:
        async for message in connection.socket:
            try:
                self._receive(connection, message)
            except GatewayClosed as error:
                connection.close(error.code)
                return

    def _detach(self, connection: Connection) -> None:
        """The session stays for a RESUME, unless the bot closed with 1000 or 1001."""
        finished = not connection.closed_by_us and connection.socket.close_code in (1000, 1001)
        for session in list(self._sessions.values()):
            if session.connection is connection:
                session.connection = None
                if finished:
                    del self._sessions[session.id]
        self._state.changes.bump()

    def _receive(self, connection: Connection, message: WSMessage) -> None:
        if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            raise GatewayClosed(4002, "Error while decoding payload.")
        op, data = _decode(message.data)
        if op is not Op.HEARTBEAT:
            shown = {**data, "token": "…"} if isinstance(data, dict) and "token" in data else data
            self._traffic.event(at=self._state.clock.now(), name=op.name, data=shown, sent=False)
        match op:
            case Op.HEARTBEAT:
                if self.acknowledges:
                    connection.send(Op.HEARTBEAT_ACK)
            case Op.IDENTIFY:
                self._identify(connection, data)
            case Op.RESUME:
                self._resume(connection, data)
            case Op.REQUEST_GUILD_MEMBERS:
                self._members(self._session_of(connection), data)
            case Op.PRESENCE_UPDATE | Op.VOICE_STATE_UPDATE:
                self._session_of(connection)
            case _:
                raise GatewayClosed(4001, "Unknown opcode.")

    def _session_of(self, connection: Connection) -> Session:
        for session in self._sessions.values():
            if session.connection is connection:
                return session
        raise GatewayClosed(4003, "Not authenticated.")

    def _authenticate(self, data: Any) -> None:
        if not isinstance(data, dict):
            raise GatewayClosed(4002, "Error while decoding payload.")
        if str(data.get("token")).removeprefix("Bot ") != self._token:
            raise GatewayClosed(4004, "Authentication failed.")

    def _identify(self, connection: Connection, data: Any) -> None:
        self._authenticate(data)
        if any(session.connection is connection for session in self._sessions.values()):
            raise GatewayClosed(4005, "Already authenticated.")
        if not isinstance(data.get("intents"), int):
            raise GatewayClosed(4013, "Invalid intent(s).")
        intents = Intents(data["intents"])
        if intents & PRIVILEGED & ~self.allowed:
            raise GatewayClosed(4014, "Disallowed intent(s).")
        session = Session(intents)
        session.connection = connection
        self._sessions[session.id] = session
        self._dispatch(session, "READY", self._ready(session, data))
        if Intents.GUILDS in intents:
            everybody = Intents.GUILD_MEMBERS in intents
            self._dispatch(session, "GUILD_CREATE", shapes.guild_create(self._state, all_members=everybody))
        self._state.changes.bump()

    def _ready(self, session: Session, data: Json) -> Json:
        flags = shapes.APPLICATION_FLAGS
        return {
            "v": 10,
            "user": shapes.own_user(self._state),
            "guilds": [{"id": self._state.guild_id, "unavailable": True}],
            "session_id": session.id,
            "resume_gateway_url": self.base,
            "session_type": "normal",
            "private_channels": [],
            "shard": data.get("shard", [0, 1]),
            "application": {
                "id": self._state.application_id,
                "flags": flags,
                "flags_new": str(flags),
            },
            "_trace": [],
        }

    def _resume(self, connection: Connection, data: Any) -> None:
        self._authenticate(data)
        session = self._sessions.get(str(data.get("session_id")))
        after = data.get("seq")
        if not session or not isinstance(after, int) or not session.can_replay(after):
            connection.send(Op.INVALID_SESSION, False)
            return
        if after > session.sequence:
            raise GatewayClosed(4007, "Invalid seq.")
        session.connection = connection
        session.replay(after)
        self._dispatch(session, "RESUMED", {"_trace": []})
        self._state.changes.bump()

    def _members(self, session: Session, data: Any) -> None:
        nonce = data.get("nonce") if isinstance(data, dict) else None
        chunk = {
            "guild_id": self._state.guild_id,
            "members": [shapes.member(person) for person in self._state.users],
            "chunk_index": 0,
            "chunk_count": 1,
            "not_found": [],
        }
        self._dispatch(session, "GUILD_MEMBERS_CHUNK", chunk | ({"nonce": nonce} if nonce else {}))


def _decode(raw: str | bytes) -> tuple[Op, Any]:
    try:
        payload = json.loads(raw)
        code, data = payload["op"], payload.get("d")
    except (ValueError, TypeError, KeyError):
        raise GatewayClosed(4002, "Error while decoding payload.") from None
    try:
        return Op(code), data
    except ValueError:
        raise GatewayClosed(4001, "Unknown opcode.") from None
