"""What exists in the playground: people, channels, commands, messages, interactions. Pure data.

Messages and commands are kept in the JSON form in which Discord sends them: it is the form that every
reader needs. URLs of uploaded files are kept unsigned and signed on their way out (`cdn.py`).
"""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Any

from bot.playground.clock import Clock, Snowflakes
from bot.playground.errors import NotPossible

Json = dict[str, Any]

MIB = 1024 * 1024
FILE_LIMIT = 20 * MIB  # per file, the default for all users
REQUEST_LIMIT = 25 * MIB  # per request


class ChannelType(IntEnum):
    TEXT = 0
    DM = 1


class InteractionType(IntEnum):
    COMMAND = 2
    COMPONENT = 3
    AUTOCOMPLETE = 4
    MODAL = 5


class CommandType(IntEnum):
    SLASH = 1
    USER = 2
    MESSAGE = 3


class MessageFlags(IntFlag):
    SUPPRESS_EMBEDS = 1 << 2
    EPHEMERAL = 1 << 6
    LOADING = 1 << 7
    SUPPRESS_NOTIFICATIONS = 1 << 12
    COMPONENTS_V2 = 1 << 15


@dataclass(frozen=True)
class User:
    id: str
    name: str
    bot: bool = False


@dataclass(frozen=True)
class Channel:
    """A text channel of the server, or (with a `recipient`) a person's direct messages with the bot."""

    id: str
    type: ChannelType
    name: str
    nsfw: bool = False
    recipient: User | None = None


@dataclass
class Message:
    """`body` is the message as Discord sends it. `seen_by` is set where only one person sees it.

    `attachments` also holds the files that are shown inside an embed, which the body does not list.
    """

    body: Json
    author: User
    seen_by: User | None = None
    attachments: list[Json] = field(default_factory=list)

    @property
    def id(self) -> str:
        return str(self.body["id"])

    @property
    def channel_id(self) -> str:
        return str(self.body["channel_id"])


@dataclass
class Interaction:
    """One act of a person, and what the bot answered to it. Times are seconds since 1970.

    `reply_id` is the message that `@original` means; `callback` the type of the first answer.
    """

    id: str
    token: str
    type: InteractionType
    user: User
    channel: Channel
    data: Json
    created_at: float
    message: Message | None = None
    parent: "Interaction | None" = None
    callback: int | None = None
    acknowledged_at: float | None = None
    reply_id: str | None = None
    placeholder: bool = False
    edited_at: list[float] = field(default_factory=list)
    followup_ids: list[str] = field(default_factory=list)
    modal: Json | None = None
    modal_submitted: bool = False
    choices: list[Json] | None = None


class Changes:
    """Counts everything that happens, so that somebody can wait for the next thing."""

    def __init__(self) -> None:
        self.count = 0
        self._next = asyncio.Event()

    def bump(self) -> None:
        self.count += 1
        self._next.set()
        self._next = asyncio.Event()

    async def wait(self, since: int, timeout: float) -> int:
        """The count, once it is above `since` or after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                while self.count <= since:
                    await self._next.wait()
        except TimeoutError:
            pass
        return self.count


class State:
    """One server with two people, a text channel, an age-restricted one, and everybody's direct messages."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.snowflakes = Snowflakes(clock)
        self.changes = Changes()
        self.guild_id = self.snowflakes.next()
        self.application_id = self.snowflakes.next()
        self.bot = User(self.application_id, "darkroom", bot=True)
        self.people = {name: User(self.snowflakes.next(), name) for name in ("alice", "bob")}
        self.channels = {channel.id: channel for channel in self._channels()}
        self.commands: dict[str, Json] = {}
        self.messages: dict[str, Message] = {}
        self.interactions: dict[str, Interaction] = {}  # by token

    def _channels(self) -> Iterator[Channel]:
        yield Channel(self.snowflakes.next(), ChannelType.TEXT, "general")
        yield Channel(self.snowflakes.next(), ChannelType.TEXT, "after-dark", nsfw=True)
        for person in self.people.values():
            yield Channel(self.snowflakes.next(), ChannelType.DM, f"@{person.name}", recipient=person)

    @property
    def users(self) -> list[User]:
        return [self.bot, *self.people.values()]

    def user(self, name_or_id: str) -> User | None:
        wanted = name_or_id.removeprefix("@")
        return next((user for user in self.users if wanted in (user.id, user.name)), None)

    def person(self, name: str) -> User:
        """Raises NotPossible where nobody has that name."""
        if name not in self.people:
            raise NotPossible(f"There is no person called {name!r} here; there are {', '.join(self.people)}.")
        return self.people[name]

    def channel(self, name_or_id: str, user: User) -> Channel:
        """The channel as `user` calls it; "dm" is their own. Raises NotPossible where they see no such channel."""
        wanted = f"@{user.name}" if name_or_id == "dm" else name_or_id.removeprefix("#")
        for channel in self.channels.values():
            if wanted in (channel.id, channel.name) and channel.recipient in (None, user):
                return channel
        raise NotPossible(f"{user.name} sees no channel called {name_or_id!r}.")

    def visible(self, channel: Channel, user: User) -> list[Message]:
        """The channel's messages as `user` sees them, oldest first."""
        return [
            message
            for message in self.messages.values()
            if message.channel_id == channel.id and message.seen_by in (None, user)
        ]

    def mentioned(self, content: str) -> list[User]:
        ids = re.findall(r"<@!?(\d+)>", content)
        return [user for user in self.users if user.id in ids]
