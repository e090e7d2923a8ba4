"""Threads: conversations that begin in a channel, at one of its messages or without.

https://discord.com/developers/docs/topics/threads
"""

from typing import Annotated, Any, Literal

from bot.playground import errors, shapes
from bot.playground.access import Access
from bot.playground.bodies import Body, read, up_to
from bot.playground.gateway import Publish
from bot.playground.guilds import Channel, ChannelType, Thread, User
from bot.playground.messages import Messages, MessageType
from bot.playground.permissions import Permissions
from bot.playground.routing import Answer, Call, Route
from bot.playground.state import Json, Message, MessageFlags, State

ArchiveAfter = Literal[60, 1440, 4320, 10080]  # minutes


class ThreadBody(Body):
    """What makes a thread; without a message it is private unless `type` says otherwise."""

    name: Annotated[str, up_to(100, at_least=1)]
    auto_archive_duration: ArchiveAfter | None = None
    type: Literal[11, 12] | None = None
    invitable: bool | None = None


class ThreadChanges(Body):
    name: Annotated[str, up_to(100, at_least=1)] | None = None
    archived: bool | None = None
    locked: bool | None = None
    auto_archive_duration: ArchiveAfter | None = None
    invitable: bool | None = None


class Threads:
    """Makes threads and lets people in. A thread does not archive itself as time passes."""

    def __init__(self, *, state: State, access: Access, messages: Messages, publish: Publish) -> None:
        self._state = state
        self._access = access
        self._messages = messages
        self._publish = publish

    def routes(self) -> list[Route]:
        members = "/channels/{channel}/thread-members"
        return [
            Route("POST", "/channels/{channel}/messages/{message}/threads", self._start_at_message),
            Route("POST", "/channels/{channel}/threads", self._start),
            Route("GET", "/channels/{channel}/threads/archived/{kind}", self._archived),
            Route("GET", "/guilds/{guild}/threads/active", self._active),
            Route("GET", members, self._members),
            Route("GET", f"{members}/{{user}}", self._member),
            Route("PUT", f"{members}/{{user}}", self._add_member),
            Route("DELETE", f"{members}/{{user}}", self._remove_member),
        ]

    def start(
        self, parent: Channel, owner: User, name: str, *, message: Message | None = None, **more: Any
    ) -> Channel:
        """A thread with its owner in it; at a message it gets that message's id. `more` are fields of `Thread`.

        Raises DiscordError 160004 where the message has a thread, 50024 inside of threads and conversations.
        """
        if not parent.guild or parent.thread:
            raise errors.wrong_channel_type()
        if message and message.id in self._state.channels:
            raise errors.thread_exists()
        now = self._state.clock.timestamp()
        thread = Thread(parent, owner, created_at=now, changed_at=now, members={owner.id: now}, **more)
        kind = ChannelType.PRIVATE_THREAD if thread.private else ChannelType.PUBLIC_THREAD
        id = message.id if message else self._state.snowflakes.next()
        channel = Channel(id, kind, name, guild=parent.guild, thread=thread)
        self._state.channels[id] = channel
        self._tell("THREAD_CREATE", channel, newly_created=True)
        if message:
            message.body["flags"] |= int(MessageFlags.HAS_THREAD)
            self._messages.tell("MESSAGE_UPDATE", message)
        elif not thread.private:
            self._messages.announce(MessageType.THREAD_CREATED, owner, parent, content=name)
        return channel

    def open(self, channel: Channel) -> None:
        """Who writes into an archived thread opens it."""
        if channel.thread and channel.thread.archived:
            self._archive(channel.thread, archived=False)
            self._tell("THREAD_UPDATE", channel)

    def edit(self, channel: Channel, body: Any) -> Channel:
        """As the bot. Its own threads, or with MANAGE_THREADS all; locking always needs that permission."""
        assert channel.thread  # the caller knows
        changes = read(ThreadChanges, body)
        thread, granted = channel.thread, channel.permissions(self._state.bot)
        opening = changes.model_fields_set == {"archived"} and changes.archived is False
        own = opening or thread.owner == self._state.bot
        if Permissions.MANAGE_THREADS not in granted and (
            changes.locked is not None or thread.locked or not own
        ):
            raise errors.missing_permissions()
        if thread.archived and changes.archived is not False:
            raise errors.thread_archived()
        channel.name = changes.name or channel.name
        thread.locked = thread.locked if changes.locked is None else changes.locked
        thread.invitable = thread.invitable if changes.invitable is None else changes.invitable
        thread.archive_after = changes.auto_archive_duration or thread.archive_after
        if changes.archived is not None and changes.archived != thread.archived:
            self._archive(thread, archived=changes.archived)
        self._tell("THREAD_UPDATE", channel)
        return channel

    def join(self, channel: Channel, user: User) -> None:
        """Does nothing for who is in it already."""
        assert channel.thread
        if user.id not in channel.thread.members:
            channel.thread.members[user.id] = self._state.clock.timestamp()
            self._tell_members(channel, added=[user])

    def leave(self, channel: Channel, user: User) -> None:
        assert channel.thread
        if channel.thread.members.pop(user.id, None):
            self._tell_members(channel, removed=[user.id])

    def _archive(self, thread: Thread, *, archived: bool) -> None:
        thread.archived, thread.changed_at = archived, self._state.clock.timestamp()

    def _tell(self, event: str, channel: Channel, **more: Any) -> None:
        self._state.changes.bump()
        if message := self._state.messages.get(channel.id):
            message.body["thread"] = shapes.channel(channel)
        if channel.seen_by(self._state.bot):
            self._publish(event, {**shapes.channel(channel), **more})

    def _tell_members(
        self, channel: Channel, *, added: list[User] | None = None, removed: list[str] | None = None
    ) -> None:
        assert channel.thread
        assert channel.guild
        self._state.changes.bump()
        data: Json = {
            "id": channel.id,
            "guild_id": channel.guild.id,
            "member_count": len(channel.thread.members),
        }
        if added:
            data["added_members"] = [
                {
                    **shapes.thread_member(channel, user.id),
                    "member": shapes.member(channel.guild.members[user.id]),
                    "presence": None,
                }
                for user in added
            ]
        if removed:
            data["removed_member_ids"] = removed
        if channel.seen_by(self._state.bot) or self._state.bot.id in (removed or []):
            self._publish("THREAD_MEMBERS_UPDATE", data)

    def _start_at_message(self, call: Call) -> Answer:
        parent, message = self._access.message(call, Permissions.CREATE_PUBLIC_THREADS)
        body = read(ThreadBody, call.body)
        after = body.auto_archive_duration or Thread.archive_after
        thread = self.start(parent, self._state.bot, body.name, message=message, archive_after=after)
        return 201, self._with_member(thread)

    def _start(self, call: Call) -> Answer:
        body = read(ThreadBody, call.body)
        private = body.type != int(ChannelType.PUBLIC_THREAD)
        needed = Permissions.CREATE_PRIVATE_THREADS if private else Permissions.CREATE_PUBLIC_THREADS
        parent = self._access.channel(call, needed)
        after = body.auto_archive_duration or Thread.archive_after
        thread = self.start(
            parent,
            self._state.bot,
            body.name,
            archive_after=after,
            private=private,
            invitable=body.invitable is not False,
        )
        return 201, self._with_member(thread)

    def _with_member(self, channel: Channel) -> Json:
        """With the bot's own membership, where it is in the thread."""
        shape = shapes.channel(channel)
        if channel.thread and self._state.bot.id in channel.thread.members:
            shape["member"] = shapes.thread_member(channel, self._state.bot.id)
        return shape

    def _list(self, found: list[Channel]) -> Answer:
        bot = self._state.bot.id
        mine = [each for each in found if each.thread and bot in each.thread.members]
        return 200, {
            "threads": [shapes.channel(each) for each in found],
            "members": [shapes.thread_member(each, bot) for each in mine],
            "has_more": False,
        }

    def _archived(self, call: Call) -> Answer:
        """All at once, newest first: `before` and `limit` are not needed for so few."""
        parent = self._access.channel(call, Permissions.READ_MESSAGE_HISTORY)
        if call.params["kind"] not in ("public", "private"):
            raise errors.not_found()
        private = call.params["kind"] == "private"
        if private:
            self._access.channel(call, Permissions.MANAGE_THREADS)
        inside = [
            each for each in self._state.channels.values() if each.thread and each.thread.parent is parent
        ]
        found = [
            each for each in inside if each.thread and each.thread.archived and each.thread.private == private
        ]
        return self._list(found[::-1])

    def _active(self, call: Call) -> Answer:
        guild = self._access.guild(call)
        threads = [each for each in self._state.channels.values() if each.thread and each.guild is guild]
        open_ones = [each for each in threads if each.thread and not each.thread.archived]
        return self._list([each for each in open_ones if each.seen_by(self._state.bot)])

    def _thread(self, call: Call) -> tuple[Channel, Thread]:
        channel = self._access.channel(call)
        if not channel.thread:
            raise errors.wrong_channel_type()
        return channel, channel.thread

    def _members(self, call: Call) -> Answer:
        channel, thread = self._thread(call)
        return 200, [shapes.thread_member(channel, id) for id in thread.members]

    def _member(self, call: Call) -> Answer:
        channel, thread = self._thread(call)
        id = self._user_id(call)
        if id not in thread.members:
            raise errors.unknown_member()
        return 200, shapes.thread_member(channel, id)

    def _add_member(self, call: Call) -> Answer:
        channel, thread = self._thread(call)
        user = self._state.user(self._user_id(call))
        if not user or not channel.guild or user not in channel.guild:
            raise errors.unknown_member()
        if thread.archived:
            raise errors.thread_archived()
        if user != self._state.bot:
            self._access.channel(call, channel.sending)
        self.join(channel, user)
        return 204, None

    def _remove_member(self, call: Call) -> Answer:
        channel, thread = self._thread(call)
        user = self._state.user(self._user_id(call))
        if not user or user.id not in thread.members:
            raise errors.unknown_member()
        own = thread.private and thread.owner == self._state.bot
        if user != self._state.bot and not own:
            self._access.channel(call, Permissions.MANAGE_THREADS)
        self.leave(channel, user)
        return 204, None

    def _user_id(self, call: Call) -> str:
        return call.params["user"].replace("@me", self._state.bot.id)
