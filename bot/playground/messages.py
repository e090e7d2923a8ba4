"""Making, editing and deleting messages, and telling the gateway about it.

https://discord.com/developers/docs/resources/message
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from bot.playground import errors, rules, shapes
from bot.playground.bodies import MessageBody, read
from bot.playground.cdn import Cdn, Upload
from bot.playground.clock import created_at
from bot.playground.components import Echo
from bot.playground.gateway import Publish
from bot.playground.sessions import Intents
from bot.playground.state import (
    Channel,
    CommandType,
    Interaction,
    InteractionType,
    Json,
    Message,
    MessageFlags,
    State,
    User,
)

Uploads = Mapping[str, Upload]

SETTABLE = MessageFlags.SUPPRESS_EMBEDS | MessageFlags.SUPPRESS_NOTIFICATIONS | MessageFlags.COMPONENTS_V2
NONCE_S = 300.0  # "the past few minutes"


class MessageType(IntEnum):
    DEFAULT = 0
    REPLY = 19
    CHAT_INPUT_COMMAND = 20
    CONTEXT_MENU_COMMAND = 23


class Messages:
    """The only writer of messages. Nothing is stored where a rule says no."""

    def __init__(self, *, state: State, cdn: Cdn, publish: Publish) -> None:
        self._state = state
        self._cdn = cdn
        self._publish = publish

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
        at: tuple[str | int, ...] = (),
    ) -> Message:
        """Post a message. `act` is the interaction that it answers, `reference` the message that it replies to.

        Raises DiscordError: 50035, 50006, 30015, 40005.
        """
        parsed = read(MessageBody, body, at=at)
        reference = str(parsed.message_reference.message_id) if parsed.message_reference else reference
        message = Message(self._blank(author, channel, flags), author)
        if flags & MessageFlags.EPHEMERAL and act:
            message.seen_by = act.user
        if act:
            message.body |= self._answering(act)
        if reference:
            message.body |= self._replying(reference, channel)
        if parsed.nonce is not None:
            message.body["nonce"] = body["nonce"]
        self._apply(message, body, parsed, uploads, flags=flags, at=at)
        self._state.messages[message.id] = message
        self.tell("MESSAGE_CREATE", message)
        return message

    def edit(self, message: Message, body: Any, uploads: Uploads, at: tuple[str | int, ...] = ()) -> Message:
        """Change what the body names and leave the rest. Ends the loading state. Raises as `create`."""
        flags = message.body["flags"] & ~MessageFlags.LOADING
        self._apply(message, body, read(MessageBody, body, at=at), uploads, flags=flags, at=at)
        message.body["edited_timestamp"] = self._state.clock.timestamp()
        self.tell("MESSAGE_UPDATE", message)
        return message

    def delete(self, message: Message) -> None:
        del self._state.messages[message.id]
        self.tell("MESSAGE_DELETE", message)

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
        if message.seen_by:
            return
        channel = self._state.channels[message.channel_id]
        intent = Intents.DIRECT_MESSAGES if channel.recipient else Intents.GUILD_MESSAGES
        data = dict(message.body)
        if event == "MESSAGE_DELETE":
            data = {"id": message.id, "channel_id": channel.id}
        elif event == "MESSAGE_CREATE" and not channel.recipient:
            data["member"] = {**shapes.partial_member(), "deaf": False, "mute": False}
        if not channel.recipient:
            data["guild_id"] = self._state.guild_id
        self._publish(event, data, intent)

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
            "authorizing_integration_owners": shapes.installation(act, self._state),
        }
        if act.type is InteractionType.COMPONENT and act.message:
            metadata["interacted_message_id"] = act.message.id
        if act.type is InteractionType.MODAL and act.parent:
            metadata["triggering_interaction_metadata"] = self._metadata(act.parent)
        return metadata

    def _replying(self, message_id: str, channel: Channel) -> Json:
        """Raises DiscordError 50035 where the message to reply to does not exist in this channel."""
        target = self._state.messages.get(message_id)
        if not target or target.channel_id != channel.id:
            code, said = "MESSAGE_REFERENCE_UNKNOWN_MESSAGE", "Unknown message"
            raise errors.invalid_form([errors.FieldError(("message_reference",), code, said)])
        reference = {"type": 0, "channel_id": channel.id, "message_id": message_id}
        if not channel.recipient:
            reference["guild_id"] = self._state.guild_id
        return {"type": int(MessageType.REPLY), "message_reference": reference}

    def _apply(
        self,
        message: Message,
        sent: Json,
        parsed: MessageBody,
        uploads: Uploads,
        *,
        flags: int,
        at: tuple[str | int, ...],
    ) -> None:
        """Check everything, then put the body into the message. `flags` are those that it has anyway."""
        flags |= (parsed.flags or 0) & SETTABLE
        rules.check_files(uploads)
        rules.check_message(parsed, flags=flags, at=at)
        sent = self._cdn.unsigned(sent)
        attachments = self._attachments(message, sent, uploads, at)
        rules.check_attachments(len(attachments))
        body = {**message.body, "flags": int(flags)}
        for name, empty in (("content", ""), ("embeds", []), ("components", [])):
            if name in sent:
                body[name] = sent[name] or empty
        echo = Echo(attachments, self._state.snowflakes)
        body["components"] = echo.components(body["components"])
        shown_in_components, echo.used = echo.used, set()
        body["embeds"] = echo.embeds(body["embeds"])
        hidden = _in_embeds(body["embeds"], attachments) - shown_in_components
        body["attachments"] = [each for each in attachments if each["id"] not in hidden]
        if parsed.poll:
            body["poll"] = self._poll(sent["poll"])
        if "content" in sent:
            body |= self._mentions(body["content"], parsed, webhook="webhook_id" in body)
        filled = [body["content"], body["embeds"], attachments, body["components"], body.get("poll")]
        if not any(filled) and not flags & MessageFlags.LOADING:
            raise errors.empty_message()
        message.body, message.attachments = body, attachments

    def _attachments(
        self, message: Message, sent: Json, uploads: Uploads, at: tuple[str | int, ...]
    ) -> list[Json]:
        """The list names all that stay: kept ones by their id, new ones by the n of files[n]."""
        kept = {each["id"]: each for each in message.attachments}
        listed = sent.get("attachments")
        if listed is None:
            listed = [{"id": id} for id in (*kept, *uploads)]
        rules.check_attachments(len(listed))
        attachments: list[Json] = []
        for index, entry in enumerate(listed):
            id = str(entry["id"])
            if id in kept:
                attachment = kept[id]
            elif id in uploads:
                attachment = self._store(message, uploads[id])
            else:
                place = (*at, "attachments", index, "id")
                said = "Attachment not found"
                raise errors.invalid_form([errors.FieldError(place, "ATTACHMENT_NOT_FOUND", said)])
            described = {"description": entry["description"]} if entry.get("description") else {}
            attachments.append({**attachment, **described})
        return attachments

    def _store(self, message: Message, upload: Upload) -> Json:
        ephemeral = bool(message.body["flags"] & MessageFlags.EPHEMERAL)
        return self._cdn.store(self._state.snowflakes.next(), message.channel_id, upload, ephemeral=ephemeral)

    def _mentions(self, content: str, parsed: MessageBody, *, webhook: bool) -> Json:
        """Who is pinged. Without a word from the bot: users always, everyone only in plain messages."""
        allowed = parsed.allowed_mentions
        kinds = ["users"] if webhook else ["users", "roles", "everyone"]
        ids: list[str] = []
        if allowed:
            kinds = [*(allowed.parse or [])]
            ids = [str(id) for id in allowed.users or []]
        pinged = [each for each in self._state.mentioned(content) if "users" in kinds or each.id in ids]
        called = "@everyone" in content or "@here" in content
        return {
            "mentions": [shapes.user(each) for each in pinged],
            "mention_everyone": "everyone" in kinds and called,
        }

    def _poll(self, poll: Json) -> Json:
        answers = [
            {"answer_id": number, "poll_media": answer["poll_media"]}
            for number, answer in enumerate(poll["answers"], 1)
        ]
        return {
            "question": poll["question"],
            "answers": answers,
            "allow_multiselect": bool(poll.get("allow_multiselect")),
            "layout_type": 1,
            "expiry": self._state.clock.timestamp(),
            "results": {"answer_counts": [], "is_finalized": False},
        }


def _in_embeds(embeds: list[Json], attachments: list[Json]) -> set[str]:
    """Ids of the attachments that an embed shows: Discord does not list them a second time."""
    shown = {embed[name]["url"] for embed in embeds for name in ("image", "thumbnail") if embed.get(name)}
    return {each["id"] for each in attachments if each["url"] in shown}
