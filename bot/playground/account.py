"""Login: who the bot is, which application it belongs to, and where the gateway is."""

from collections.abc import Callable

from bot.playground import errors, shapes
from bot.playground.routing import Answer, Call, Route
from bot.playground.state import State

# https://discord.com/developers/docs/events/gateway#session-start-limit-object
START_LIMIT = {"total": 1000, "remaining": 999, "reset_after": 14_400_000, "max_concurrency": 1}


class Account:
    """The routes that a library calls before it opens the gateway, and those about users and the server."""

    def __init__(self, *, state: State, gateway_address: Callable[[], str]) -> None:
        self._state = state
        self._gateway_address = gateway_address

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/users/@me", lambda _: (200, shapes.own_user(self._state))),
            Route("GET", "/oauth2/applications/@me", lambda _: (200, shapes.application(self._state))),
            Route("GET", "/applications/@me", lambda _: (200, shapes.application(self._state))),
            Route("GET", "/gateway", lambda _: (200, {"url": self._gateway_address()}), open=True),
            Route("GET", "/gateway/bot", self._gateway),
            Route("GET", "/users/{user}", self._user),
            Route("GET", "/guilds/{guild}", self._guild),
            Route("GET", "/guilds/{guild}/channels", self._channels),
            Route("GET", "/guilds/{guild}/members/{user}", self._member),
        ]

    def _gateway(self, _: Call) -> Answer:
        return 200, {"url": self._gateway_address(), "shards": 1, "session_start_limit": START_LIMIT}

    def _user(self, call: Call) -> Answer:
        person = self._state.user(call.params["user"])
        if not person:
            raise errors.unknown_user()
        return 200, shapes.user(person)

    def _guild(self, call: Call) -> Answer:
        self._own_guild(call)
        return 200, shapes.guild(self._state)

    def _channels(self, call: Call) -> Answer:
        self._own_guild(call)
        places = [place for place in self._state.channels.values() if not place.recipient]
        return 200, [shapes.channel(place, self._state) for place in places]

    def _member(self, call: Call) -> Answer:
        self._own_guild(call)
        person = self._state.user(call.params["user"])
        if not person:
            raise errors.unknown_user()
        return 200, shapes.member(person)

    def _own_guild(self, call: Call) -> None:
        if call.params["guild"] != self._state.guild_id:
            raise errors.unknown_guild()
