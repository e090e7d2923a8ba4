"""Interactions: what a person did, the bot's first answer to it, and the messages that follow by its token.

https://discord.com/developers/docs/interactions/receiving-and-responding
"""

import base64
import secrets
from enum import IntEnum
from typing import Any

from bot.playground import errors, rules, shapes
from bot.playground.bodies import CallbackBody, ChoicesBody, ModalBody, read, without_nulls
from bot.playground.command_rules import check_suggestions
from bot.playground.component_rules import check_modal
from bot.playground.components import Echo
from bot.playground.gateway import Publish
from bot.playground.guilds import Channel, User
from bot.playground.messages import Messages
from bot.playground.routing import Answer, Call, Route
from bot.playground.state import (
    Interaction,
    InteractionType,
    Json,
    Message,
    MessageFlags,
    State,
)

ACKNOWLEDGE_S = 3.0  # the first answer has to come within
TOKEN_S = 15 * 60.0  # and everything else
FOLLOW_UPS = 5  # messages by the token, where only the person installed the application


class Callback(IntEnum):
    MESSAGE = 4
    DEFERRED_MESSAGE = 5
    DEFERRED_UPDATE = 6
    UPDATE = 7
    CHOICES = 8
    MODAL = 9


ALLOWED = {
    InteractionType.COMMAND: {4, 5, 9},
    InteractionType.COMPONENT: {4, 5, 6, 7, 9},
    InteractionType.AUTOCOMPLETE: {8},
    InteractionType.MODAL: {4, 5, 6, 7},
}


