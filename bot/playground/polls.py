"""Polls: opened with a message, voted on by people, ended by the bot or by time.

https://discord.com/developers/docs/resources/poll
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import datetime

from aiohttp import web

from bot.playground import errors, shapes
from bot.playground.access import Access
from bot.playground.errors import NotPossible
from bot.playground.gateway import Publish
from bot.playground.guilds import User
from bot.playground.messages import Messages, MessageType
from bot.playground.poll_shapes import counts, result
from bot.playground.routing import Answer, Call, Route
from bot.playground.state import Json, Message, State

VOTERS = 25  # in one answer, where the bot said nothing
LONGEST_WAIT_S = 3600.0


class Polls:
    """Counts votes and ends polls."""

    def __init__(self, *, state: State, messages: Messages, access: Access, publish: Publish) -> None:
        self._state = state
        self._messages = messages
        self._access = access
        self._publish = publish

    def routes(self) -> list[Route]:
        poll = "/channels/{channel}/polls/{message}"
        return [
            Route("GET", f"{poll}/answers/{{answer}}", self._voters),
            Route("POST", f"{poll}/expire", self._expire),
        ]

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        """While the playground runs, polls end when their time is over."""
        task = asyncio.create_task(self._watch(), name="polls")
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def _watch(self) -> None:
        while True:
            for message in self._open():
                if self._left(message) <= 0:
                    self._end(message)
            soonest = min([self._left(message) for message in self._open()], default=LONGEST_WAIT_S)
            changes = self._state.changes
            await changes.wait(changes.count, timeout=min(max(soonest, 0.0), LONGEST_WAIT_S))

    def _open(self) -> list[Message]:
        self._state.open_polls &= self._state.messages.keys()
        return [self._state.messages[id] for id in self._state.open_polls]

    def _left(self, message: Message) -> float:
        ends: str = message.body["poll"]["expiry"]
        return datetime.fromisoformat(ends).timestamp() - self._state.clock.now()

    def vote(self, user: User, message: Message, chosen: Sequence[int]) -> None:
        """A person's whole choice, in place of an earlier one; none takes it back. Raises NotPossible."""
        poll: Json | None = message.body.get("poll")
        if not poll:
            raise NotPossible("This message has no poll.")
        if message.id not in self._state.open_polls:
            raise NotPossible("This poll has ended.")
        known = [answer["answer_id"] for answer in poll["answers"]]
        if wrong := [answer for answer in chosen if answer not in known]:
            raise NotPossible(f"answers must be among {', '.join(map(str, known))}; you chose {wrong[0]}.")
        if len(set(chosen)) > 1 and not poll["allow_multiselect"]:
            raise NotPossible(f"This poll takes one answer; you chose {len(set(chosen))}.")
        for answer in known:
            self._set(user, message, answer, voted=answer in chosen)

    def _set(self, user: User, message: Message, answer: int, *, voted: bool) -> None:
        voters = message.votes.setdefault(answer, [])
        if voted is (user.id in voters):
            return
        if voted:
            voters.append(user.id)
        else:
            voters.remove(user.id)
        message.body["poll"]["results"]["answer_counts"] = counts(message, self._state.bot)
        self._state.changes.bump()
        channel = self._state.channels[message.channel_id]
        place = {"channel_id": channel.id, "message_id": message.id}
        place |= {"guild_id": channel.guild.id} if channel.guild else {}
        if not message.seen_by and channel.seen_by(self._state.bot):
            event = "MESSAGE_POLL_VOTE_ADD" if voted else "MESSAGE_POLL_VOTE_REMOVE"
            self._publish(event, {**place, "user_id": user.id, "answer_id": answer})

    def _end(self, message: Message, *, early: bool = False) -> None:
        """Count for the last time, and let Discord write the result beneath."""
        self._state.open_polls.discard(message.id)
        poll: Json = message.body["poll"]
        if early:
            poll["expiry"] = self._state.clock.timestamp()
        poll["results"]["is_finalized"] = True
        self._messages.tell("MESSAGE_UPDATE", message)
        if not message.seen_by:
            channel = self._state.channels[message.channel_id]
            kind, embeds = MessageType.POLL_RESULT, [result(message)]
            self._messages.announce(kind, message.author, channel, refers_to=message.id, embeds=embeds)

    def _expire(self, call: Call) -> Answer:
        _, message = self._access.message(call)
        if "poll" not in message.body:
            raise errors.no_poll()
        if message.author != self._state.bot:
            raise errors.not_the_author()
        if message.id not in self._state.open_polls:
            raise errors.poll_expired()
        self._end(message, early=True)
        return 200, self._messages.for_bot(message)

    def _voters(self, call: Call) -> Answer:
        """By id, at most `limit` (1 to 100, 25 without) of those `after` one."""
        _, message = self._access.message(call)
        if "poll" not in message.body:
            raise errors.no_poll()
        answer, after, limit = call.number("answer"), call.number("after", 0), call.limit(VOTERS)
        voters = sorted(message.votes.get(answer, []), key=int)
        people = [self._state.user(id) for id in voters if int(id) > after]
        return 200, {"users": [shapes.user(each) for each in people if each][:limit]}
