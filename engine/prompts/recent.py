"""What was made lately, and need not be made again."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


def one(_: object) -> int:
    """Every value counts the same."""
    return 1


class Recent(Generic[Key, Value]):
    """The values of the keys that were asked for last, as many as weigh `size` at most; the newest always.

    Not `functools.lru_cache`: around a method it would hold its owner, and the owner a text encoder on the device.
    """

    def __init__(self, size: int, weigh: Callable[[Value], int] = one) -> None:
        self._size = size
        self._weigh = weigh
        self._weight = 0
        self._values: OrderedDict[Key, Value] = OrderedDict()

    def values(self) -> list[Value]:
        """Those that are kept now, the oldest first."""
        return list(self._values.values())

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value of a key, made where it is not there. What `make` raises is kept nowhere."""
        if key in self._values:
            self._values.move_to_end(key)
            return self._values[key]
        value = self._values[key] = make()
        self._weight += self._weigh(value)
        while self._weight > self._size and len(self._values) > 1:
            self._weight -= self._weigh(self._values.popitem(last=False)[1])
        return value
