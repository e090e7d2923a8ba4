"""What a person can do in the playground, as Discord's client lets them."""

from collections.abc import Mapping
from typing import Any

from bot.playground import shapes
from bot.playground.cdn import Cdn, Upload
from bot.playground.errors import NotPossible
from bot.playground.forms import chosen, component_of, submitted
from bot.playground.interactions import ACKNOWLEDGE_S, Callback, Interactions
from bot.playground.messages import Messages
from bot.playground.options import Filled, Resolved, command_data, find_command
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

Files = Mapping[str, Upload]


class Person:
    """One person in one channel. Every method raises NotPossible with a sentence where Discord's client would not act.

    With `unchecked` it acts all the same: a test may send what no client would.
    """

    def __init__(
        self,
        user: User,
        channel: Channel,
        *,
        state: State,
        cdn: Cdn,
        messages: Messages,
        interactions: Interactions,
        unchecked: bool = False,
    ) -> None:
        self.user = user
        self.channel = channel
        self._state = state
        self._cdn = cdn
        self._messages = messages
        self._interactions = interactions
        self._unchecked = unchecked

    def commands(self) -> list[Json]:
        """The commands that the client offers here."""
        return [command for command in self._state.commands.values() if not self._hidden(command)]

    def _hidden(self, command: Json) -> str | None:
        """Why the client does not offer this command here; None where it does."""
        if command["nsfw"] and not (self.channel.nsfw or self.channel.recipient):
            return f"{command['name']} works only in age-restricted channels."
        contexts = command["contexts"]
        allowed = contexts is None or (1 if self.channel.recipient else 0) in contexts
        if self.channel.recipient and ("guild_id" in command or not command["dm_permission"]):
            allowed = False
        return None if allowed else f"{command['name']} is not available in {self.channel.name}."

    def _command(self, typed: str, type: CommandType = CommandType.SLASH) -> tuple[Json, list[Json]]:
        command, steps = find_command(self._state.commands, typed, type)
        hidden = self._hidden(command)
        if hidden and not self._unchecked:
            raise NotPossible(hidden)
        return command, steps

    def slash(self, typed: str, values: Mapping[str, Any], files: Files) -> Interaction:
        """Send a slash command: `typed` is its name, with the subcommand where it has some."""
        filled = Filled(values=values, files=files, user=self.user, unchecked=self._unchecked)
        data = command_data(*self._command(typed), filled, self._resolved())
        return self._begin(InteractionType.COMMAND, data)

    def autocomplete(self, typed: str, values: Mapping[str, Any], focused: str) -> Interaction:
        """Ask for suggestions while typing into the option `focused`."""
        filled = Filled(values=values, files={}, user=self.user, focused=focused, unchecked=self._unchecked)
        data = command_data(*self._command(typed), filled, self._resolved())
        return self._begin(InteractionType.AUTOCOMPLETE, data)

    def use_on_message(self, name: str, message_id: str) -> Interaction:
        """A message's context menu."""
        command, _ = self._command(name, CommandType.MESSAGE)
        message = self.message(message_id)
        target = {"target_id": message.id, "resolved": {"messages": {message.id: message.body}}}
        return self._begin(InteractionType.COMMAND, _menu_data(command, target))

    def use_on_user(self, name: str, who: str) -> Interaction:
        """A person's context menu."""
        command, _ = self._command(name, CommandType.USER)
        person = self._state.user(who)
        if not person:
            raise NotPossible(f"There is nobody called {who!r} here.")
        resolved = self._resolved()
        target = {"target_id": resolved.user(person), "resolved": resolved.objects}
        return self._begin(InteractionType.COMMAND, _menu_data(command, target))

    def press(self, message_id: str, custom_id: str) -> Interaction:
        message = self.message(message_id)
        component = component_of(message, custom_id, unchecked=self._unchecked)
        if component["type"] != 2 and not self._unchecked:
            raise NotPossible(f"{custom_id} is not a button.")
        return self._use(message, component, {})

    def choose(self, message_id: str, custom_id: str, values: list[str]) -> Interaction:
        message = self.message(message_id)
        component = component_of(message, custom_id, unchecked=self._unchecked)
        if component["type"] not in (3, 5, 6, 7, 8) and not self._unchecked:
            raise NotPossible(f"{custom_id} is not a select menu.")
        resolved = self._resolved()
        values = chosen(component, values, self.user, resolved, unchecked=self._unchecked)
        found = {"resolved": resolved.objects} if resolved.objects else {}
        return self._use(message, component, {"values": values, **found})

    def submit(self, interaction_id: str, values: Mapping[str, Any], files: Files) -> Interaction:
        """Send the form that `interaction_id` opened."""
        opener = self.interaction(interaction_id)
        if not opener.modal or (opener.modal_submitted and not self._unchecked):
            raise NotPossible("There is no open form to send.")
        resolved = self._resolved()
        sent = submitted(opener.modal, values, files, self.user, resolved, unchecked=self._unchecked)
        data: Json = {"custom_id": opener.modal["custom_id"], "components": sent}
        if resolved.objects:
            data["resolved"] = resolved.objects
        opener.modal_submitted = True
        return self._begin(InteractionType.MODAL, data, message=opener.message, parent=opener)

    def say(self, content: str, files: Files) -> Message:
        """An ordinary message. Raises DiscordError where Discord refuses it."""
        return self._messages.create(
            {"content": content}, dict(files), author=self.user, channel=self.channel
        )

    def message(self, message_id: str) -> Message:
        message = self._state.messages.get(message_id)
        if not message or message.channel_id != self.channel.id or message.seen_by not in (None, self.user):
            raise NotPossible(f"{self.user.name} sees no message {message_id} in {self.channel.name}.")
        return message

    def interaction(self, interaction_id: str) -> Interaction:
        for act in self._state.interactions.values():
            if act.id == interaction_id and act.user == self.user:
                return act
        raise NotPossible(f"{self.user.name} has no interaction {interaction_id}.")

    def sees(self) -> list[Json]:
        """The channel's messages, oldest first, private ones of this person included."""
        return [self._messages.for_bot(each) for each in self._state.visible(self.channel, self.user)]

    def _resolved(self) -> Resolved:
        return Resolved(self._state, self._cdn, self.channel)

    def _use(self, message: Message, component: Json, more: Json) -> Interaction:
        if message.body["flags"] & MessageFlags.LOADING and not self._unchecked:
            raise NotPossible("This message is still loading.")
        data = {
            "custom_id": component["custom_id"],
            "component_type": component["type"],
            "id": component["id"],
        }
        return self._begin(InteractionType.COMPONENT, {**data, **more}, message=message)

    def _begin(
        self,
        type: InteractionType,
        data: Json,
        *,
        message: Message | None = None,
        parent: Interaction | None = None,
    ) -> Interaction:
        return self._interactions.begin(
            type, user=self.user, channel=self.channel, data=data, message=message, parent=parent
        )


