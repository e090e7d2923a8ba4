"""Login: who the bot is, which application it belongs to, and where the gateway is."""

import math
from collections.abc import Callable

from bot.playground import errors, shapes
from bot.playground.routing import Answer, Call, Route
from bot.playground.state import Json, State

GUILDS_PER_SHARD = 1000  # what GET /gateway/bot recommends


class Account:
    """The routes that a library calls before it opens the gateway, and the one about users."""

    def __init__(
        self, *, state: State, gateway_address: Callable[[], str], start_limit: Callable[[], Json]
    ) -> None:
        self._state = state
        self._gateway_address = gateway_address
        self._start_limit = start_limit

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/users/@me", lambda _: (200, shapes.own_user(self._state))),
            Route("GET", "/oauth2/applications/@me", lambda _: (200, shapes.application(self._state))),
            Route("GET", "/applications/@me", lambda _: (200, shapes.application(self._state))),
            Route("GET", "/gateway", lambda _: (200, {"url": self._gateway_address()}), open=True),
            Route("GET", "/gateway/bot", self._gateway),
            Route("GET", "/users/{user}", self._user),
        ]

    def _gateway(self, _: Call) -> Answer:
        guilds = sum(self._state.bot in guild for guild in self._state.guilds.values())
        return 200, {
            "url": self._gateway_address(),
            "shards": max(1, math.ceil(guilds / GUILDS_PER_SHARD)),
            "session_start_limit": self._start_limit(),
        }

    def _user(self, call: Call) -> Answer:
        person = self._state.user(call.params["user"])
        if not person:
            raise errors.unknown_user()
        return 200, shapes.user(person)
