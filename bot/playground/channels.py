"""Channel routes: sending, reading, editing and deleting messages as the bot, without an interaction.

https://discord.com/developers/docs/resources/channel
"""

from bot.playground import errors, shapes
from bot.playground.messages import Messages
from bot.playground.routing import Answer, Call, Route
from bot.playground.state import Channel, Message, State


class Channels:
    """What the bot may do in a channel. Ephemeral messages do not exist here."""

    def __init__(self, *, state: State, messages: Messages) -> None:
        self._state = state
        self._messages = messages

    def routes(self) -> list[Route]:
        many, one = "/channels/{channel}/messages", "/channels/{channel}/messages/{message}"
        return [
            Route("GET", "/channels/{channel}", self._get_channel),
            Route("POST", "/channels/{channel}/typing", self._typing),
            Route("POST", many, self._send),
            Route("GET", many, self._history),
            Route("GET", one, self._get),
            Route("PATCH", one, self._edit),
            Route("DELETE", one, self._delete),
            Route("POST", "/users/@me/channels", self._open_dm),
        ]

    def _channel(self, call: Call) -> Channel:
        channel = self._state.channels.get(call.params["channel"])
        if not channel:
            raise errors.unknown_channel()
        return channel

    def _message(self, call: Call) -> Message:
        channel = self._channel(call)
        message = self._state.messages.get(call.params["message"])
        if not message or message.seen_by or message.channel_id != channel.id:
            raise errors.unknown_message()
        return message

    def _get_channel(self, call: Call) -> Answer:
        return 200, shapes.channel(self._channel(call), self._state)

    def _typing(self, call: Call) -> Answer:
        self._channel(call)
        return 204, None

    def _send(self, call: Call) -> Answer:
        channel = self._channel(call)
        if isinstance(call.body, dict):
            before = self._messages.sent_before(call.body, self._state.bot, channel)
            if before:
                return 200, self._messages.for_bot(before)
        message = self._messages.create(call.body, call.uploads, author=self._state.bot, channel=channel)
        return 200, self._messages.for_bot(message)

    def _history(self, call: Call) -> Answer:
        """Newest first, at most `limit` (1 to 100, 50 without), by `before`, `after` or `around` an id."""
        channel = self._channel(call)
        number = {name: _number(call, name) for name in ("limit", "before", "after", "around")}
        limit = 50 if number["limit"] is None else number["limit"]
        if not 1 <= limit <= 100:
            said = "int value should be between 1 and 100."
            raise errors.invalid_form([errors.FieldError(("limit",), "NUMBER_TYPE_MAX", said)])
        found = [each for each in self._state.messages.values() if each.channel_id == channel.id]
        found = [each for each in found if not each.seen_by]
        if (before := number["before"]) is not None:
            found = [each for each in found if int(each.id) < before][-limit:]
        elif (after := number["after"]) is not None:
            found = [each for each in found if int(each.id) > after][:limit]
        elif (around := number["around"]) is not None:
            found = sorted(
                sorted(found, key=lambda each: abs(int(each.id) - around))[:limit], key=lambda m: int(m.id)
            )
        return 200, [self._messages.for_bot(each) for each in reversed(found[-limit:])]

    def _get(self, call: Call) -> Answer:
        return 200, self._messages.for_bot(self._message(call))

    def _edit(self, call: Call) -> Answer:
        message = self._message(call)
        if message.author != self._state.bot:
            raise errors.not_the_author()
        return 200, self._messages.for_bot(self._messages.edit(message, call.body, call.uploads))

    def _delete(self, call: Call) -> Answer:
        self._messages.delete(self._message(call))
        return 204, None

    def _open_dm(self, call: Call) -> Answer:
        """A person's direct messages with the bot; they always exist."""
        wanted = str(call.body.get("recipient_id")) if isinstance(call.body, dict) else ""
        for channel in self._state.channels.values():
            if channel.recipient and channel.recipient.id == wanted:
                return 200, shapes.channel(channel, self._state)
        raise errors.invalid_form(
            [
                errors.FieldError(
                    ("recipient_id",), "NUMBER_TYPE_COERCE", f'Value "{wanted}" is not a known user.'
                )
            ]
        )


def _number(call: Call, name: str) -> int | None:
    raw = call.query.get(name)
    if raw is None:
        return None
    if not raw.isascii() or not raw.isdigit() or len(raw) > 20:
        said = f'Value "{raw}" is not snowflake.'
        raise errors.invalid_form([errors.FieldError((name,), "NUMBER_TYPE_COERCE", said)])
    return int(raw)
