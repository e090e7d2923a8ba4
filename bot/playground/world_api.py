"""Changing the world over HTTP: servers, people, roles, permissions, installations. docs/playground.md has the table.

Names or ids go everywhere; a channel of another server is "Server/name". "darkroom" is the bot.
"""

from collections.abc import Callable
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field

from bot.playground.acts import Act, Strict, acting, read
from bot.playground.cdn import Upload
from bot.playground.errors import NotPossible
from bot.playground.gateway import Gateway
from bot.playground.guilds import Channel, Guild, Member, Role, User
from bot.playground.overview import world as overview
from bot.playground.permissions import Overwrite, OverwriteType, Permissions
from bot.playground.state import Json, State
from bot.playground.world import World

Name = Annotated[str, Field(min_length=1, max_length=100)]
PersonName = Annotated[str, Field(pattern=r"^[a-z0-9_.]{2,32}$")]
Color = Annotated[int, Field(ge=0, le=0xFFFFFF)]


class NewPerson(Strict):
    name: PersonName


class NewGuild(Strict):
    """It belongs to the first of these people."""

    name: Name
    people: Annotated[tuple[str, ...], Field(min_length=1)] = ("alice", "bob")
    bot: bool = True


class InGuild(Strict):
    guild: str = "Playground"


class Membership(InGuild):
    """Of a person or of the bot: `member` false removes it from the server."""

    user: str
    member: bool = True


class NewChannel(InGuild):
    name: Annotated[str, Field(pattern=r"^[^\s#/@]{1,100}$")]
    nsfw: bool = False
    topic: str | None = None


class Conversation(Strict):
    people: list[str]


class InChannel(Strict):
    channel: str


class Overwritten(InChannel):
    """`who` is a role (such as "everyone"), a person or the bot. Neither allow nor deny: the overwrite is removed."""

    who: str
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


class NewRole(InGuild):
    name: Name
    permissions: tuple[str, ...] = ()
    color: Color = 0


class InRole(InGuild):
    role: str