class Interactions:
    """Begins interactions and takes the bot's answers to them."""

    def __init__(self, *, state: State, messages: Messages, publish: Publish) -> None:
        self._state = state
        self._messages = messages
        self._publish = publish

    def routes(self) -> list[Route]:
        webhook = "/webhooks/{application}/{token}"
        one = f"{webhook}/messages/{{message}}"
        return [
            Route("POST", "/interactions/{id}/{token}/callback", self._callback, open=True),
            Route("POST", webhook, self._follow_up, open=True),
            Route("GET", one, self._get, open=True),
            Route("PATCH", one, self._edit, open=True),
            Route("DELETE", one, self._delete, open=True),
        ]

    def begin(
        self,
        type: InteractionType,
        *,
        user: User,
        channel: Channel,
        data: Json,
        owners: dict[str, str],
        message: Message | None = None,
        parent: Interaction | None = None,
    ) -> Interaction:
        """A person did something: tell the bot. `parent` is the interaction that opened a modal."""
        id = self._state.snowflakes.next()
        token = base64.urlsafe_b64encode(f"interaction:{id}:{secrets.token_urlsafe(48)}".encode()).decode()
        act = Interaction(
            id=id,
            token=token,
            type=type,
            user=user,
            channel=channel,
            data=data,
            created_at=self._state.clock.now(),
            owners=owners,
            message=message,
            parent=parent,
        )
        self._state.interactions[token] = act
        shown = shapes.interaction(act, self._state)
        self._publish("INTERACTION_CREATE", shown | ({"message": message.body} if message else {}))
        return act

    def _callback(self, call: Call) -> Answer:
        act = self._unanswered(call.params["id"], call.params["token"])
        sent = read(CallbackBody, call.body)
        if sent.type not in ALLOWED[act.type]:
            said = f"This type of answer does not fit an interaction of type {int(act.type)}."
            raise errors.invalid_form([errors.FieldError(("type",), "BASE_TYPE_CHOICES", said)])
        message = self._answer(act, Callback(sent.type), call)
        act.callback, act.acknowledged_at = sent.type, self._state.clock.now()
        self._state.changes.bump()
        if call.query.get("with_response", "").lower() not in ("1", "true"):
            return 204, None
        return 200, self._callback_response(act, message)

    def _unanswered(self, id: str, token: str) -> Interaction:
        """Raises DiscordError 10062 for an unknown or late one, 40060 for one already answered."""
        act = self._state.interactions.get(token)
        if not act or act.id != id:
            raise errors.unknown_interaction()
        age = self._state.clock.now() - act.created_at
        if age > (TOKEN_S if act.callback else ACKNOWLEDGE_S):
            raise errors.unknown_interaction()
        if act.callback:
            raise errors.already_acknowledged()
        return act

    def _answer(self, act: Interaction, callback: Callback, call: Call) -> Message | None:
        """Do what the callback says; return the message that it made or changed."""
        data: Any = call.body.get("data") or {}
        match callback:
            case Callback.MESSAGE:
                return self._reply(act, data, call, flags=_ephemeral(act, data))
            case Callback.DEFERRED_MESSAGE:
                rules.check_deferred(data.get("flags"), ("data",))
                act.placeholder = True
                return self._reply(act, {}, call, flags=_ephemeral(act, data) | MessageFlags.LOADING)
            case Callback.DEFERRED_UPDATE:
                act.reply_id = self._source(act).id
            case Callback.UPDATE:
                message = self._messages.edit(self._source(act), data, call.uploads, at=("data",))
                act.reply_id = message.id
                return message
            case Callback.CHOICES:
                check_suggestions(read(ChoicesBody, data, at=("data",)), act.data)
                act.choices = data["choices"]
            case Callback.MODAL:
                check_modal(read(ModalBody, data, at=("data",)), ("data",))
                shown = Echo([], self._state.snowflakes).components(without_nulls(data["components"]))
                act.modal = {**data, "components": shown}
        return None

    def _reply(self, act: Interaction, data: Json, call: Call, *, flags: int) -> Message:
        reference = act.message.id if act.message and act.type is InteractionType.COMPONENT else None
        message = self._messages.create(
            data,
            call.uploads,
            author=self._state.bot,
            channel=act.channel,
            flags=flags,
            act=act,
            reference=reference,
            at=("data",),
        )
        act.reply_id = message.id
        return message

    def _source(self, act: Interaction) -> Message:
        """The message whose component was used. Raises DiscordError where there is none any more."""
        if not act.message or act.message.id not in self._state.messages:
            raise errors.unknown_message()
        return act.message

    def _callback_response(self, act: Interaction, message: Message | None) -> Json:
        about: Json = {"id": act.id, "type": int(act.type)}
        if not message:
            return {"interaction": about}
        flags = message.body["flags"]
        about |= {
            "response_message_id": message.id,
            "response_message_loading": bool(flags & MessageFlags.LOADING),
            "response_message_ephemeral": bool(flags & MessageFlags.EPHEMERAL),
        }
        if act.callback == Callback.DEFERRED_MESSAGE:
            return {"interaction": about}
        resource = {"type": act.callback, "message": self._messages.for_bot(message)}
        return {"interaction": about, "resource": resource}

    def _answered(self, call: Call) -> Interaction:
        """Raises DiscordError: 50027 after 15 minutes, 10015 before the first answer or for an unknown token."""
        act = self._state.interactions.get(call.params["token"])
        if not act or call.params["application"] != self._state.application_id:
            raise errors.unknown_webhook()
        if self._state.clock.now() - act.created_at > TOKEN_S:
            raise errors.invalid_webhook_token()
        if not act.callback:
            raise errors.unknown_webhook()
        return act

    def _follow_up(self, call: Call) -> Answer:
        """A further message. The first one after a deferred answer takes the placeholder's place."""
        act = self._answered(call)
        if act.outside and len(act.followup_ids) >= FOLLOW_UPS:
            raise errors.too_many_follow_ups()
        if act.placeholder and not act.edited_at and act.reply_id in self._state.messages:
            placeholder = self._state.messages[act.reply_id]
            return 200, self._messages.for_bot(self._change(act, placeholder, call))
        message = self._messages.create(
            call.body,
            call.uploads,
            author=self._state.bot,
            channel=act.channel,
            flags=_ephemeral(act, call.body),
            act=act,
            reference=act.reply_id if act.reply_id in self._state.messages else None,
        )
        act.followup_ids.append(message.id)
        return 200, self._messages.for_bot(message)

    def _change(self, act: Interaction, message: Message, call: Call) -> Message:
        self._messages.edit(message, call.body, call.uploads)
        if message.id == act.reply_id:
            act.edited_at.append(self._state.clock.now())
            self._state.changes.bump()
        return message

    def _get(self, call: Call) -> Answer:
        return 200, self._messages.for_bot(self._message(self._answered(call), call))

    def _edit(self, call: Call) -> Answer:
        act = self._answered(call)
        return 200, self._messages.for_bot(self._change(act, self._message(act, call), call))

    def _delete(self, call: Call) -> Answer:
        self._messages.delete(self._message(self._answered(call), call))
        return 204, None

    def _message(self, act: Interaction, call: Call) -> Message:
        """One of the interaction's own messages; `@original` is the first. Raises DiscordError 10008."""
        wanted = call.params["message"]
        wanted = act.reply_id or "" if wanted == "@original" else wanted
        message = self._state.messages.get(wanted)
        if not message or message.id not in (act.reply_id, *act.followup_ids):
            raise errors.unknown_message()
        return message


def _ephemeral(act: Interaction, data: Any) -> int:
    if act.hushed:
        return MessageFlags.EPHEMERAL
    flags = data.get("flags") if isinstance(data, dict) else None
    return flags & MessageFlags.EPHEMERAL if isinstance(flags, int) else 0
