"""Changing the world from outside of the bot: servers, people, roles, channels, overwrites, installations.

Every change is told to the bot as the gateway tells it.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bot.playground import shapes
from bot.playground.errors import NotPossible
from bot.playground.gateway import Publish
from bot.playground.guilds import Channel, ChannelType, Guild, Member, Role, User
from bot.playground.permissions import NONE, Overwrite, Permissions
from bot.playground.state import Json, State


class World:
    """The only writer of servers and what belongs to them. Raises NotPossible with a sentence."""

    def __init__(self, *, state: State, publish: Publish) -> None:
        self._state = state
        self._publish = publish

    def add_person(self, name: str) -> User:
        if self._state.user(name):
            raise NotPossible(f"There is a person called {name!r} already.")
        person = self._state.add_person(name)
        self._state.changes.bump()
        return person

    def add_guild(self, name: str, people: Sequence[User], *, with_bot: bool = True) -> Guild:
        """A server with one channel, `general`. It belongs to the first of these people."""
        if any(guild.name == name for guild in self._state.guilds.values()):
            raise NotPossible(f"There is a server called {name!r} already.")
        guild = self._state.add_guild(name, people)
        self._state.add_channel(ChannelType.TEXT, "general", guild=guild)
        self._state.changes.bump()
        if with_bot:
            self.join(guild, self._state.bot)
        return guild

    def join(self, guild: Guild, user: User) -> None:
        """Does nothing for a member. The bot gets the role of its installation."""
        if user in guild:
            return
        member = self._state.add_member(guild, user)
        if user == self._state.bot:
            self._publish("GUILD_CREATE", shapes.guild_create(guild, self._state, joined=True))
        else:
            self._tell("GUILD_MEMBER_ADD", guild, {"guild_id": guild.id, **shapes.member(member)})

    def leave(self, guild: Guild, user: User) -> None:
        """Also what removing the bot from a server means: its own role is gone with it."""
        if user == guild.owner:
            raise NotPossible(f"{user.name} owns {guild.name} and cannot leave it.")
        if not guild.members.pop(user.id, None):
            return
        for channel in self._state.channels.values():
            if channel.guild is guild and channel.thread:
                channel.thread.members.pop(user.id, None)
        if user != self._state.bot:
            self._tell("GUILD_MEMBER_REMOVE", guild, {"guild_id": guild.id, "user": shapes.user(user)})
            return
        guild.roles = {id: role for id, role in guild.roles.items() if role.bot != user}
        self._publish("GUILD_DELETE", {"id": guild.id})

    def install(self, user: User, *, installed: bool) -> None:
        """For themselves: they bring the application along to every place."""
        (self._state.installs.add if installed else self._state.installs.discard)(user.id)
        self._state.changes.bump()

    def close_direct_messages(self, user: User, *, closed: bool) -> None:
        """Whether the bot may write to somebody who did not ask: 50007."""
        (self._state.unreachable.add if closed else self._state.unreachable.discard)(user.id)
        self._state.changes.bump()

    def add_role(self, guild: Guild, name: str, permissions: Permissions = NONE, color: int = 0) -> Role:
        """Below all others but @everyone."""
        if guild.role(name):
            raise NotPossible(f"There is a role called {name!r} in {guild.name} already.")
        for each in guild.roles.values():
            each.position += each is not guild.everyone
        role = Role(self._state.snowflakes.next(), name, permissions, color=color)
        guild.roles[role.id] = role
        self._tell_role("GUILD_ROLE_CREATE", guild, role)
        return role

    def permit(self, guild: Guild, role: Role, permissions: Permissions) -> None:
        """Set what a role may do."""
        role.permissions = permissions
        self._tell_role("GUILD_ROLE_UPDATE", guild, role)

    def delete_role(self, guild: Guild, role: Role) -> None:
        if role is guild.everyone or role.bot:
            raise NotPossible(f"The role {role.name} cannot be deleted.")
        del guild.roles[role.id]
        for member in guild.members.values():
            member.roles = [id for id in member.roles if id != role.id]
        for channel in self._state.channels.values():
            channel.overwrites.pop(role.id, None)
        self._tell("GUILD_ROLE_DELETE", guild, {"guild_id": guild.id, "role_id": role.id})

    def give_role(self, guild: Guild, member: Member, role: Role) -> None:
        if role is guild.everyone or role.bot:
            raise NotPossible(f"The role {role.name} cannot be given.")
        if role.id not in member.roles:
            member.roles.append(role.id)
            self._tell_member(guild, member)

    def take_role(self, guild: Guild, member: Member, role: Role) -> None:
        if role.bot:
            raise NotPossible(f"The role {role.name} cannot be taken.")
        if role.id in member.roles:
            member.roles.remove(role.id)
            self._tell_member(guild, member)

    def add_channel(self, guild: Guild, name: str, **more: Any) -> Channel:
        """`more` are fields of `Channel`."""
        channel = self._state.add_channel(ChannelType.TEXT, name, guild=guild, **more)
        self._tell("CHANNEL_CREATE", guild, shapes.channel(channel))
        return channel

    def add_conversation(self, people: Sequence[User]) -> Channel:
        """Between people, without the bot: only who installed the application can use it there."""
        if len(people) < 2:
            raise NotPossible("A conversation needs two people.")
        name = " and ".join(person.name for person in people)
        channel = self._state.add_channel(ChannelType.GROUP_DM, name, people=tuple(people))
        self._state.changes.bump()
        return channel

    def change_channel(self, channel: Channel, **changes: Any) -> Channel:
        """`changes` are fields of `Channel`."""
        for name, value in changes.items():
            setattr(channel, name, value)
        self._tell_channel("CHANNEL_UPDATE", channel)
        return channel

    def set_overwrite(self, channel: Channel, overwrite: Overwrite) -> None:
        """One that allows and denies nothing is removed."""
        if channel.thread or not channel.guild:
            raise NotPossible(f"{channel.name} has no permissions of its own.")
        channel.overwrites.pop(overwrite.id, None)
        if overwrite.allow | overwrite.deny:
            channel.overwrites[overwrite.id] = replace(overwrite, allow=overwrite.allow & ~overwrite.deny)
        self._tell_channel("CHANNEL_UPDATE", channel)

    def delete_channel(self, channel: Channel) -> None:
        """With its messages and threads."""
        if not channel.guild:
            raise NotPossible(f"{channel.name} cannot be deleted.")
        for thread in [each for each in self._state.channels.values() if each.thread]:
            if thread.thread and thread.thread.parent is channel:
                self.delete_channel(thread)
        del self._state.channels[channel.id]
        for message in [each for each in self._state.messages.values() if each.channel_id == channel.id]:
            del self._state.messages[message.id]
        if channel.thread:
            shape = shapes.channel(channel)
            known = {name: shape[name] for name in ("id", "guild_id", "parent_id", "type")}
            self._tell("THREAD_DELETE", channel.guild, known)
        else:
            self._tell_channel("CHANNEL_DELETE", channel)

    def set_command_permissions(self, guild: Guild, command_id: str, settings: list[Json]) -> None:
        """Who may use a command where, as a server's administrators set it: `[{id, type, permission}]`."""
        if command_id not in self._state.commands:
            raise NotPossible(f"There is no command {command_id}.")
        self._state.command_permissions[guild.id, command_id] = settings
        application = self._state.application_id
        shape = {
            "id": command_id,
            "application_id": application,
            "guild_id": guild.id,
            "permissions": settings,
        }
        self._tell("APPLICATION_COMMAND_PERMISSIONS_UPDATE", guild, shape)

    def _tell_channel(self, event: str, channel: Channel) -> None:
        assert channel.guild  # conversations do not change
        self._tell(event, channel.guild, shapes.channel(channel))

    def _tell_role(self, event: str, guild: Guild, role: Role) -> None:
        self._tell(event, guild, {"guild_id": guild.id, "role": shapes.role(role)})

    def _tell_member(self, guild: Guild, member: Member) -> None:
        self._tell("GUILD_MEMBER_UPDATE", guild, {"guild_id": guild.id, **shapes.member(member)})

    def _tell(self, event: str, guild: Guild, data: Json) -> None:
        self._state.changes.bump()
        if self._state.bot in guild:
            self._publish(event, data)
