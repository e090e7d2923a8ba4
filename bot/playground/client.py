"""A person in the playground, from Python: what the tests, `darkroom try` and a terminal use.

async with Person(base, user="alice") as alice:
    asked = await alice.slash("imagine", {"prompt": "a hamster"}, files={"image": ("in.png", data)})
    message = await alice.wait_message(asked, lambda seen: bool(seen["attachments"]), timeout=30)
    picture = await alice.download(message["attachments"][0]["url"])
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from bot.playground.calls import Calls, Files
from bot.playground.calls import Json as Json
from bot.playground.errors import NotPossible as NotPossible
from bot.playground.typed import parse

T = TypeVar("T")

POLL_S = 1.0  # the longest pause between two looks: time passes on the playground's clock without a change


class DidNotRespond(Exception):
    """The bot did not answer an interaction within 3 seconds."""


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """What became of one act. `state`: waiting, thinking, answered, form, choices or failed.

    Times are seconds since 1970 on the playground's clock.
    """

    id: str
    type: int
    user: str
    channel: str
    state: str
    created_at: float
    acknowledged_at: float | None
    first_edit_at: float | None
    last_edit_at: float | None
    edits: int
    message_id: str | None
    followup_ids: list[str]
    modal: Json | None
    choices: list[Json] | None

    @property
    def acknowledged_after(self) -> float | None:
        """Seconds until the bot's first answer."""
        return None if self.acknowledged_at is None else self.acknowledged_at - self.created_at


