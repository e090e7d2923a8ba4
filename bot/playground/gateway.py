"""The gateway: websocket connections, the sessions that outlive them, and the events that they carry.

https://discord.com/developers/docs/events/gateway
"""

import asyncio
import logging
from typing import Any, Protocol

from aiohttp import WSMessage, WSMsgType, web

from bot.playground import payloads, shapes
from bot.playground.cdn import Cdn
from bot.playground.chunks import member_chunks
from bot.playground.intents import CONTENT, PRIVILEGED, Intents, needed
from bot.playground.ratelimits import RateLimits
from bot.playground.session_starts import SessionStarts
from bot.playground.sessions import Connection, GatewayClosed, Op, Session
from bot.playground.state import Json, State
from bot.playground.traffic import Traffic

log = logging.getLogger(__name__)

VERSION = "10"
HEARTBEAT_MS = 41_250
PATIENCE = 1.5  # heartbeat intervals without a heartbeat, until a client is taken for dead
GUILDS_PER_SHARD = 2500
CLOSE_S = 10.0  # for the last frames of a connection, to a client that may have stopped reading


class Publish(Protocol):
    def __call__(self, event: str, data: Json) -> None:
        """Send an event to every session that asked for it."""


class Gateway:
    """All sessions. The methods below `publish` are the faults that a test or a person can cause.

    Heartbeats are awaited in real time, since no client's timers follow the playground's clock.
    """

    def __init__(
        self,
        *,
        state: State,
        cdn: Cdn,
        traffic: Traffic,
        token: str,
        limits: RateLimits,
        starts: SessionStarts,
    ) -> None:
        self._state = state
        self._cdn = cdn
        self._traffic = traffic
        self._token = token
        self._limits = limits
        self._starts = starts
        self._sessions: dict[str, Session] = {}
        self._connections: set[Connection] = set()
        self.base = ""
        self.acknowledges = True
        self.allowed = PRIVILEGED  # the privileged intents that are switched on for the application
        self.heartbeat_ms = HEARTBEAT_MS
        self.guilds_per_shard = GUILDS_PER_SHARD
        self.presence: Json | None = None  # the bot's, as it last said

    @property
    def connected(self) -> int:
        """Sessions that are connected and identified."""
        return sum(session.connection is not None for session in self._sessions.values())

    def publish(self, event: str, data: Json) -> None:
        self._state.changes.bump()
        guild = (
            data["id"] if event in ("GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE") else data.get("guild_id")
        )
        intent = needed(event, data, bot_id=self._state.bot.id)
        self._drop_lost_sessions()
        for session in self._sessions.values():
            if intent in session.intents and session.shard.carries(guild):
                self._dispatch(session, event, data)

    def _drop_lost_sessions(self) -> None:
        """A bot that was killed and identified anew never comes back to its old session."""
        now = self._state.clock.now()
        lost = [id for id, each in self._sessions.items() if each.is_lost(now)]
        for id in lost:
            del self._sessions[id]

    def _dispatch(self, session: Session, event: str, data: Json) -> None:
        shown = self._cdn.signed(data)
        if event.startswith("MESSAGE_") and not self._may_read(session, data):
            shown = {**shown, **CONTENT}
            shown.pop("poll", None)
        if event == "GUILD_CREATE" and Intents.GUILD_MEMBERS not in session.intents:
            shown["members"] = [each for each in shown["members"] if each["user"]["id"] == self._state.bot.id]
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
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        connection = Connection(socket, request)
        self._connections.add(connection)
        writer = asyncio.create_task(connection.write(), name="gateway writer")
        try:
            _check_address(request)
            connection.send(Op.HELLO, {"heartbeat_interval": self.heartbeat_ms, "_trace": []})
            await self._listen(connection)
        except GatewayClosed as error:
            connection.close(error.code, error.reason)
        except Exception:
            log.exception("the gateway failed")
            connection.close(4000, "Unknown error.")
        finally:
            self._connections.discard(connection)
            self._detach(connection)
            connection.close(1000)
            try:
                async with asyncio.timeout(CLOSE_S):
                    await writer
            except TimeoutError:  # the client stopped reading
                connection.drop()
        return socket

    async def _listen(self, connection: Connection) -> None:
        """Until the client closes. Raises GatewayClosed, 4009 where it stops to send heartbeats."""
        alive_at = asyncio.get_running_loop().time()
        while True:
            try:
                async with asyncio.timeout_at(alive_at + self.heartbeat_ms / 1000 * PATIENCE):
                    message = await connection.socket.receive()
            except TimeoutError:
                self._sessions.pop(getattr(self._find(connection), "id", ""), None)
                raise GatewayClosed(4009, "Session timed out.") from None
            if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                return
            if self._receive(connection, message) is Op.HEARTBEAT:
                alive_at = asyncio.get_running_loop().time()

    def _detach(self, connection: Connection) -> None:
        """The session stays for a RESUME, unless the bot closed with 1000 or 1001."""
        finished = not connection.closed_by_us and connection.socket.close_code in (1000, 1001)
        session = self._find(connection)
        if session:
            session.connection, session.left_at = None, self._state.clock.now()
            if finished:
                del self._sessions[session.id]
        self._state.changes.bump()

    def _receive(self, connection: Connection, message: WSMessage) -> Op:
        if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            raise payloads.undecodable()
        if connection.sends.take(self._state.clock.now()) and self._limits.enabled:
            raise GatewayClosed(4008, "Rate limited.")
        op, data = payloads.decode(message.data)
        if op is not Op.HEARTBEAT:
            shown = {**data, "token": "…"} if isinstance(data, dict) and "token" in data else data
            self._traffic.event(at=self._state.clock.now(), name=op.name, data=shown, sent=False)
        match op:
            case Op.HEARTBEAT:
                if self.acknowledges:
                    connection.send(Op.HEARTBEAT_ACK)
            case Op.IDENTIFY:
                self._identify(connection, payloads.read(payloads.Identify, data))
            case Op.RESUME:
                self._resume(connection, payloads.read(payloads.Resume, data))
            case _:
                self._ask(self._session_of(connection), op, data)
        return op

    def _ask(self, session: Session, op: Op, data: Any) -> None:
        """What only an identified client may send."""
        match op:
            case Op.PRESENCE_UPDATE:
                self.presence = payloads.read(payloads.Presence, data).model_dump()
                self._state.changes.bump()
            case Op.VOICE_STATE_UPDATE:
                payloads.read(payloads.VoiceState, data)  # there are no voice channels to join
            case Op.REQUEST_GUILD_MEMBERS:
                asked = payloads.read(payloads.RequestMembers, data)
                for chunk in member_chunks(asked, self._state, session.intents):
                    self._dispatch(session, "GUILD_MEMBERS_CHUNK", chunk)
            case _:
                raise GatewayClosed(4001, "Unknown opcode.")

    def _find(self, connection: Connection) -> Session | None:
        return next((each for each in self._sessions.values() if each.connection is connection), None)

    def _session_of(self, connection: Connection) -> Session:
        session = self._find(connection)
        if not session:
            raise GatewayClosed(4003, "Not authenticated.")
        return session

    def _authenticate(self, token: str) -> None:
        if token.removeprefix("Bot ") != self._token:
            raise GatewayClosed(4004, "Authentication failed.")

    def _identify(self, connection: Connection, asked: payloads.Identify) -> None:
        self._authenticate(asked.token)
        if self._find(connection):
            raise GatewayClosed(4005, "Already authenticated.")
        shard, intents = asked.sharded(), asked.wanted(self.allowed)
        guilds = [
            id for id, guild in self._state.guilds.items() if self._state.bot in guild and shard.carries(id)
        ]
        if len(guilds) > self.guilds_per_shard:
            raise GatewayClosed(4011, "Sharding required.")
        if self._starts.too_fast(shard):
            connection.send(Op.INVALID_SESSION, False)
            return
        if self._starts.used_up():  # Discord resets the token; here it is wrong until the day is over
            self._sessions.clear()
            self.close(4004)
            return
        connection.compresses_payloads = bool(asked.compress)
        self._begin(connection, Session(intents, shard), guilds)
        if asked.presence:
            self.presence = asked.presence.model_dump()

    def _begin(self, connection: Connection, session: Session, guilds: list[str]) -> None:
        session.connection = connection
        self._sessions[session.id] = session
        self._dispatch(session, "READY", self._ready(session, guilds))
        if Intents.GUILDS in session.intents:
            for id in guilds:
                self._dispatch(
                    session, "GUILD_CREATE", shapes.guild_create(self._state.guilds[id], self._state)
                )
        self._state.changes.bump()

    def _ready(self, session: Session, guilds: list[str]) -> Json:
        flags = shapes.APPLICATION_FLAGS
        return {
            "v": int(VERSION),
            "user": shapes.own_user(self._state),
            "guilds": [{"id": id, "unavailable": True} for id in guilds],
            "session_id": session.id,
            "resume_gateway_url": self.base,
            "session_type": "normal",
            "private_channels": [],
            "shard": [session.shard.id, session.shard.count],
            "application": {
                "id": self._state.application_id,
                "flags": flags,
                "flags_new": str(flags),
            },
            "_trace": [],
        }

    def _resume(self, connection: Connection, asked: payloads.Resume) -> None:
        self._authenticate(asked.token)
        if self._find(connection):
            raise GatewayClosed(4005, "Already authenticated.")
        session = self._sessions.get(asked.session_id)
        if not session or not session.can_replay(asked.seq, self._state.clock.now()):
            self._sessions.pop(asked.session_id, None)
            connection.send(Op.INVALID_SESSION, False)
            return
        if asked.seq > session.sequence:
            raise GatewayClosed(4007, "Invalid seq.")
        session.connection, session.left_at = connection, None
        session.replay(asked.seq)
        self._dispatch(session, "RESUMED", {"_trace": []})
        self._state.changes.bump()


def _check_address(request: web.Request) -> None:
    """Raises GatewayClosed: 4012 for another version, 4002 for an encoding that is not spoken here (ETF)."""
    if request.query.get("v", VERSION) != VERSION:
        raise GatewayClosed(4012, "Invalid API version.")
    if request.query.get("encoding", "json") != "json":
        raise GatewayClosed(4002, "The playground speaks JSON only.")
