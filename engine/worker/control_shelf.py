"""The controls that the worker holds in memory."""

from collections import OrderedDict
from collections.abc import Callable

from engine.errors import Refusal
from engine.models.control_loading import ControlNetwork
from engine.wire import MAX_CONTROLS


def no_control(name: str) -> ControlNetwork:
    """Where there are no controls."""
    raise Refusal("unknown_control", f"There is no control called '{name}'.", field="controls")


class ControlShelf:
    """As many as one picture may have, those that were used last. `load` gives one by name and may raise Refusal."""

    def __init__(self, *, load: Callable[[str], ControlNetwork], keep: int = MAX_CONTROLS) -> None:
        self._load = load
        self._keep = keep
        self._held: OrderedDict[str, ControlNetwork] = OrderedDict()

    def get(self, name: str) -> ControlNetwork:
        """The control of this name, loaded if it is not here."""
        if name not in self._held:
            while len(self._held) >= self._keep:  # first: one more may not fit
                self._held.popitem(last=False)
            self._held[name] = self._load(name)
        self._held.move_to_end(name)
        return self._held[name]
