"""What one person sees in one channel, told as what has changed since it was told last."""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass

from bot.playground.cdn import LIFETIME_S
from bot.playground.interactions import ACKNOWLEDGE_S
from bot.playground.person import Person, describe
from bot.playground.state import CommandType, Interaction, InteractionType, Json, Message, State
from bot.playground.traffic import Traffic

FOREVER_S = 3600.0
RECENT = 50  # of a person's latest interactions, those that are still shown


@dataclass
class Told:
    """What the page knows about one message: its body, and when the URLs in it were signed."""

    body: Json
    signed_at: float


class View:
    """`person` looks the person up again each time: people and channels can be removed.

    It raises NotPossible, and so does `news`, once the person sees the channel no more.
    """

    def __init__(
        self,
        *,
        state: State,
        traffic: Traffic,
        person: Callable[[], Person],
        world: Callable[[], Json],
    ) -> None:
        self._state = state
        self._traffic = traffic
        self._person = person
        self._world = world
        self._told: dict[str, Told] = {}
        self._shown: dict[str, Json] = {}
        self._interactions: dict[str, Json] = {}
        self._first = True

    def news(self) -> Iterator[tuple[str, Json]]:
        """Events for the page, in this order:

        `world` and `commands` whole, where they changed; `messages` with `upsert` (whole messages), `gone` (ids)
        and `reset` at first; `interactions` of this person here that changed, or (`gone`) are shown no more;
        always `tick`: `now`, and the number of the newest entry of the traffic.
        """
        person = self._person()
        world = self._world()
        now = world.pop("now")
        world.pop("changes", None)
        yield from self._changed("world", {**world, "channel_id": person.channel.id, "you": person.user.id})
        yield from self._changed("commands", {"commands": person.commands()})
        yield from self._message_news(person, now)
        yield from self._interaction_news(person)
        newest = self._traffic.entries[-1].number if self._traffic.entries else 0
        yield "tick", {"now": now, "traffic": newest}
        self._first = False

    def due_in(self) -> float:
        """Seconds until something changes by itself: an interaction that nobody acknowledges fails."""
        waiting: list[float] = [
            each["created_at"] for each in self._interactions.values() if each["state"] == "waiting"
        ]
        if not waiting:
            return FOREVER_S
        return max(min(waiting) + ACKNOWLEDGE_S - self._state.clock.now(), 0.01)

    def _changed(self, event: str, data: Json) -> Iterator[tuple[str, Json]]:
        if self._shown.get(event) != data:
            self._shown[event] = deepcopy(data)
            yield event, data

    def _message_news(self, person: Person, now: float) -> Iterator[tuple[str, Json]]:
        visible = {each.id: each for each in self._state.visible(person.channel, person.user)}
        gone = [id for id in self._told if id not in visible]
        for id in gone:
            del self._told[id]
        fresh = [each for each in visible.values() if self._is_news(each, now)]
        for message in fresh:
            self._told[message.id] = Told(deepcopy(message.body), now)
        if fresh or gone or self._first:
            asked = {act.id: act for act in self._state.interactions.values()} if fresh else {}
            upsert = [_message(person, each, asked) for each in fresh]
            yield "messages", {"reset": self._first, "upsert": upsert, "gone": gone}

    def _is_news(self, message: Message, now: float) -> bool:
        """New, changed, or with links that are about to expire."""
        told = self._told.get(message.id)
        if told is None or told.body != message.body:
            return True
        return now - told.signed_at > LIFETIME_S / 2

    def _interaction_news(self, person: Person) -> Iterator[tuple[str, Json]]:
        mine = [
            act
            for act in self._state.interactions.values()
            if act.user == person.user
            and act.channel.id == person.channel.id
            and act.type is not InteractionType.AUTOCOMPLETE
        ][-RECENT:]
        shapes = {act.id: _interaction(act, self._state) for act in mine}
        upsert = [shape for id, shape in shapes.items() if self._interactions.get(id) != shape]
        gone = [id for id in self._interactions if id not in shapes]
        self._interactions = shapes
        if upsert or gone:
            yield "interactions", {"upsert": upsert, "gone": gone}


def _message(person: Person, message: Message, asked: Mapping[str, Interaction]) -> Json:
    """The message as the person sees it, with the `command` that it answers."""
    shape = person.shown(message)
    act = asked.get(message.body.get("interaction_metadata", {}).get("id"))
    return shape | ({"command": _name(act)} if act and act.type is InteractionType.COMMAND else {})


def _interaction(act: Interaction, state: State) -> Json:
    """As the person API describes it, with what was used: the command, or the component of which message."""
    return {
        **describe(act, state),
        "name": _name(act) if act.type is InteractionType.COMMAND else None,
        "custom_id": act.data.get("custom_id"),
        "source_id": act.message.id if act.message else None,
    }


def _name(act: Interaction) -> str:
    """`/imagine`, or the name of a context menu's command."""
    return f"{'/' * (act.data['type'] == CommandType.SLASH)}{act.data['name']}"
