"""The person API: playing a person over HTTP. docs/playground.md has the table."""

from typing import Any

from aiohttp import web

from bot.playground.acts import (
    Act,
    Asked,
    Autocomplete,
    Choose,
    Menu,
    OnMessage,
    Pin,
    Press,
    React,
    Read,
    Say,
    Slash,
    StartThread,
    Submit,
    Vote,
    acting,
    query,
    read,
    reading,
)
from bot.playground.cdn import Upload
from bot.playground.gateway import Gateway
from bot.playground.interactions import ACKNOWLEDGE_S
from bot.playground.messages import Messages
from bot.playground.overview import world
from bot.playground.page_view import View
from bot.playground.person import Person, Venue, describe
from bot.playground.state import Interaction, Json, State
from bot.playground.traffic import Traffic


class PersonApi:
    """What people do and see, under /playground."""

    def __init__(
        self, *, state: State, venue: Venue, messages: Messages, gateway: Gateway, traffic: Traffic
    ) -> None:
        self._state = state
        self._venue = venue
        self._messages = messages
        self._gateway = gateway
        self._traffic = traffic

    def routes(self) -> list[web.RouteDef]:
        acts: dict[str, Act] = {
            "slash": self._slash,
            "autocomplete": self._autocomplete,
            "menu": self._menu,
            "press": self._press,
            "choose": self._choose,
            "submit": self._submit,
            "say": self._say,
            "react": self._react,
            "pin": self._pin,
            "delete": self._delete,
            "vote": self._vote,
            "thread": self._start_thread,
        }
        reads: dict[str, Read] = {
            "world": self._world,
            "commands": self._commands,
            "messages": self._channel_messages,
            "interactions/{id}": self._interaction,
        }
        return [
            *[web.post(f"/playground/{name}", acting(act)) for name, act in acts.items()],
            *[web.get(f"/playground/{name}", reading(look)) for name, look in reads.items()],
        ]

    def view(self, user: str, channel: str) -> View:
        """What the page shows to `user` in `channel`. Raises NotPossible where there is no such person or place."""
        asked = Asked(user=user, channel=channel)
        self._person(asked)
        return View(
            state=self._state,
            traffic=self._traffic,
            person=lambda: self._person(asked),
            world=lambda: world(self._state, sessions=self._gateway.connected),
        )

    def _person(self, asked: Asked) -> Person:
        user = self._state.person(asked.user)
        channel = self._state.channel(asked.channel, user)
        return Person(user, channel, venue=self._venue, unchecked=asked.unchecked)

    def _described(self, act: Interaction) -> Json:
        return describe(act, self._state)

    async def _slash(self, body: Any, files: dict[str, Upload]) -> Json:
        asked = read(Slash, body)
        return self._described(self._person(asked).slash(asked.command, asked.options, files))

    async def _autocomplete(self, body: Any, _: dict[str, Upload]) -> Json:
        """Waits for the suggestions, as a person looking at the list does."""
        asked = read(Autocomplete, body)
        act = self._person(asked).autocomplete(asked.command, asked.options, asked.focused)
        while (shown := self._described(act))["state"] == "waiting":
            left = act.created_at + ACKNOWLEDGE_S - self._state.clock.now()
            await self._state.changes.wait(self._state.changes.count, timeout=max(left, 0.01))
        return shown

    async def _menu(self, body: Any, _: dict[str, Upload]) -> Json:
        asked = read(Menu, body)
        person = self._person(asked)
        if asked.message:
            return self._described(person.use_on_message(asked.command, asked.message))
        return self._described(person.use_on_user(asked.command, asked.target or ""))

    async def _press(self, body: Any, _: dict[str, Upload]) -> Json:
        asked = read(Press, body)
        return self._described(self._person(asked).press(asked.message, asked.custom_id))

    async def _choose(self, body: Any, _: dict[str, Upload]) -> Json:
        asked = read(Choose, body)
        return self._described(self._person(asked).choose(asked.message, asked.custom_id, asked.values))

    async def _submit(self, body: Any, files: dict[str, Upload]) -> Json:
        asked = read(Submit, body)
        return self._described(self._person(asked).submit(asked.interaction, asked.values, files))

    async def _say(self, body: Any, files: dict[str, Upload]) -> Json:
        asked = read(Say, body)
        person = self._person(asked)
        numbered = {str(n): upload for n, upload in enumerate(files.values())}
        return person.shown(person.say(asked.content, numbered))

    async def _react(self, body: Any, _: dict[str, Upload]) -> Json:
        asked = read(React, body)
        person = self._person(asked)
        person.react(asked.message, asked.emoji, remove=asked.remove)
        return person.shown(person.message(asked.message))

    async def _pin(self, body: Any, _: dict[str, Upload]) -> Json:
        asked = read(Pin, body)
        person = self._person(asked)
        person.pin(asked.message, remove=asked.remove)
        return person.shown(person.message(asked.message))

    async def _delete(self, body: Any, _: dict[str, Upload]) -> Json:
        asked = read(OnMessage, body)
        self._person(asked).delete(asked.message)
        return {"id": asked.message}

    async def _vote(self, body: Any, _: dict[str, Upload]) -> Json:
        asked = read(Vote, body)
        person = self._person(asked)
        person.vote(asked.message, asked.answers)
        return person.shown(person.message(asked.message))

    async def _start_thread(self, body: Any, _: dict[str, Upload]) -> Json:
        asked = read(StartThread, body)
        channel = self._person(asked).start_thread(asked.name, asked.message, private=asked.private)
        return {"id": channel.id, "name": channel.name, "type": int(channel.type)}

    async def _world(self, _: web.Request) -> Json:
        return world(self._state, sessions=self._gateway.connected)

    async def _commands(self, request: web.Request) -> list[Json]:
        return self._person(query(request)).commands()

    async def _channel_messages(self, request: web.Request) -> Json:
        asked = query(request)
        return {"changes": self._state.changes.count, "messages": self._person(asked).sees()}

    async def _interaction(self, request: web.Request) -> Json:
        person = self._person(query(request))
        shown = self._described(person.interaction(request.match_info["id"]))
        return {"changes": self._state.changes.count, **shown}