class Person:
    """Somebody in a channel ("dm": their direct messages with the bot). Use as an async context manager.

    Every act raises NotPossible where Discord's client would refuse; `unchecked=True` acts all the same.
    """

    def __init__(self, base: str, *, user: str = "alice", channel: str = "general") -> None:
        self.user = user
        self.channel = channel
        self._calls = Calls(base)

    async def __aenter__(self) -> Self:
        await self._calls.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._calls.close()

    async def slash(
        self,
        command: str,
        options: Mapping[str, Any] | None = None,
        *,
        files: Files | None = None,
        unchecked: bool = False,
    ) -> Interaction:
        """Send a slash command; files go by the name of their option."""
        body = {"command": command, "options": dict(options or {}), "unchecked": unchecked}
        return await self._act("slash", body, files)

    async def enter(self, line: str) -> Interaction:
        """A slash command as typed: `/imagine prompt:a hamster image:@picture.png`. Raises OSError."""
        typed = parse(line, await self.commands())
        files = {
            option: (path.name, await asyncio.to_thread(path.read_bytes))
            for option, path in typed.files.items()
        }
        return await self.slash(typed.command, typed.options, files=files)

    async def autocomplete(self, command: str, focused: str, typed: str = "", **others: Any) -> list[Json]:
        """The suggestions while `typed` stands in the option `focused`: `[{name, value}]`. Raises DidNotRespond."""
        body = {"command": command, "options": {**others, focused: typed}, "focused": focused}
        act = await self._act("autocomplete", body)
        if act.choices is None:
            raise DidNotRespond("Loading options failed.")
        return act.choices

    async def use_on_message(self, command: str, message: Json, *, unchecked: bool = False) -> Interaction:
        body = {"command": command, "message": message["id"], "unchecked": unchecked}
        return await self._act("menu", body)

    async def use_on_user(self, command: str, target: str, *, unchecked: bool = False) -> Interaction:
        return await self._act("menu", {"command": command, "target": target, "unchecked": unchecked})

    async def press(self, message: Json, button: str, *, unchecked: bool = False) -> Interaction:
        """Press the button with this custom id or label."""
        custom_id = _by_label(message["components"], button) or button
        body = {"message": message["id"], "custom_id": custom_id, "unchecked": unchecked}
        return await self._act("press", body)

    async def choose(
        self, message: Json, select: str, values: Sequence[str], *, unchecked: bool = False
    ) -> Interaction:
        body = {"message": message["id"], "custom_id": select, "values": list(values), "unchecked": unchecked}
        return await self._act("choose", body)

    async def submit(
        self,
        opened: Interaction,
        values: Mapping[str, Any],
        *,
        files: Files | None = None,
        unchecked: bool = False,
    ) -> Interaction:
        """Fill in and send the form that an interaction opened; values by custom id."""
        body = {"interaction": opened.id, "values": dict(values), "unchecked": unchecked}
        return await self._act("submit", body, files)

    async def say(self, content: str, *, files: Files | None = None) -> Json:
        """An ordinary message."""
        message: Json = await self._calls.post("say", {**self._who, "content": content}, files)
        return message

    async def react(self, message: Json, emoji: str, *, remove: bool = False) -> Json:
        """Add a reaction, or take the own one back; the message as it is then."""
        return await self._do("react", message=message["id"], emoji=emoji, remove=remove)

    async def pin(self, message: Json, *, remove: bool = False) -> Json:
        """Pin a message, or unpin it; the message as it is then."""
        return await self._do("pin", message=message["id"], remove=remove)

    async def delete(self, message: Json) -> None:
        """Delete a message, or dismiss a private one."""
        await self._do("delete", message=message["id"])

    async def start_thread(self, name: str, message: Json | None = None, *, private: bool = False) -> Json:
        """At a message, or without one: `{id, name, type}`."""
        at = message["id"] if message else None
        return await self._do("thread", name=name, message=at, private=private)

    async def change_world(self, what: str, **body: Any) -> Json:
        """Servers, people, roles, permissions: `POST /playground/world/{what}`. The world as it is then."""
        world: Json = await self._calls.post(f"world/{what}", body)
        return world

    async def commands(self) -> list[Json]:
        """The commands that are offered here."""
        commands: list[Json] = await self._calls.get("commands", self._who)
        return commands

    async def messages(self) -> list[Json]:
        """The channel as this person sees it, oldest first."""
        seen = await self._calls.get("messages", self._who)
        messages: list[Json] = seen["messages"]
        return messages

    async def look(self, act: Interaction) -> Interaction:
        """The interaction as it stands now."""
        return _interaction(
            await self._calls.get(f"interactions/{act.id}", {**self._who, "channel": act.channel})
        )

    async def wait(
        self, act: Interaction, until: Callable[[Interaction], bool], timeout: float = 10
    ) -> Interaction:
        """The interaction, once `until` holds. Raises TimeoutError; DidNotRespond where the bot was too late."""
        seen = act

        async def look() -> Interaction | None:
            nonlocal seen
            seen = await self.look(act)
            if until(seen):
                return seen
            if seen.state == "failed":
                raise DidNotRespond("The application did not respond.")
            return None

        return await self._watch(look, timeout, lambda: f"the interaction is {seen}")

    async def wait_message(
        self,
        act: Interaction,
        until: Callable[[Json], bool] = bool,
        timeout: float = 10,
    ) -> Json:
        """The reply to an interaction, once it is no longer loading and `until` holds. Raises as `wait`."""
        seen: Json = {}

        async def look() -> Json | None:
            nonlocal seen
            now = await self.look(act)
            if now.state == "failed":
                raise DidNotRespond("The application did not respond.")
            found = [each for each in await self.messages() if each["id"] == now.message_id]
            seen = found[0] if found else seen
            return found[0] if found and now.state == "answered" and until(found[0]) else None

        return await self._watch(look, timeout, lambda: f"the reply is {seen or 'missing'}")

    async def wait_channel(self, until: Callable[[list[Json]], bool], timeout: float = 10) -> list[Json]:
        """The channel's messages, once `until` holds for them. Raises TimeoutError."""
        seen: list[Json] = []

        async def look() -> list[Json] | None:
            nonlocal seen
            seen = await self.messages()
            return seen if until(seen) else None

        return await self._watch(look, timeout, lambda: f"the channel holds {seen}")

    async def wait_online(self, timeout: float = 10) -> None:
        """Until a bot is connected to the gateway and has registered commands. Raises TimeoutError."""

        async def look() -> bool | None:
            return True if (await self.world())["sessions"] and await self.commands() else None

        await self._watch(look, timeout, lambda: "no bot is connected with commands")

    async def download(self, url: str) -> bytes:
        """An attachment's bytes. Raises aiohttp.ClientResponseError where the link expired."""
        return await self._calls.download(url)

    async def world(self) -> Json:
        """People, channels, the time, the number of connected sessions."""
        world: Json = await self._calls.get("world", {})
        return world

    async def move_clock(self, seconds: float) -> None:
        await self._calls.post("clock", {"seconds": seconds})

    async def fault(self, kind: str, **rule: Any) -> None:
        """The next matching calls go wrong: see bot.playground.faults.Fault."""
        await self._calls.post("faults", {"kind": kind, **rule})

    async def gateway(self, **fault: Any) -> None:
        """`reconnect=True`, `invalidate=True`, `close=4000`, `drop=True`, `acknowledge=False`, `privileged=[]`."""
        await self._calls.post("gateway", fault)

    async def rate_limits(self, **limits: Any) -> Json:
        """`enabled=False`, `scale=0.5`, `forget=True`, `ban=True`, ...; how they stand then."""
        stand: Json = await self._calls.post("rate-limits", limits)
        return stand

    async def vote(self, message: Json, answers: Sequence[int]) -> Json:
        """Vote in a poll: the whole choice, by answer id. The message then."""
        return await self._do("vote", message=message["id"], answers=list(answers))

    async def traffic(self, since: int = 0) -> list[Json]:
        """Calls and events on the wire, oldest first, after the entry number `since`."""
        entries: list[Json] = await self._calls.get("traffic", {"since": since})
        return entries

    @property
    def _who(self) -> Json:
        return {"user": self.user, "channel": self.channel}

    async def _do(self, act: str, /, **body: Any) -> Json:
        shown: Json = await self._calls.post(act, {**self._who, **body})
        return shown

    async def _act(self, name: str, body: Json, files: Files | None = None) -> Interaction:
        return _interaction(await self._calls.post(name, {**self._who, **body}, files))

    async def _watch(
        self, look: Callable[[], Awaitable[T | None]], timeout: float, describe: Callable[[], str]
    ) -> T:
        """Look, and again after every change, until there is something."""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    changes = (await self._calls.get("changes", {"timeout": 0}))["changes"]
                    if (found := await look()) is not None:
                        return found
                    await self._calls.get("changes", {"since": changes, "timeout": POLL_S})
        except TimeoutError:
            raise TimeoutError(f"After {timeout:g} s {describe()}.") from None


def _interaction(shape: Json) -> Interaction:
    return Interaction(**{name: value for name, value in shape.items() if name != "changes"})


def _by_label(components: list[Json], label: str) -> str | None:
    for component in components:
        if component.get("label") == label:
            custom_id: str | None = component.get("custom_id")
            return custom_id
        inside = [*(component.get("components") or []), *filter(None, [component.get("accessory")])]
        if (found := _by_label(inside, label)) is not None:
            return found
    return None
