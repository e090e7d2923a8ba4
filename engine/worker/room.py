"""The memory that the work of one loaded model may take: the rungs that each size stands on, and the work itself."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from engine.memory import Plan
from engine.models.loading import StableDiffusion
from engine.worker.device import free_memory, is_out_of_memory
from engine.worker.ladder import NONE, Rung, Rungs, Work, next_rung, notice
from engine.worker.placement import Placement, Size
from engine.worker.policy import MemoryPolicy

log = logging.getLogger(__name__)

Result = TypeVar("Result")
ANY: Size = (0, 0)  # of loading, which no size decides


class Room:
    """Room for one model. It begins where the policy's plan, or an earlier job of the same size, left the ladder."""

    def __init__(self, model: StableDiffusion, policy: MemoryPolicy | None = None) -> None:
        self._model = model
        self._policy = policy or MemoryPolicy()
        self._placement = Placement(model)
        self._taken: dict[Size, Rungs] = {}
        self._plans: dict[tuple[Size, int], Plan] = {}

    def rungs(self, size: Size) -> Rungs:
        """What work for pictures of this size stands on."""
        if size not in self._taken:
            self._taken[size] = self._policy.kept.of(self._model.hash, size)
        return self._plan(size).rungs | self._taken[size] | self._taken.get(ANY, NONE)

    def rows(self, size: Size) -> int | None:
        """Rows of one forward pass at this size, as planned; None: no plan."""
        return self._plan(size).rows

    def _plan(self, size: Size) -> Plan:
        """Made anew whenever something else, such as a control, takes memory or gives it back."""
        known = size, self._policy.taken
        if known not in self._plans:
            self._plans[known] = self._policy.plan(self._model, size)
        return self._plans[known]

    def run(self, size: Size, work: Work, do: Callable[[], Result], *, vae: Any = None) -> Result:
        """What `do` returns, which may be run again, from the beginning, on a lower rung.

        `vae` is the autoencoder that it works with; None: the model's own.
        Raises what it raises; torch.OutOfMemoryError, or its like, once there is no rung left.
        """
        while True:
            try:
                self.settle(size, work, vae)
                return do()
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                exhausted = error.with_traceback(None)  # the traceback would keep the memory alive
            if not self.step_down(size, work):
                raise exhausted

    def enter(self) -> None:
        """Move in from the host's memory. Raises torch.OutOfMemoryError, or its like, where even that does not fit."""
        self.run(ANY, Work.LOAD, lambda: None)

    def leave(self) -> None:
        """Give the device's memory back."""
        self._placement.park()
        free_memory(self._model.device.place)

    @property
    def on_device(self) -> bool:
        return self._placement.on_device

    def settle(self, size: Size, work: Work, vae: Any = None) -> None:
        """Be ready for such work. May run out of memory itself."""
        rungs = self.rungs(size)
        self._placement.settle(rungs)
        if work is Work.VAE:
            self._placement.tile(vae or self._model.vae, size, on=Rung.TILES in rungs)

    def step_down(self, size: Size, work: Work) -> bool:
        """After an out-of-memory, outside of its `except`: one rung further. False where there is none left."""
        self.exhausted()
        rung = next_rung(self.rungs(size), work, self._policy.rungs)
        if rung is None:
            return False
        log.warning("%s did not fit into memory at %d × %d: %s from now on", work, *size, rung)
        self._taken[size] = self.rungs(size) | {rung}
        self._policy.kept.note(self._model.hash, size, self._taken[size])
        return True

    def exhausted(self) -> None:
        """Something did not fit: give back what is cached. Call it outside of the `except`."""
        free_memory(self._model.device.place)
        self._policy.exhausted()

    def notices(self, size: Size) -> tuple[str, ...]:
        """What a person is told who gets a picture of this size."""
        said = notice(self.rungs(size))
        return (said,) if said else ()