class Permitted(InRole):
    """Permissions that a role gets or loses; the others stay."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


class Given(InRole):
    user: str
    take: bool = False


class Installed(Strict):
    """For themselves, in every place."""

    user: str
    installed: bool = True


class DirectMessages(Strict):
    """Whether the bot may write to somebody who did not ask."""

    user: str
    open: bool


class CommandSetting(Strict):
    """`type` is 1 for a role, 2 for a person, 3 for a channel."""

    id: str
    type: Annotated[int, Field(ge=1, le=3)]
    permission: bool


class CommandSettings(InGuild):
    command: str
    permissions: Annotated[list[CommandSetting], Field(max_length=100)]


class WorldApi:
    """Every act answers with the world as it is then."""

    def __init__(self, *, state: State, world: World, gateway: Gateway) -> None:
        self._state = state
        self._world = world
        self._gateway = gateway

    def routes(self) -> list[web.RouteDef]:
        acts: dict[str, Callable[[Any], object]] = {
            "people": self._add_person,
            "guilds": self._add_guild,
            "members": self._set_member,
            "channels": self._add_channel,
            "channels/delete": self._delete_channel,
            "conversations": self._add_conversation,
            "overwrites": self._overwrite,
            "roles": self._add_role,
            "roles/permissions": self._permit,
            "roles/members": self._give_role,
            "roles/delete": self._delete_role,
            "installs": self._install,
            "direct-messages": self._direct_messages,
            "command-permissions": self._command_permissions,
        }
        return [
            web.post(f"/playground/world/{name}", acting(self._answered(act))) for name, act in acts.items()
        ]

    def _answered(self, act: Callable[[Any], object]) -> Act:
        async def handle(body: Any, _: dict[str, Upload]) -> Json:
            act(body)
            return overview(self._state, sessions=self._gateway.connected)

        return handle

    def _add_person(self, body: Any) -> None:
        self._world.add_person(read(NewPerson, body).name)

    def _add_guild(self, body: Any) -> None:
        asked = read(NewGuild, body)
        people = [self._state.person(name) for name in asked.people]
        self._world.add_guild(asked.name, people, with_bot=asked.bot)

    def _set_member(self, body: Any) -> None:
        asked = read(Membership, body)
        change = self._world.join if asked.member else self._world.leave
        change(self._state.guild(asked.guild), self._user(asked.user))

    def _add_channel(self, body: Any) -> None:
        asked = read(NewChannel, body)
        guild = self._state.guild(asked.guild)
        self._world.add_channel(guild, asked.name, nsfw=asked.nsfw, topic=asked.topic)

    def _delete_channel(self, body: Any) -> None:
        self._world.delete_channel(self._channel(read(InChannel, body).channel))

    def _add_conversation(self, body: Any) -> None:
        names = dict.fromkeys(read(Conversation, body).people)
        self._world.add_conversation([self._state.person(name) for name in names])

    def _overwrite(self, body: Any) -> None:
        asked = read(Overwritten, body)
        channel = self._channel(asked.channel)
        if not channel.guild:
            raise NotPossible(f"{channel.name} has no permissions of its own.")
        allow, deny = Permissions.named(asked.allow), Permissions.named(asked.deny)
        self._world.set_overwrite(channel, self._overwrite_of(channel.guild, asked.who, allow, deny))

    def _overwrite_of(self, guild: Guild, who: str, allow: Permissions, deny: Permissions) -> Overwrite:
        """Members before roles: the bot's role has the bot's name."""
        user = self._state.user(who)
        if user and user in guild:
            return Overwrite(id=user.id, type=OverwriteType.MEMBER, allow=allow, deny=deny)
        return Overwrite(id=self._role(guild, who).id, type=OverwriteType.ROLE, allow=allow, deny=deny)

    def _add_role(self, body: Any) -> None:
        asked = read(NewRole, body)
        permissions = Permissions.named(asked.permissions)
        self._world.add_role(self._state.guild(asked.guild), asked.name, permissions, asked.color)

    def _permit(self, body: Any) -> None:
        asked = read(Permitted, body)
        guild = self._state.guild(asked.guild)
        role = self._role(guild, asked.role)
        changed = role.permissions & ~Permissions.named(asked.deny) | Permissions.named(asked.allow)
        self._world.permit(guild, role, changed)

    def _give_role(self, body: Any) -> None:
        asked = read(Given, body)
        guild = self._state.guild(asked.guild)
        role = self._role(guild, asked.role)
        change = self._world.take_role if asked.take else self._world.give_role
        change(guild, self._member(guild, asked.user), role)

    def _delete_role(self, body: Any) -> None:
        asked = read(InRole, body)
        guild = self._state.guild(asked.guild)
        self._world.delete_role(guild, self._role(guild, asked.role))

    def _install(self, body: Any) -> None:
        asked = read(Installed, body)
        self._world.install(self._state.person(asked.user), installed=asked.installed)

    def _direct_messages(self, body: Any) -> None:
        asked = read(DirectMessages, body)
        self._world.close_direct_messages(self._state.person(asked.user), closed=not asked.open)

    def _command_permissions(self, body: Any) -> None:
        asked = read(CommandSettings, body)
        settings = [each.model_dump() for each in asked.permissions]
        self._world.set_command_permissions(self._state.guild(asked.guild), asked.command, settings)

    def _user(self, name: str) -> User:
        return self._state.bot if name == self._state.bot.name else self._state.person(name)

    def _member(self, guild: Guild, name: str) -> Member:
        user = self._user(name)
        if user not in guild:
            raise NotPossible(f"{user.name} is not in {guild.name}.")
        return guild.members[user.id]

    def _role(self, guild: Guild, name: str) -> Role:
        role = guild.role(name)
        if not role:
            known = ", ".join(each.name for each in guild.roles.values())
            raise NotPossible(f"There is no role called {name!r} in {guild.name}; there are {known}.")
        return role

    def _channel(self, name: str) -> Channel:
        channel = self._state.find_channel(name)
        if not channel:
            raise NotPossible(f"There is no channel called {name!r}.")
        return channel
