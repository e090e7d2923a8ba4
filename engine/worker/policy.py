"""What the operator allows the worker's models to take of the machine's memory."""

import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from engine import memory
from engine.models.loading import StableDiffusion
from engine.wire import Memory
from engine.worker.kept_rungs import KeptRungs
from engine.worker.ladder import Rung, Rungs
from engine.worker.placement import weights_of

SHORTAGES, WINDOW_S = 10, 600.0  # so many out-of-memories within so long: better begin anew


def _unchanging(name: str) -> Hashable:
    return name


@dataclass(kw_only=True)
class MemoryPolicy:
    """`device` is what the device gives; None: unknown, and nothing is planned. `cache` is in bytes of the host's
    memory, for models that are not in use. After `idle_s` seconds without work every model is dropped; None: never.

    `beside` tell what else than models takes of the device's memory now, in bytes.
    `rungs` of the ladder may be used, and are `kept`. `stamp` of a model changes with its files; it may raise Refusal.
    """

    device: Memory | None = None
    cache: int = 0
    idle_s: float | None = None
    rungs: tuple[Rung, ...] = tuple(rung for rung in Rung if rung is not Rung.CPU)
    kept: KeptRungs = field(default_factory=KeptRungs)
    stamp: Callable[[str], Hashable] = _unchanging
    clock: Callable[[], float] = time.monotonic
    beside: list[Callable[[], int]] = field(default_factory=list)
    _shortages: deque[float] = field(default_factory=lambda: deque(maxlen=SHORTAGES))

    def plan(self, model: StableDiffusion, size: tuple[int, int]) -> memory.Plan:
        """How pictures of this size are begun."""
        if self.device is None or model.low_res_config is not None:  # upscalers work in tiles by themselves
            return memory.Plan()
        left = self.device.model_copy(update={"bytes": self.device.bytes - self.taken})
        found = memory.plan(weights_of(model), size[0] * size[1], left)
        return memory.Plan(rungs=_only(found.rungs, self.rungs), rows=found.rows, needs=found.needs)

    @property
    def taken(self) -> int:
        """Bytes of the device's memory that no model has, and that no plan may count on."""
        return sum(bytes_() for bytes_ in self.beside)

    def exhausted(self) -> None:
        """Something ran out of memory."""
        self._shortages.append(self.clock())

    @property
    def worn_out(self) -> bool:
        """Whether memory was short so often lately that every model had better be dropped."""
        full = len(self._shortages) == SHORTAGES
        return full and self._shortages[-1] - self._shortages[0] <= WINDOW_S

    def rested(self) -> None:
        """Every model was dropped."""
        self._shortages.clear()


def _only(rungs: Rungs, allowed: tuple[Rung, ...]) -> Rungs:
    return frozenset(rung for rung in rungs if rung in allowed)
