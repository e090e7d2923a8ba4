"""The person API: playing a person, and the world around them, over HTTP. docs/playground.md has the table.

Refusals are 422 `{message}` with the sentence that Discord's client would show.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.playground.cdn import Cdn, Upload
from bot.playground.errors import DiscordError, NotPossible
from bot.playground.faults import Fault, Faults
from bot.playground.gateway import Gateway
from bot.playground.interactions import ACKNOWLEDGE_S, Interactions
from bot.playground.messages import Messages
from bot.playground.person import Person, describe, world
from bot.playground.rest import read_request
from bot.playground.state import Interaction, Json, State
from bot.playground.traffic import Traffic

Shape = TypeVar("Shape", bound=BaseModel)

LONGEST_WAIT_S = 60.0


class Asked(BaseModel):
    """Who does it and where; "dm" is the person's direct messages with the bot."""

    model_config = ConfigDict(extra="forbid")

    user: str = "alice"
    channel: str = "general"
    unchecked: bool = False


class Slash(Asked):
    command: str
    options: dict[str, Any] = {}


class Autocomplete(Slash):
    focused: str


class Menu(Asked):
    command: str
    message: str | None = None
    target: str | None = None


class Press(Asked):
    message: str
    custom_id: str


class Choose(Press):
    values: list[str]


class Submit(Asked):
    interaction: str
    values: dict[str, Any] = {}


class Say(Asked):
    content: str = ""


class Move(BaseModel):
    model_config = ConfigDict(extra="forbid")

    seconds: Annotated[float, Field(ge=0, le=366 * 24 * 3600)]


class GatewayFault(BaseModel):
    """`reconnect` is op 7, `invalidate` op 9, `close` a close code, `drop` a cut line, `acknowledge` heartbeats."""

    model_config = ConfigDict(extra="forbid")

    reconnect: bool = False
    invalidate: bool = False
    resumable: bool = False
    close: Annotated[int, Field(ge=1000, le=4999)] | None = None
    drop: bool = False
    acknowledge: bool | None = None


