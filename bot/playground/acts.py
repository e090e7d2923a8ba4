"""What a person asks for over HTTP: the bodies, and how an act is read and answered.

Refusals are 422 `{message}` with the sentence that Discord's client would show.
"""

import math
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from bot.playground.cdn import Upload
from bot.playground.errors import DiscordError, NotPossible
from bot.playground.rest import read_request

Shape = TypeVar("Shape", bound=BaseModel)
Act = Callable[[Any, dict[str, Upload]], Awaitable[Any]]
Read = Callable[[web.Request], Awaitable[Any]]


class Strict(BaseModel):
    """A field that nobody knows is a mistake."""

    model_config = ConfigDict(extra="forbid")


class Asked(Strict):
    """Who does it and where; "dm" is the person's direct messages with the bot."""

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


class OnMessage(Asked):
    message: str


class Press(OnMessage):
    custom_id: str


class Choose(Press):
    values: list[str]


class Vote(OnMessage):
    """The whole choice, by answer id; none takes the vote back."""

    answers: list[int] = []


class Submit(Asked):
    interaction: str
    values: dict[str, Any] = {}


class Say(Asked):
    content: str = ""


class React(OnMessage):
    emoji: str
    remove: bool = False


class Pin(OnMessage):
    remove: bool = False


class StartThread(Asked):
    """At a message, or without one; a private one is seen by those who are let in."""

    name: str
    message: str | None = None
    private: bool = False


def read(shape: type[Shape], body: Any) -> Shape:
    """Raises NotPossible with the field, the rule and the value."""
    try:
        return shape.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the body"
        raise NotPossible(f"{place}: {first['msg']}; got {first['input']!r}."[:500]) from None


def query(request: web.Request) -> Asked:
    return read(Asked, {name: request.query[name] for name in ("user", "channel") if name in request.query})


def number(request: web.Request, name: str, default: float) -> float:
    """A number of the query, at least 0. Raises NotPossible."""
    raw = request.query.get(name)
    if raw is None:
        return default
    try:
        value = float(raw)
        if not math.isfinite(value):
            raise ValueError
        return max(0.0, value)
    except ValueError:
        raise NotPossible(f"{name} must be a number; got {raw!r}.") from None


def answer(shape: Any, status: int = 200) -> web.Response:
    return web.json_response(shape, status=status)


def acting(act: Act) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        try:
            body, files = await read_request(request)
            return answer(await act(body, files))
        except NotPossible as error:
            return answer({"message": str(error)}, 422)
        except DiscordError as error:
            return answer(error.body, 422)

    return handle


def reading(look: Read) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        try:
            return answer(await look(request))
        except NotPossible as error:
            return answer({"message": str(error)}, 422)

    return handle
