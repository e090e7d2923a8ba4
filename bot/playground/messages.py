"""Making, editing and deleting messages, and telling the gateway about it.

https://discord.com/developers/docs/resources/message
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from bot.playground import errors, shapes
from bot.playground.bodies import MessageBody, read
from bot.playground.cdn import Cdn
from bot.playground.clock import created_at
from bot.playground.composition import Composition, Uploads
from bot.playground.errors import Path
from bot.playground.gateway import Publish
from bot.playground.guilds import Channel, User
from bot.playground.state import (
    CommandType,
    Interaction,
    InteractionType,
    Json,
    Message,
    MessageFlags,
    State,
)

NONCE_S = 300.0  # "the past few minutes"


class MessageType(IntEnum):
    DEFAULT = 0
    CHANNEL_PINNED_MESSAGE = 6
    THREAD_CREATED = 18
    REPLY = 19
    CHAT_INPUT_COMMAND = 20
    CONTEXT_MENU_COMMAND = 23
    POLL_RESULT = 46


class Messages:
    """The only writer of messages. Nothing is stored where a rule says no."""

    def __init__(self, *, state: State, cdn: Cdn, publish: Publish) -> None:
        self._state = state
        self._cdn = cdn
        self._publish = publish
        self._composition = Composition(state=state, cdn=cdn)

    def create(
        self,
        body: Any,
        uploads: Uploads,
        *,
        author: User,
        channel: Channel,
        flags: int = 0,
        act: Interaction | None = None,
        reference: str | None = None,
        at: Path = (),
    ) -> Message:
        """Post a message. `act` is the interaction that it answers, `reference` the message that it replies to.

        Raises DiscordError: 50035, 50006, 30015, 40005; 10003 where the channel is gone.
        """
        if channel.id not in self._state.channels:
            raise errors.unknown_channel()
        parsed = read(MessageBody, body, at=at)
        reference = self._referred(parsed) or reference
        message = Message(self._blank(author, channel, flags), author)
        if flags & MessageFlags.EPHEMERAL and act:
            message.seen_by = act.user
        if act:
            message.body |= self._answering(act)
        if reference:
            message.body |= self._replying(reference, channel)
        message.body["tts"] = bool(parsed.tts)
        if parsed.nonce is not None:
            message.body["nonce"] = body["nonce"]
        self._composition.apply(message, body, parsed, uploads, flags=flags, at=at)
        self._state.messages[message.id] = message
        if channel.thread:
            channel.thread.spoke(author, self._state.clock.timestamp())
        self.tell("MESSAGE_CREATE", message)
        return message

    def announce(
        self,
        kind: MessageType,
        author: User,
        channel: Channel,
        *,
        refers_to: str | None = None,
        content: str = "",
        embeds: Sequence[Json] = (),
    ) -> Message:
        """A line that Discord itself writes, about what `author` did."""
        message = Message(self._blank(author, channel, 0), author)
        message.body |= self._replying(refers_to, channel) if refers_to else {}
        message.body |= {"type": int(kind), "content": content, "embeds": [*embeds]}
        self._state.messages[message.id] = message
        self.tell("MESSAGE_CREATE", message)
        return message

    def edit(self, message: Message, body: Any, uploads: Uploads, at: Path = ()) -> Message:
        """Change what the body names and leave the rest. Ends the loading state.

        Only a loading message can be given a poll. Raises as `create`, and DiscordError 520003.
        """
        parsed = read(MessageBody, body, at=at)
        if "poll" in message.body or (parsed.poll and not message.body["flags"] & MessageFlags.LOADING):
            raise errors.poll_not_editable()
        flags = message.body["flags"] & ~MessageFlags.LOADING
        if parsed.flags is not None:  # the only flag that an edit may take away
            flags &= ~MessageFlags.SUPPRESS_EMBEDS
        self._composition.apply(message, body, parsed, uploads, flags=flags, at=at)
        message.body["edited_timestamp"] = self._state.clock.timestamp()
        self.tell("MESSAGE_UPDATE", message)
        return message

    def delete(self, message: Message) -> None:
        self._forget(message)
        self.tell("MESSAGE_DELETE", message)

    def delete_many(self, channel: Channel, messages: Sequence[Message]) -> None:
        """One event for all of them."""
        for message in messages:
            self._forget(message)
        self._state.changes.bump()
        if messages and channel.guild and channel.seen_by(self._state.bot):
            place = {"channel_id": channel.id, "guild_id": channel.guild.id}
            self._publish("MESSAGE_DELETE_BULK", {"ids": [each.id for each in messages], **place})

    def _forget(self, message: Message) -> None:
        del self._state.messages[message.id]
        self._state.channels[message.channel_id].pinned.pop(message.id, None)

    def sent_before(self, body: Json, author: User, channel: Channel) -> Message | None:
        """With `enforce_nonce`: the message with the same nonce, which is answered instead of a second one."""
        if not body.get("enforce_nonce") or body.get("nonce") is None:
            return None
        recent = self._state.clock.now() - NONCE_S
        for message in reversed(self._state.messages.values()):
            same = message.body.get("nonce") == body["nonce"] and message.author == author
            if same and message.channel_id == channel.id and created_at(message.id) >= recent:
                return message
        return None

    def tell(self, event: str, message: Message) -> None:
        """Publish an event about a message. Ephemeral ones are reached only through their interaction."""
        self._state.changes.bump()
        channel = self._state.channels[message.channel_id]
        if message.seen_by or not channel.seen_by(self._state.bot):
            return
        data = dict(message.body)
        if event == "MESSAGE_DELETE":
            data = {"id": message.id, "channel_id": channel.id}
        elif event == "MESSAGE_CREATE" and channel.guild and message.author in channel.guild:
            author = channel.guild.members[message.author.id]
            data["member"] = {**shapes.partial_member(author), "deaf": False, "mute": False}
        if channel.guild:
            data["guild_id"] = channel.guild.id
        self._publish(event, data)

    def for_bot(self, message: Message) -> Json:
        """As the REST API and interactions show it: with fresh URLs."""
        signed: Json = self._cdn.signed(message.body)
        return signed

    def _blank(self, author: User, channel: Channel, flags: int) -> Json:
        return {
            "id": self._state.snowflakes.next(),
            "type": int(MessageType.DEFAULT),
            "channel_id": channel.id,
            "author": shapes.user(author),
            "content": "",
            "embeds": [],
            "attachments": [],
            "components": [],
            "mentions": [],
            "mention_roles": [],
            "mention_everyone": False,
            "tts": False,
            "timestamp": self._state.clock.timestamp(),
            "edited_timestamp": None,
            "flags": int(flags),
            "pinned": False,
        }

    def _answering(self, act: Interaction) -> Json:
        kind = MessageType.DEFAULT
        if act.type is InteractionType.COMMAND:
            slash = act.data["type"] == CommandType.SLASH
            kind = MessageType.CHAT_INPUT_COMMAND if slash else MessageType.CONTEXT_MENU_COMMAND
        return {
            "type": int(kind),
            "application_id": self._state.application_id,
            "webhook_id": self._state.application_id,
            "interaction_metadata": self._metadata(act),
        }

    def _metadata(self, act: Interaction) -> Json:
        metadata: Json = {
            "id": act.id,
            "type": int(act.type),
            "user": shapes.user(act.user),
            "authorizing_integration_owners": act.owners,
        }
        if act.type is InteractionType.COMPONENT and act.message:
            metadata["interacted_message_id"] = act.message.id
        if act.type is InteractionType.MODAL and act.parent:
            metadata["triggering_interaction_metadata"] = self._metadata(act.parent)
        return metadata

    def _referred(self, parsed: MessageBody) -> str | None:
        """The message that the body replies to; None also where it may be gone and is."""
        wanted = parsed.message_reference
        if not wanted or (
            wanted.fail_if_not_exists is False and wanted.message_id not in self._state.messages
        ):
            return None
        return wanted.message_id

    def _replying(self, message_id: str, channel: Channel) -> Json:
        """Raises DiscordError 50035 where the message to reply to does not exist in this channel."""
        target = self._state.messages.get(message_id)
        if not target or target.channel_id != channel.id:
            code, said = "MESSAGE_REFERENCE_UNKNOWN_MESSAGE", "Unknown message"
            raise errors.invalid_form([errors.FieldError(("message_reference",), code, said)])
        reference = {"type": 0, "channel_id": channel.id, "message_id": message_id}
        if channel.guild:
            reference["guild_id"] = channel.guild.id
        return {"type": int(MessageType.REPLY), "message_reference": reference}
