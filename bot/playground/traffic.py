"""What went over the wire, kept for inspection: the last thousands of calls and events, in memory only."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from bot.playground.state import Json

KEPT = 5000


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A REST call and its answer. `path` is without /api/v10; `files` holds name, type and size only.

    `status` is None where a fault swallowed the answer.
    """

    number: int
    at: float
    method: str
    path: str
    query: dict[str, str]
    body: Any
    files: dict[str, Json]
    status: int | None
    answer: Any
    kind: str = "exchange"


@dataclass(frozen=True, kw_only=True)
class Event:
    """A gateway payload with op 0 as the bot received it, or (`sent` false) an opcode that the bot sent."""

    number: int
    at: float
    name: str
    data: Any
    sent: bool = True
    kind: str = "event"


class Traffic:
    """A bounded record. `number` grows by one with every entry; `told` is called after each."""

    def __init__(self, told: Callable[[], None] = lambda: None) -> None:
        self._told = told
        self.entries: deque[Exchange | Event] = deque(maxlen=KEPT)
        self._numbers = count(1)

    def exchange(self, **fields: Any) -> None:
        self.entries.append(Exchange(number=next(self._numbers), **fields))
        self._told()

    def event(self, **fields: Any) -> None:
        self.entries.append(Event(number=next(self._numbers), **fields))
        self._told()

    def since(self, number: int) -> list[Exchange | Event]:
        return [entry for entry in self.entries if entry.number > number]
