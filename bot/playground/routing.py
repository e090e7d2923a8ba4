"""Which handler answers which call of the REST API."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.playground import errors
from bot.playground.cdn import Upload

Answer = tuple[int, Any]  # status, JSON; 204 comes with None


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request to the API, already read. `path` is without /api/v10; `uploads` are keyed by the n of files[n]."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    uploads: Mapping[str, Upload] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)

    def number(self, name: str, default: int | None = None) -> int:
        """A number of the path or the query. Raises DiscordError 50035 where it is none, or missing."""
        raw = self.params.get(name, self.query.get(name, "" if default is None else str(default)))
        if not raw.isascii() or not raw.isdigit() or len(raw) > 20:
            said = f'Value "{raw[:100]}" is not int.'
            raise errors.invalid_form([errors.FieldError((name,), "NUMBER_TYPE_COERCE", said)])
        return int(raw)

    def limit(self, default: int) -> int:
        """How many the bot wants of a list, 1 to 100. Raises DiscordError 50035."""
        limit = self.number("limit", default)
        if not 1 <= limit <= 100:
            said = "int value should be between 1 and 100."
            raise errors.invalid_form([errors.FieldError(("limit",), "NUMBER_TYPE_MAX", said)])
        return limit


@dataclass(frozen=True)
class Route:
    """`template` holds `{names}`. `open` routes need no bot token: an interaction's own token is in the path."""

    method: str
    template: str
    handler: Callable[[Call], Answer]
    open: bool = False


class Router:
    """Finds routes. Handlers are plain functions: everything is in memory, so a call is done in one go."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = [
            (re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", each.template)), each) for each in routes
        ]

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """The first route that fits. Raises DiscordError 404, or 405 where only the method is wrong."""
        wrong_method = False
        for pattern, route in self._routes:
            if found := pattern.fullmatch(path):
                if route.method == method:
                    return route, found.groupdict()
                wrong_method = True
        raise errors.method_not_allowed() if wrong_method else errors.not_found()
