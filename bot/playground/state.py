"""What exists in the playground: servers, people, channels, commands, messages, interactions. Pure data.

Messages and commands are kept in the JSON form in which Discord sends them: it is the form that every
reader needs. URLs of uploaded files are kept unsigned and signed on their way out (`cdn.py`).
"""

import asyncio
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Any

from bot.playground.clock import Clock, Snowflakes
from bot.playground.errors import NotPossible
from bot.playground.guilds import Channel, ChannelType, Guild, Member, Role, User
from bot.playground.permissions import EVERYONE, INSTALLED, Permissions

Json = dict[str, Any]

MIB = 1024 * 1024
FILE_LIMIT = 20 * MIB  # per file, the default for all users
REQUEST_LIMIT = 25 * MIB  # per request


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
    HAS_THREAD = 1 << 5
    EPHEMERAL = 1 << 6
    LOADING = 1 << 7
    SUPPRESS_NOTIFICATIONS = 1 << 12
    COMPONENTS_V2 = 1 << 15


@dataclass
class Message:
    """`body` is the message as Discord sends it. `seen_by` is set where only one person sees it.

    `attachments` also holds the files that are shown inside an embed, which the body does not list.
    `reactions` are the ids of who reacted, by emoji, first reaction first; `votes` of who voted, by answer.
    """

    body: Json
    author: User
    seen_by: User | None = None
    attachments: list[Json] = field(default_factory=list)
    reactions: dict[str, list[str]] = field(default_factory=dict)
    votes: dict[int, list[str]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return str(self.body["id"])

    @property
    def channel_id(self) -> str:
        return str(self.body["channel_id"])


@dataclass
class Interaction:
    """One act of a person, and what the bot answered to it. Times are seconds since 1970.

    `owners` are who installed the application, by installation type: "0" for a server, "1" for a person.
    `reply_id` is the message that `@original` means; `callback` the type of the first answer.
    """

    id: str
    token: str
    type: InteractionType
    user: User
    channel: Channel
    data: Json
    created_at: float
    owners: dict[str, str]
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

    @property
    def context(self) -> int:
        """0 in a server, 1 in direct messages with the bot, 2 in other conversations."""
        return 0 if self.channel.guild else 1 if any(user.bot for user in self.channel.people) else 2

    @property
    def outside(self) -> bool:
        """Only the person installed the application: it answers, and reaches nothing else in the channel."""
        return "0" not in self.owners

    @property
    def hushed(self) -> bool:
        """Answers are shown to the person alone: this server lets nobody bring applications along."""
        allowed = Permissions.USE_EXTERNAL_APPS in self.channel.permissions(self.user)
        return self.outside and self.channel.guild is not None and not allowed


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
    """To begin with: a server of alice's with bob and the bot in it, a text channel, an age-restricted one,
    and everybody's direct messages with the bot. `world.py` changes it later, and tells the bot.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.snowflakes = Snowflakes(clock)
        self.changes = Changes()
        self.guilds: dict[str, Guild] = {}
        self.people: dict[str, User] = {}  # by name
        self.channels: dict[str, Channel] = {}
        self.installs: set[str] = set()  # ids of the people who installed the application for themselves
        self.unreachable: set[str] = set()  # ids of those who take no direct messages
        self.commands: dict[str, Json] = {}
        self.command_permissions: dict[tuple[str, str], list[Json]] = {}  # by guild and command
        self.messages: dict[str, Message] = {}
        self.open_polls: set[str] = set()  # ids of the messages whose poll takes votes
        self.interactions: dict[str, Interaction] = {}  # by token
        self.guild_id = self.snowflakes.next()  # of the first server
        self.application_id = self.snowflakes.next()
        self.bot = User(self.application_id, "darkroom", bot=True)
        alice, bob = self._person("alice"), self._person("bob")
        home = self.add_guild("Playground", [alice, bob, self.bot], id=self.guild_id)
        self.add_channel(ChannelType.TEXT, "general", guild=home)
        self.add_channel(ChannelType.TEXT, "after-dark", guild=home, nsfw=True)
        for person in (alice, bob):
            self._direct_messages(person)

    def _person(self, name: str) -> User:
        self.people[name] = User(self.snowflakes.next(), name)
        return self.people[name]

    def _direct_messages(self, person: User) -> Channel:
        return self.add_channel(ChannelType.DM, f"@{person.name}", people=(person, self.bot))

    def add_person(self, name: str) -> User:
        """Somebody new, in no server yet, with direct messages with the bot."""
        person = self._person(name)
        self._direct_messages(person)
        return person

    def add_guild(self, name: str, users: Sequence[User], *, id: str | None = None) -> Guild:
        """A server of the first of these users."""
        guild = Guild(id or self.snowflakes.next(), name, owner=users[0])
        guild.roles[guild.id] = Role(guild.id, "@everyone", permissions=EVERYONE, position=0)
        self.guilds[guild.id] = guild
        for user in users:
            self.add_member(guild, user)
        return guild

    def add_member(self, guild: Guild, user: User) -> Member:
        """A member from now on; the bot gets its own role."""
        member = guild.members[user.id] = Member(user, self.clock.timestamp())
        if user == self.bot:
            role = Role(self.snowflakes.next(), user.name, EVERYONE | INSTALLED, bot=user)
            guild.roles[role.id] = role
            member.roles.append(role.id)
        return member

    def add_channel(self, type: ChannelType, name: str, **more: Any) -> Channel:
        """`more` are fields of `Channel`."""
        channel = Channel(self.snowflakes.next(), type, name, **more)
        self.channels[channel.id] = channel
        return channel

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

    def guild(self, name_or_id: str) -> Guild:
        """Raises NotPossible where no server has that name."""
        for guild in self.guilds.values():
            if name_or_id in (guild.id, guild.name):
                return guild
        known = ", ".join(guild.name for guild in self.guilds.values())
        raise NotPossible(f"There is no server called {name_or_id!r}; there are {known}.")

    def channel(self, name_or_id: str, user: User) -> Channel:
        """The channel as `user` calls it; "dm" is their own, "Server/name" one of another server.

        Raises NotPossible where they see no such channel.
        """
        wanted = f"@{user.name}" if name_or_id == "dm" else name_or_id
        found = next((each for each in self._called(wanted) if each.seen_by(user)), None)
        if not found:
            raise NotPossible(f"{user.name} sees no channel called {name_or_id!r}.")
        return found

    def find_channel(self, name_or_id: str) -> Channel | None:
        """Whoever sees it."""
        return next(self._called(name_or_id), None)

    def _called(self, name_or_id: str) -> Iterator[Channel]:
        wanted = name_or_id.replace("#", "")
        for channel in self.channels.values():
            full = f"{channel.guild.name}/{channel.name}" if channel.guild else channel.name
            if wanted in (channel.id, channel.name, full):
                yield channel

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

    def shared(self, user: User) -> list[Guild]:
        """The servers that the bot is in with somebody."""
        return [guild for guild in self.guilds.values() if user in guild and self.bot in guild]
