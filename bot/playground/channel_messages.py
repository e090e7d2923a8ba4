"""Messages without an interaction: the bot sends, reads, edits and deletes them in a channel.

https://discord.com/developers/docs/resources/message
"""

from typing import Annotated

from pydantic import Field

from bot.playground import errors
from bot.playground.access import Access
from bot.playground.bodies import Body, Snowflake, read
from bot.playground.clock import created_at
from bot.playground.messages import Messages
from bot.playground.permissions import Permissions
from bot.playground.routing import Answer, Call, Route
from bot.playground.state import State
from bot.playground.threads import Threads

BULK_AGE_S = 14 * 24 * 3600.0  # older messages have to be deleted one by one


class BulkBody(Body):
    messages: Annotated[list[Snowflake], Field(min_length=2, max_length=100)]


class ChannelMessages:
    """What the bot may do in a channel. Ephemeral messages do not exist here."""

    def __init__(self, *, state: State, access: Access, messages: Messages, threads: Threads) -> None:
        self._state = state
        self._access = access
        self._messages = messages
        self._threads = threads

    def routes(self) -> list[Route]:
        many, one = "/channels/{channel}/messages", "/channels/{channel}/messages/{message}"
        return [
            Route("POST", many, self._send),
            Route("GET", many, self._history),
            Route("POST", f"{many}/bulk-delete", self._delete_many),
            Route("GET", one, self._get),
            Route("PATCH", one, self._edit),
            Route("DELETE", one, self._delete),
        ]

    def _send(self, call: Call) -> Answer:
        channel = self._access.to_send(call)
        if isinstance(call.body, dict):
            before = self._messages.sent_before(call.body, self._state.bot, channel)
            if before:
                return 200, self._messages.for_bot(before)
        self._threads.open(channel)
        message = self._messages.create(call.body, call.uploads, author=self._state.bot, channel=channel)
        return 200, self._messages.for_bot(message)

    def _history(self, call: Call) -> Answer:
        """Newest first, at most `limit` (1 to 100, 50 without), by `before`, `after` or `around` an id."""
        channel = self._access.channel(call)
        number = {name: _number(call, name) for name in ("limit", "before", "after", "around")}
        limit = 50 if number["limit"] is None else number["limit"]
        if not 1 <= limit <= 100:
            said = "int value should be between 1 and 100."
            raise errors.invalid_form([errors.FieldError(("limit",), "NUMBER_TYPE_MAX", said)])
        if Permissions.READ_MESSAGE_HISTORY not in channel.permissions(self._state.bot):
            return 200, []
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
        _, message = self._access.message(call, Permissions.READ_MESSAGE_HISTORY)
        return 200, self._messages.for_bot(message)

    def _edit(self, call: Call) -> Answer:
        channel, message = self._access.message(call)
        if message.author != self._state.bot:
            raise errors.not_the_author()
        if channel.thread and channel.thread.archived:
            raise errors.thread_archived()
        return 200, self._messages.for_bot(self._messages.edit(message, call.body, call.uploads))

    def _delete(self, call: Call) -> Answer:
        channel, message = self._access.message(call)
        if message.author != self._state.bot:
            if not channel.guild:
                raise errors.not_in_direct_messages()
            self._access.channel(call, Permissions.MANAGE_MESSAGES)
        self._messages.delete(message)
        return 204, None

    def _delete_many(self, call: Call) -> Answer:
        """Ids that are not there are passed over; one that is too old refuses them all."""
        channel = self._access.channel(call)
        if not channel.guild:
            raise errors.not_in_direct_messages()
        self._access.channel(call, Permissions.MANAGE_MESSAGES)
        ids = read(BulkBody, call.body).messages
        here = [self._state.messages[id] for id in dict.fromkeys(ids) if id in self._state.messages]
        found = [each for each in here if each.channel_id == channel.id and not each.seen_by]
        if any(created_at(each.id) < self._state.clock.now() - BULK_AGE_S for each in found):
            raise errors.too_old_for_bulk()
        self._messages.delete_many(channel, found)
        return 204, None


def _number(call: Call, name: str) -> int | None:
    raw = call.query.get(name)
    if raw is None:
        return None
    if not raw.isascii() or not raw.isdigit() or len(raw) > 20:
        said = f'Value "{raw}" is not snowflake.'
        raise errors.invalid_form([errors.FieldError((name,), "NUMBER_TYPE_COERCE", said)])
    return int(raw)
