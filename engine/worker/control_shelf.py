"""The controls that the worker holds in memory."""

from collections import OrderedDict
from collections.abc import Callable

from engine.errors import Refusal
from engine.models.control_loading import ControlNetwork
from engine.wire import MAX_CONTROLS
from engine.worker.device import is_out_of_memory


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
            try:
                self._held[name] = self._load(name)
            except Exception as error:
                if is_out_of_memory(error):  # a next try may have the memory of all others
                    self._held.clear()
                raise
        self._held.move_to_end(name)
        return self._held[name]

    @property
    def bytes(self) -> int:
        """What the controls take on the device."""
        return sum(control.bytes for control in self._held.values())