def _menu_data(command: Json, target: Json) -> Json:
    data = {"id": command["id"], "name": command["name"], "type": command["type"], **target}
    return data | ({"guild_id": command["guild_id"]} if "guild_id" in command else {})


def describe(act: Interaction, state: State) -> Json:
    """An interaction as a person sees it.

    `state` is waiting, thinking, answered, form, choices, or failed: nothing came within 3 seconds.
    Times are seconds since 1970. `first_edit_at` is the first edit of the reply by its token.
    """
    return {
        "id": act.id,
        "type": int(act.type),
        "user": act.user.name,
        "channel": act.channel.name,
        "state": _state(act, state),
        "created_at": act.created_at,
        "acknowledged_at": act.acknowledged_at,
        "first_edit_at": act.edited_at[0] if act.edited_at else None,
        "last_edit_at": act.edited_at[-1] if act.edited_at else None,
        "edits": len(act.edited_at),
        "message_id": act.reply_id if act.reply_id in state.messages else None,
        "followup_ids": [id for id in act.followup_ids if id in state.messages],
        "modal": act.modal,
        "choices": act.choices,
    }


def _state(act: Interaction, state: State) -> str:
    if not act.callback:
        late = state.clock.now() - act.created_at > ACKNOWLEDGE_S
        return "failed" if late else "waiting"
    if act.callback in (Callback.MODAL, Callback.CHOICES):
        return "form" if act.callback == Callback.MODAL else "choices"
    reply = state.messages.get(act.reply_id or "")
    return "thinking" if reply and reply.body["flags"] & MessageFlags.LOADING else "answered"


def world(state: State, *, sessions: int) -> Json:
    """Who and what is there."""
    return {
        "changes": state.changes.count,
        "now": state.clock.now(),
        "sessions": sessions,
        "application": shapes.user(state.bot),
        "guild_id": state.guild_id,
        "people": [shapes.user(person) for person in state.people.values()],
        "channels": [
            {"id": each.id, "name": each.name, "type": int(each.type), "nsfw": each.nsfw}
            for each in state.channels.values()
        ],
    }