class PersonApi:
    """Everything under /playground."""

    def __init__(
        self,
        *,
        state: State,
        cdn: Cdn,
        messages: Messages,
        interactions: Interactions,
        gateway: Gateway,
        faults: Faults,
        traffic: Traffic,
    ) -> None:
        self._state = state
        self._cdn = cdn
        self._messages = messages
        self._interactions = interactions
        self._gateway = gateway
        self._faults = faults
        self._traffic = traffic

    def routes(self) -> list[web.RouteDef]:
        acts: dict[str, Callable[[Any, dict[str, Upload]], Awaitable[Any]]] = {
            "slash": self._slash,
            "autocomplete": self._autocomplete,
            "menu": self._menu,
            "press": self._press,
            "choose": self._choose,
            "submit": self._submit,
            "say": self._say,
            "clock": self._clock,
            "faults": self._add_fault,
            "gateway": self._gateway_fault,
        }
        reads: dict[str, Callable[[web.Request], Awaitable[Any]]] = {
            "world": self._world,
            "commands": self._commands,
            "messages": self._channel_messages,
            "interactions/{id}": self._interaction,
            "changes": self._changes,
            "faults": self._list_faults,
            "traffic": self._list_traffic,
        }
        return [
            *[web.post(f"/playground/{name}", _acting(act)) for name, act in acts.items()],
            *[web.get(f"/playground/{name}", _reading(read)) for name, read in reads.items()],
            web.delete("/playground/faults", _reading(self._clear_faults)),
        ]

    def _person(self, asked: Asked) -> Person:
        user = self._state.person(asked.user)
        return Person(
            user,
            self._state.channel(asked.channel, user),
            state=self._state,
            cdn=self._cdn,
            messages=self._messages,
            interactions=self._interactions,
            unchecked=asked.unchecked,
        )

    def _described(self, act: Interaction) -> Json:
        return describe(act, self._state)

    async def _slash(self, body: Any, files: dict[str, Upload]) -> Json:
        asked = _read(Slash, body)
        return self._described(self._person(asked).slash(asked.command, asked.options, files))

    async def _autocomplete(self, body: Any, _: dict[str, Upload]) -> Json:
        """Waits for the suggestions, as a person looking at the list does."""
        asked = _read(Autocomplete, body)
        act = self._person(asked).autocomplete(asked.command, asked.options, asked.focused)
        while (shown := self._described(act))["state"] == "waiting":
            left = act.created_at + ACKNOWLEDGE_S - self._state.clock.now()
            await self._state.changes.wait(self._state.changes.count, timeout=max(left, 0.01))
        return shown

    async def _menu(self, body: Any, _: dict[str, Upload]) -> Json:
        asked = _read(Menu, body)
        person = self._person(asked)
        if asked.message:
            return self._described(person.use_on_message(asked.command, asked.message))
        return self._described(person.use_on_user(asked.command, asked.target or ""))

    async def _press(self, body: Any, _: dict[str, Upload]) -> Json:
        asked = _read(Press, body)
        return self._described(self._person(asked).press(asked.message, asked.custom_id))

    async def _choose(self, body: Any, _: dict[str, Upload]) -> Json:
        asked = _read(Choose, body)
        return self._described(self._person(asked).choose(asked.message, asked.custom_id, asked.values))

    async def _submit(self, body: Any, files: dict[str, Upload]) -> Json:
        asked = _read(Submit, body)
        return self._described(self._person(asked).submit(asked.interaction, asked.values, files))

    async def _say(self, body: Any, files: dict[str, Upload]) -> Json:
        asked = _read(Say, body)
        numbered = {str(n): upload for n, upload in enumerate(files.values())}
        return self._messages.for_bot(self._person(asked).say(asked.content, numbered))

    async def _clock(self, body: Any, _: dict[str, Upload]) -> Json:
        self._state.clock.move(_read(Move, body).seconds)
        self._state.changes.bump()
        return {"now": self._state.clock.now()}

    async def _add_fault(self, body: Any, _: dict[str, Upload]) -> Json:
        fault = _read(Fault, body)
        self._faults.rules.append(fault)
        return fault.model_dump(mode="json")

    async def _gateway_fault(self, body: Any, _: dict[str, Upload]) -> Json:
        asked = _read(GatewayFault, body)
        if asked.acknowledge is not None:
            self._gateway.acknowledges = asked.acknowledge
        if asked.reconnect:
            self._gateway.reconnect()
        if asked.invalidate:
            self._gateway.invalidate(resumable=asked.resumable)
        if asked.close is not None:
            self._gateway.close(asked.close)
        if asked.drop:
            self._gateway.drop()
        return {"sessions": self._gateway.connected}

    async def _world(self, _: web.Request) -> Json:
        return world(self._state, sessions=self._gateway.connected)

    async def _commands(self, request: web.Request) -> list[Json]:
        return self._person(_query(request)).commands()

    async def _channel_messages(self, request: web.Request) -> Json:
        asked = _query(request)
        return {"changes": self._state.changes.count, "messages": self._person(asked).sees()}

    async def _interaction(self, request: web.Request) -> Json:
        person = self._person(_query(request))
        shown = self._described(person.interaction(request.match_info["id"]))
        return {"changes": self._state.changes.count, **shown}

    async def _changes(self, request: web.Request) -> Json:
        """Answers once something happened after the change number `since`, or after `timeout` seconds."""
        since = int(_number(request, "since", 0))
        timeout = min(_number(request, "timeout", 30), LONGEST_WAIT_S)
        return {"changes": await self._state.changes.wait(since, timeout)}

    async def _list_faults(self, _: web.Request) -> list[Json]:
        return [fault.model_dump(mode="json") for fault in self._faults.rules]

    async def _clear_faults(self, _: web.Request) -> list[Json]:
        self._faults.rules.clear()
        return []

    async def _list_traffic(self, request: web.Request) -> list[Json]:
        entries = self._traffic.since(int(_number(request, "since", 0)))
        return [vars(entry) for entry in entries]


def _query(request: web.Request) -> Asked:
    return _read(Asked, {name: request.query[name] for name in ("user", "channel") if name in request.query})


def _number(request: web.Request, name: str, default: float) -> float:
    raw = request.query.get(name)
    if raw is None:
        return default
    try:
        return max(0.0, float(raw))
    except ValueError:
        raise NotPossible(f"{name} must be a number; got {raw!r}.") from None


def _read(shape: type[Shape], body: Any) -> Shape:
    try:
        return shape.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the body"
        raise NotPossible(f"{place}: {first['msg']}; got {first['input']!r}."[:500]) from None


def _answer(shape: Any, status: int = 200) -> web.Response:
    return web.json_response(shape, status=status)


def _acting(
    act: Callable[[Any, dict[str, Upload]], Awaitable[Any]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        try:
            body, files = await read_request(request)
            return _answer(await act(body, files))
        except NotPossible as error:
            return _answer({"message": str(error)}, 422)
        except DiscordError as error:
            return _answer(error.body, 422)

    return handle


def _reading(
    read: Callable[[web.Request], Awaitable[Any]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        try:
            return _answer(await read(request))
        except NotPossible as error:
            return _answer({"message": str(error)}, 422)

    return handle
