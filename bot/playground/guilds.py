"""Servers and what is in them: people, roles, members, channels and threads. Pure data.

https://discord.com/developers/docs/resources/guild
"""

from dataclasses import dataclass, field
from enum import IntEnum

from bot.playground.permissions import ALL, DIRECT, NONE, Overwrite, Permissions, implied, overwritten


class ChannelType(IntEnum):
    TEXT = 0
    DM = 1
    GROUP_DM = 3
    PUBLIC_THREAD = 11
    PRIVATE_THREAD = 12


@dataclass(frozen=True)
class User:
    id: str
    name: str
    bot: bool = False


@dataclass
class Role:
    """`bot` is set for the role that an application gets with its installation and that only it has."""

    id: str
    name: str
    permissions: Permissions = NONE
    position: int = 1
    color: int = 0
    bot: User | None = None


@dataclass
class Member:
    """`roles` are ids, without the one of everybody. `joined_at` is an ISO 8601 time."""

    user: User
    joined_at: str
    roles: list[str] = field(default_factory=list)


@dataclass(eq=False)
class Guild:
    """`members` are by user id. The role of all members has the server's own id."""

    id: str
    name: str
    owner: User
    roles: dict[str, Role] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)

    def __contains__(self, user: User) -> bool:
        return user.id in self.members

    @property
    def everyone(self) -> Role:
        return self.roles[self.id]

    def role(self, name_or_id: str) -> Role | None:
        wanted = name_or_id.removeprefix("@")
        roles = self.roles.values()
        return next((role for role in roles if wanted in (role.id, role.name.removeprefix("@"))), None)

    def permissions(self, user: User) -> Permissions:
        """What a member may do in the server, before a channel's overwrites; nothing for others."""
        member = self.members.get(user.id)
        if not member:
            return NONE
        found = self.everyone.permissions
        for role in member.roles:
            found |= self.roles[role].permissions
        return ALL if user == self.owner or Permissions.ADMINISTRATOR in found else found


@dataclass(eq=False)
class Channel:
    """A text channel or a thread of a server; or a conversation of `people`, with or without the bot."""

    id: str
    type: ChannelType
    name: str
    nsfw: bool = False
    guild: Guild | None = None
    people: tuple[User, ...] = ()
    topic: str | None = None
    overwrites: dict[str, Overwrite] = field(default_factory=dict)  # by role or user id
    thread: "Thread | None" = None
    pinned: dict[str, str] = field(default_factory=dict)  # message ids to the times of pinning

    @property
    def recipient(self) -> User | None:
        """A conversation's first person; None in a server."""
        return next((user for user in self.people if not user.bot), None)

    @property
    def age_restricted(self) -> bool:
        """A thread is as restricted as its parent."""
        return self.thread.parent.nsfw if self.thread else self.nsfw

    @property
    def sending(self) -> Permissions:
        """The permission that it takes to send a message here."""
        return Permissions.SEND_MESSAGES_IN_THREADS if self.thread else Permissions.SEND_MESSAGES

    def permissions(self, user: User) -> Permissions:
        """What a person or the bot may do here: roles, then overwrites, then what a denial implies.

        Nothing in a private thread for who is not in it and does not manage threads.
        """
        if not self.guild:
            return DIRECT if user in self.people else NONE
        found = implied(self._granted(user), sending=self.sending)
        if self.thread and self.thread.private and user.id not in self.thread.members:
            return found if Permissions.MANAGE_THREADS in found else NONE
        return found

    def _granted(self, user: User) -> Permissions:
        """A thread has no overwrites of its own: its parent's count."""
        if self.thread:
            return self.thread.parent._granted(user)
        assert self.guild  # conversations have no roles
        base = self.guild.permissions(user)
        if Permissions.ADMINISTRATOR in base or user not in self.guild:
            return base
        roles = self.guild.members[user.id].roles
        layers = ([self.guild.id], roles, [user.id])
        return overwritten(
            base, [[self.overwrites[id] for id in ids if id in self.overwrites] for ids in layers]
        )

    def seen_by(self, user: User) -> bool:
        return Permissions.VIEW_CHANNEL in self.permissions(user)


@dataclass
class Thread:
    """What a channel has that began in another one. `members` are user ids with the times of joining.

    `archive_after` is in minutes; times are in ISO 8601.
    """

    parent: Channel
    owner: User
    created_at: str
    changed_at: str  # when it was last archived or opened
    archive_after: int = 4320
    archived: bool = False
    locked: bool = False
    invitable: bool = True
    members: dict[str, str] = field(default_factory=dict)
    private: bool = False
    sent: int = 0  # messages ever sent here, the one that it began with not counted

    def spoke(self, user: User, at: str) -> None:
        """Who writes into a thread is in it."""
        self.sent += 1
        self.members.setdefault(user.id, at)
