"""What OpenVINO compiled, of all networks together, within a part of the machine's memory."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, Final

FEWEST: Final = 2  # with guidance and without it: one alone would be converted again at every picture

Key = tuple[int, Hashable]  # the network's number, and the shapes of what it is given


class OpenVinoShapes:
    """At most `memory` bytes, or two; the one that ran longest ago goes first."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._held: OrderedDict[Key, tuple[Any, int]] = OrderedDict()  # the one that ran last is the last
        self._networks = 0

    @property
    def bytes(self) -> int:
        """What all of them take, about."""
        return sum(size for _, size in list(self._held.values()))  # a network may go in any thread

    def new_network(self) -> int:
        """A number for one more network."""
        self._networks += 1
        return self._networks

    def get(self, key: Key) -> Any | None:
        """What was compiled; None where it was not, or has gone since."""
        if key not in self._held:
            return None
        self._held.move_to_end(key)
        return self._held[key][0]

    def make_room(self, size: int) -> None:
        """For one more of `size` bytes."""
        while len(self._held) >= FEWEST and self.bytes + size > self._memory:
            self._held.popitem(last=False)

    def add(self, key: Key, compiled: Any, size: int) -> None:
        self._held[key] = compiled, size

    def clear(self) -> bool:
        """Memory ran out: all of them go. False where there was none."""
        had = bool(self._held)
        self._held.clear()
        return had

    def forget(self, network: int) -> None:
        """The network is gone."""
        for key in [key for key in list(self._held) if key[0] == network]:
            self._held.pop(key, None)
