"""Pinned messages: of the bot and of people.

https://discord.com/developers/docs/resources/message#get-channel-pins
"""

from bot.playground import errors
from bot.playground.access import Access
from bot.playground.gateway import Publish
from bot.playground.guilds import Channel, User
from bot.playground.messages import Messages, MessageType
from bot.playground.permissions import Permissions
from bot.playground.routing import Answer, Call, Route
from bot.playground.state import Json, Message, State

PINS = 250  # of one channel
PAGE = 50


class Pins:
    """A pin is a mark on the message, a line in the channel, and two events."""

    def __init__(self, *, state: State, access: Access, messages: Messages, publish: Publish) -> None:
        self._state = state
        self._access = access
        self._messages = messages
        self._publish = publish

    def routes(self) -> list[Route]:
        every = [Route("GET", "/channels/{channel}/messages/pins", self._list)]
        every += [Route("GET", "/channels/{channel}/pins", self._list_all)]
        for one in ("/channels/{channel}/messages/pins/{message}", "/channels/{channel}/pins/{message}"):
            every += [Route("PUT", one, self._pin), Route("DELETE", one, self._unpin)]
        return every

    def pin(self, channel: Channel, message: Message, user: User) -> None:
        """Does nothing where it is pinned. Raises DiscordError 30003 for the 251st."""
        if message.id in channel.pinned:
            return
        if len(channel.pinned) >= PINS:
            raise errors.too_many_pins()
        channel.pinned[message.id] = self._state.clock.timestamp()
        message.body["pinned"] = True
        self._tell(channel, message)
        self._messages.announce(MessageType.CHANNEL_PINNED_MESSAGE, user, channel, refers_to=message.id)

    def unpin(self, channel: Channel, message: Message) -> None:
        if channel.pinned.pop(message.id, None):
            message.body["pinned"] = False
            self._tell(channel, message)

    def _tell(self, channel: Channel, message: Message) -> None:
        self._messages.tell("MESSAGE_UPDATE", message)
        update: Json = {
            "channel_id": channel.id,
            "last_pin_timestamp": max(channel.pinned.values(), default=None),
        }
        if channel.guild:
            update["guild_id"] = channel.guild.id
        if channel.seen_by(self._state.bot):
            self._publish("CHANNEL_PINS_UPDATE", update)

    def _pin(self, call: Call) -> Answer:
        channel, message = self._access.message(call, Permissions.PIN_MESSAGES)
        self.pin(channel, message, self._state.bot)
        return 204, None

    def _unpin(self, call: Call) -> Answer:
        channel, message = self._access.message(call, Permissions.PIN_MESSAGES)
        self.unpin(channel, message)
        return 204, None

    def _pinned(self, call: Call) -> list[tuple[str, Message]]:
        """Latest pin first; nothing for who may not read the history."""
        channel = self._access.channel(call)
        if Permissions.READ_MESSAGE_HISTORY not in channel.permissions(self._state.bot):
            return []
        return [(at, self._state.messages[id]) for id, at in reversed(channel.pinned.items())]

    def _list(self, call: Call) -> Answer:
        """`limit` 1 to 50, `before` a time."""
        raw = call.query.get("limit", str(PAGE))
        limit = int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 4 else 0
        if not 1 <= limit <= PAGE:
            said = f"int value should be between 1 and {PAGE}."
            raise errors.invalid_form([errors.FieldError(("limit",), "NUMBER_TYPE_MAX", said)])
        before = call.query.get("before", "~")  # sorts after every time
        found = [(at, message) for at, message in self._pinned(call) if at < before]
        items = [{"pinned_at": at, "message": self._messages.for_bot(each)} for at, each in found[:limit]]
        return 200, {"items": items, "has_more": len(found) > limit}

    def _list_all(self, call: Call) -> Answer:
        """The older route, without pages."""
        return 200, [self._messages.for_bot(message) for _, message in self._pinned(call)[:PAGE]]
