"""What the bot may reach over the REST API, and how Discord refuses the rest."""

from bot.playground import errors
from bot.playground.guilds import Channel, Guild, Member
from bot.playground.permissions import FIELDS, NONE, Permissions
from bot.playground.routing import Call
from bot.playground.state import Json, Message, State


class Access:
    """Looks up what a path names. Raises DiscordError: unknown (404), 50001 out of sight, 50013 not permitted."""

    def __init__(self, *, state: State) -> None:
        self._state = state

    def guild(self, call: Call, needed: Permissions = NONE) -> Guild:
        """The path's `{guild}`. Where the bot is no member, nothing can be told apart from nothing: 10004."""
        guild = self._state.guilds.get(call.params["guild"])
        if not guild or self._state.bot not in guild:
            raise errors.unknown_guild()
        if needed not in guild.permissions(self._state.bot):
            raise errors.missing_permissions()
        return guild

    def member(self, call: Call, guild: Guild) -> Member:
        """The path's `{user}`; `@me` is the bot."""
        wanted = call.params["user"].replace("@me", self._state.bot.id)
        if wanted not in guild.members:
            raise errors.unknown_member() if self._state.user(wanted) else errors.unknown_user()
        return guild.members[wanted]

    def channel(self, call: Call, needed: Permissions = NONE) -> Channel:
        """The path's `{channel}`, which the bot has to see."""
        channel = self._state.channels.get(call.params["channel"])
        if not channel:
            raise errors.unknown_channel()
        granted = channel.permissions(self._state.bot)
        if Permissions.VIEW_CHANNEL not in granted:
            raise errors.missing_access()
        if needed not in granted:
            raise errors.missing_permissions()
        return channel

    def message(self, call: Call, needed: Permissions = NONE) -> tuple[Channel, Message]:
        """The path's `{message}` in its `{channel}`; private messages do not exist here."""
        channel = self.channel(call, needed)
        message = self._state.messages.get(call.params["message"])
        if not message or message.seen_by or message.channel_id != channel.id:
            raise errors.unknown_message()
        return channel, message

    def to_send(self, call: Call) -> Channel:
        """The path's channel, once the bot may send this body there."""
        body: Json = call.body if isinstance(call.body, dict) else {}
        needed = NONE
        for name, permission in FIELDS.items():
            needed |= permission if body.get(name) else NONE
        if call.uploads:
            needed |= Permissions.ATTACH_FILES
        if body.get("message_reference"):
            needed |= Permissions.READ_MESSAGE_HISTORY
        channel = self.channel(call)
        granted = channel.permissions(self._state.bot)
        if (needed | channel.sending) not in granted:
            raise errors.missing_permissions()
        if channel.recipient and not self._reachable(channel):
            raise errors.unreachable()
        if channel.thread and channel.thread.locked and Permissions.MANAGE_THREADS not in granted:
            raise errors.thread_locked()
        return channel

    def _reachable(self, channel: Channel) -> bool:
        """Whether a person takes direct messages of the bot: they share a server, or it is theirs."""
        person = channel.recipient
        assert person  # a conversation has at least one
        known = person.id in self._state.installs or bool(self._state.shared(person))
        return known and person.id not in self._state.unreachable
