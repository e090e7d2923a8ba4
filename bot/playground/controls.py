"""The playground's controls over HTTP: its clock, its faults, the gateway's faults, and the record of its traffic."""

from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import Field

from bot.playground.acts import Strict, acting, number, read, reading
from bot.playground.cdn import Upload
from bot.playground.faults import Fault, Faults
from bot.playground.gateway import Gateway
from bot.playground.intents import Intents
from bot.playground.ratelimits import RateLimits
from bot.playground.session_starts import SessionStarts
from bot.playground.state import Json, State
from bot.playground.traffic import Traffic

LONGEST_WAIT_S = 60.0


class Move(Strict):
    seconds: Annotated[float, Field(ge=0, le=366 * 24 * 3600)]


class GatewayFault(Strict):
    """`reconnect` is op 7, `invalidate` op 9, `close` a close code, `drop` a cut line, `acknowledge` heartbeats.

    `privileged` are the privileged intents that are switched on for the application.
    """

    reconnect: bool = False
    invalidate: bool = False
    resumable: bool = False
    close: Annotated[int, Field(ge=1000, le=4999)] | None = None
    drop: bool = False
    acknowledge: bool | None = None
    privileged: list[Literal["GUILD_MEMBERS", "GUILD_PRESENCES", "MESSAGE_CONTENT"]] | None = None


class Limits(Strict):
    """`scale` multiplies the buckets' limits, `forget` empties them and lifts a ban, `ban` begins one.

    `max_concurrency` sessions may begin within `identify_pause` seconds.
    """

    enabled: bool | None = None
    scale: Annotated[float, Field(gt=0, le=1000)] | None = None
    forget: bool = False
    ban: bool = False
    identify_pause: Annotated[float, Field(ge=0, le=3600)] | None = None
    max_concurrency: Annotated[int, Field(ge=1, le=1000)] | None = None


class Controls:
    """What is no person's act and no part of their world."""

    def __init__(
        self,
        *,
        state: State,
        gateway: Gateway,
        limits: RateLimits,
        starts: SessionStarts,
        faults: Faults,
        traffic: Traffic,
    ) -> None:
        self._state = state
        self._gateway = gateway
        self._limits = limits
        self._starts = starts
        self._faults = faults
        self._traffic = traffic

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/playground/changes", reading(self._changes)),
            web.post("/playground/clock", acting(self._clock)),
            web.post("/playground/gateway", acting(self._gateway_fault)),
            web.post("/playground/faults", acting(self._add_fault)),
            web.get("/playground/faults", reading(self._list_faults)),
            web.delete("/playground/faults", reading(self._clear_faults)),
            web.get("/playground/rate-limits", reading(self._list_limits)),
            web.post("/playground/rate-limits", acting(self._set_limits)),
            web.get("/playground/traffic", reading(self._list_traffic)),
        ]

    async def _changes(self, request: web.Request) -> Json:
        """Answers once something happened after the change number `since`, or after `timeout` seconds."""
        since = int(number(request, "since", 0))
        timeout = min(number(request, "timeout", 30), LONGEST_WAIT_S)
        return {"changes": await self._state.changes.wait(since, timeout)}

    async def _clock(self, body: Any, _: dict[str, Upload]) -> Json:
        self._state.clock.move(read(Move, body).seconds)
        self._state.changes.bump()
        return {"now": self._state.clock.now()}

    async def _gateway_fault(self, body: Any, _: dict[str, Upload]) -> Json:
        asked = read(GatewayFault, body)
        if asked.acknowledge is not None:
            self._gateway.acknowledges = asked.acknowledge
        if asked.privileged is not None:
            self._gateway.allowed = Intents(sum(Intents[name] for name in set(asked.privileged)))
        if asked.reconnect:
            self._gateway.reconnect()
        if asked.invalidate:
            self._gateway.invalidate(resumable=asked.resumable)
        if asked.close is not None:
            self._gateway.close(asked.close)
        if asked.drop:
            self._gateway.drop()
        return {"sessions": self._gateway.connected}

    async def _add_fault(self, body: Any, _: dict[str, Upload]) -> Json:
        fault = read(Fault, body)
        self._faults.rules.append(fault)
        return fault.model_dump(mode="json")

    async def _list_faults(self, _: web.Request) -> list[Json]:
        return [fault.model_dump(mode="json") for fault in self._faults.rules]

    async def _clear_faults(self, _: web.Request) -> list[Json]:
        self._faults.rules.clear()
        return []

    async def _set_limits(self, body: Any, _: dict[str, Upload]) -> Json:
        asked = read(Limits, body)
        if asked.enabled is not None:
            self._limits.enabled = asked.enabled
        if asked.scale is not None:
            self._limits.scale = asked.scale
        if asked.forget:
            self._limits.forget()
        if asked.ban:
            self._limits.ban()
        if asked.identify_pause is not None:
            self._starts.pause_s = asked.identify_pause
        if asked.max_concurrency is not None:
            self._starts.max_concurrency = asked.max_concurrency
        return self._limits.shape() | {"session_start_limit": self._starts.shape()}

    async def _list_limits(self, _: web.Request) -> Json:
        return self._limits.shape() | {"session_start_limit": self._starts.shape()}

    async def _list_traffic(self, request: web.Request) -> list[Json]:
        entries = self._traffic.since(int(number(request, "since", 0)))
        return [vars(entry) for entry in entries]
