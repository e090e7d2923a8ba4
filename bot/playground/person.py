"""What a person can do in the playground, as Discord's client lets them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.playground.availability import owners, refusal, registered
from bot.playground.cdn import Cdn, Upload
from bot.playground.errors import NotPossible
from bot.playground.forms import chosen, component_of, submitted
from bot.playground.guilds import Channel, User
from bot.playground.interactions import ACKNOWLEDGE_S, Callback, Interactions
from bot.playground.messages import Messages
from bot.playground.options import Filled, Resolved, command_data, find_command
from bot.playground.permissions import Permissions
from bot.playground.pins import Pins
from bot.playground.poll_shapes import counts
from bot.playground.polls import Polls
from bot.playground.reactions import Reactions, counted
from bot.playground.state import CommandType, Interaction, InteractionType, Json, Message, MessageFlags, State
from bot.playground.threads import Threads

Files = Mapping[str, Upload]


@dataclass(frozen=True, kw_only=True)
class Venue:
    """The parts of the playground that a person acts on."""

    state: State
    cdn: Cdn
    messages: Messages
    interactions: Interactions
    threads: Threads
    reactions: Reactions
    pins: Pins
    polls: Polls


class Person:
    """One person in one channel. Every method raises NotPossible with a sentence where Discord's client would not act.

    With `unchecked` it acts all the same: a test may send what no client would.
    """

    def __init__(self, user: User, channel: Channel, *, venue: Venue, unchecked: bool = False) -> None:
        self.user = user
        self.channel = channel
        self._venue = venue
        self._unchecked = unchecked

    def commands(self) -> list[Json]:
        """The commands that the client offers here."""
        known = registered(self.channel, self._venue.state).values()
        return [command for command in known if not self._refusal(command)]

    def _refusal(self, command: Json) -> str | None:
        return refusal(command, self.user, self.channel, self._venue.state)

    def _command(self, typed: str, type: CommandType = CommandType.SLASH) -> tuple[Json, list[Json]]:
        command, steps = find_command(registered(self.channel, self._venue.state), typed, type)
        hidden = self._refusal(command)
        if hidden and not self._unchecked:
            raise NotPossible(hidden)
        return command, steps

    def slash(self, typed: str, values: Mapping[str, Any], files: Files) -> Interaction:
        """Send a slash command: `typed` is its name, with the subcommand where it has some."""
        command, steps = self._command(typed)
        filled = Filled(values=values, files=files, user=self.user, unchecked=self._unchecked)
        return self._use_command(command, command_data(command, steps, filled, self._resolved()))

    def autocomplete(self, typed: str, values: Mapping[str, Any], focused: str) -> Interaction:
        """Ask for suggestions while typing into the option `focused`."""
        command, steps = self._command(typed)
        filled = Filled(values=values, files={}, user=self.user, focused=focused, unchecked=self._unchecked)
        data = command_data(command, steps, filled, self._resolved())
        return self._use_command(command, data, InteractionType.AUTOCOMPLETE)

    def use_on_message(self, name: str, message_id: str) -> Interaction:
        """A message's context menu."""
        command, _ = self._command(name, CommandType.MESSAGE)
        message = self.message(message_id)
        target = {"target_id": message.id, "resolved": {"messages": {message.id: message.body}}}
        return self._use_command(command, _menu_data(command, target))

    def use_on_user(self, name: str, who: str) -> Interaction:
        """A person's context menu."""
        command, _ = self._command(name, CommandType.USER)
        person = self._venue.state.user(who)
        if not person:
            raise NotPossible(f"There is nobody called {who!r} here.")
        resolved = self._resolved()
        target = {"target_id": resolved.user(person), "resolved": resolved.objects}
        return self._use_command(command, _menu_data(command, target))

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
        return self._begin(
            InteractionType.MODAL, data, owners=opener.owners, message=opener.message, parent=opener
        )

    def say(self, content: str, files: Files) -> Message:
        """An ordinary message. Raises DiscordError where Discord refuses it."""
        self._need(self.channel.sending, "send messages")
        if files:
            self._need(Permissions.ATTACH_FILES, "attach files")
        if self.channel.thread and self.channel.thread.locked:
            self._need(Permissions.MANAGE_THREADS, "write after it was locked")
        self._venue.threads.open(self.channel)
        return self._venue.messages.create(
            {"content": content}, dict(files), author=self.user, channel=self.channel
        )

    def react(self, message_id: str, emoji: str, *, remove: bool = False) -> None:
        """Add a reaction, or take the own one back. Raises DiscordError."""
        message = self.message(message_id)
        if remove:
            self._venue.reactions.remove(self.channel, message, self.user, emoji)
            return
        if emoji not in message.reactions:
            self._need(Permissions.ADD_REACTIONS, "add reactions")
        self._venue.reactions.add(self.channel, message, self.user, emoji)

    def pin(self, message_id: str, *, remove: bool = False) -> None:
        """Pin a message, or unpin it. Raises DiscordError."""
        message = self.message(message_id)
        self._need(Permissions.PIN_MESSAGES, "pin messages")
        if remove:
            self._venue.pins.unpin(self.channel, message)
        else:
            self._venue.pins.pin(self.channel, message, self.user)

    def delete(self, message_id: str) -> None:
        """Delete an own message, or with the permission for it another one; dismiss a private one."""
        message = self.message(message_id)
        if message.author != self.user and not message.seen_by:
            self._need(Permissions.MANAGE_MESSAGES, "delete messages of others")
        self._venue.messages.delete(message)

    def vote(self, message_id: str, answers: Sequence[int]) -> None:
        """Vote in a poll: the whole choice, in place of an earlier one."""
        self._venue.polls.vote(self.user, self.message(message_id), answers)

    def start_thread(self, name: str, message_id: str | None, *, private: bool = False) -> Channel:
        """At a message, or without one. Raises DiscordError."""
        if private:
            self._need(Permissions.CREATE_PRIVATE_THREADS, "start private threads")
        else:
            self._need(Permissions.CREATE_PUBLIC_THREADS, "start threads")
        message = self.message(message_id) if message_id else None
        return self._venue.threads.start(self.channel, self.user, name, message=message, private=private)

    def message(self, message_id: str) -> Message:
        message = self._venue.state.messages.get(message_id)
        if not message or message.channel_id != self.channel.id or message.seen_by not in (None, self.user):
            raise NotPossible(f"{self.user.name} sees no message {message_id} in {self.channel.name}.")
        return message

    def interaction(self, interaction_id: str) -> Interaction:
        for act in self._venue.state.interactions.values():
            if act.id == interaction_id and act.user == self.user:
                return act
        raise NotPossible(f"{self.user.name} has no interaction {interaction_id}.")

    def sees(self) -> list[Json]:
        """The channel's messages, oldest first, private ones of this person included."""
        return [self.shown(each) for each in self._venue.state.visible(self.channel, self.user)]

    def shown(self, message: Message) -> Json:
        """A message as this person sees it: `me` in its reactions, `me_voted` in its poll are about them."""
        shown = self._venue.messages.for_bot(message)
        if message.reactions:
            shown["reactions"] = counted(message, self.user)
        if "poll" in shown:
            shown["poll"]["results"]["answer_counts"] = counts(message, self.user)
        return shown

    def _need(self, permission: Permissions, to: str) -> None:
        if permission not in self.channel.permissions(self.user) and not self._unchecked:
            raise NotPossible(f"{self.user.name} may not {to} in {self.channel.name}.")

    def _resolved(self) -> Resolved:
        return Resolved(self._venue.state, self._venue.cdn, self.channel)

    def _use(self, message: Message, component: Json, more: Json) -> Interaction:
        if message.body["flags"] & MessageFlags.LOADING and not self._unchecked:
            raise NotPossible("This message is still loading.")
        data = {
            "custom_id": component["custom_id"],
            "component_type": component["type"],
            "id": component["id"],
        }
        asked = message.body.get("interaction_metadata")
        by = (
            asked["authorizing_integration_owners"]
            if asked
            else owners(None, self.user, self.channel, self._venue.state)
        )
        return self._begin(InteractionType.COMPONENT, {**data, **more}, owners=by, message=message)

    def _use_command(
        self, command: Json, data: Json, type: InteractionType = InteractionType.COMMAND
    ) -> Interaction:
        by = owners(command, self.user, self.channel, self._venue.state)
        return self._begin(type, data, owners=by)

    def _begin(
        self,
        type: InteractionType,
        data: Json,
        *,
        owners: dict[str, str],
        message: Message | None = None,
        parent: Interaction | None = None,
    ) -> Interaction:
        return self._venue.interactions.begin(
            type,
            user=self.user,
            channel=self.channel,
            data=data,
            owners=owners,
            message=message,
            parent=parent,
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
