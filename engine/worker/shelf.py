"""The models that the worker holds in memory, each with its step loop: one at work, others as far as there is room."""

import gc
import logging
from collections import OrderedDict
from collections.abc import Callable, Generator, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from engine.errors import Refusal
from engine.models.loading import StableDiffusion
from engine.models.pipeline_loading import LoadedPipeline
from engine.models.vae import Vae
from engine.worker.cap_book import CapBook
from engine.worker.device import free_memory, is_out_of_memory
from engine.worker.picture import Picture
from engine.worker.pipeline_loop import PipelineLoop
from engine.worker.pixels import Pixels
from engine.worker.policy import MemoryPolicy
from engine.worker.room import Room
from engine.worker.step_loop import StepLoop, Tick

Model = StableDiffusion | LoadedPipeline


class Loop(Protocol):
    """What takes images of one model and draws them step by step; `model` is what was loaded."""

    model: Any

    @property
    def images(self) -> Sequence[Picture]: ...
    @property
    def bytes(self) -> int: ...
    @property
    def on_device(self) -> bool: ...
    def enter(self) -> None: ...
    def park(self) -> None: ...
    def join(self, image: Any, owner: str = "") -> None: ...
    def leave(self, job_id: str) -> None: ...
    def tick(self) -> Tick: ...
    def probe(self) -> bool: ...
    def decode(self, image: Any, vae: Vae | None = None) -> Generator[None, None, Pixels]: ...
    def notices(self, image: Any) -> tuple[str, ...]: ...


log = logging.getLogger(__name__)

RESIDENT_SHARE = 2  # models may lie in a half of the device's memory: the other is to work in


@dataclass(frozen=True)
class _Held:
    loop: Loop
    bytes: int
    stamp: Hashable


class Shelf:
    """`load` gives the networks of a model by name and may raise ModelBroken."""

    def __init__(
        self, *, load: Callable[[str], Model], caps: CapBook, policy: MemoryPolicy | None = None
    ) -> None:
        self._load = load
        self._caps = caps
        self._policy = policy or MemoryPolicy()
        self._held: OrderedDict[str, _Held] = OrderedDict()  # the least recently used first
        self.loop: Loop | None = None

    def holds(self, model: str) -> bool:
        """Whether a model's step loop is here already."""
        return model in self._held

    def loop_of(self, model: str) -> Loop:
        """The step loop of a model, loaded if it is not here. The front sends one model at a time."""
        if model in self._held and self.loop is self._held[model].loop:
            return self.loop
        self.loop = None
        if model not in self._held:
            self._take_in(model)
        self._held.move_to_end(model)
        self._clear_the_device(model)
        loop = self._held[model].loop
        loop.enter()
        self.loop = loop
        return loop

    def drop_changed(self) -> None:
        """Forget models whose files are not what was loaded. Only while nothing is drawn."""
        for name in [name for name, held in self._held.items() if self._stamp(name) != held.stamp]:
            log.info("model %s changed on the disk", name)
            self._drop(name)

    def park(self) -> None:
        """Move every model out of the device; the one at work comes back with its next step."""
        for held in self._held.values():
            if held.loop.on_device:
                held.loop.park()

    def clear(self) -> None:
        """Forget every model. Only while nothing is drawn."""
        for name in list(self._held):
            self._drop(name)
        self._policy.rested()

    def _take_in(self, model: str) -> None:
        stamp = self._stamp(model)
        self._make_room(0 if not self._held else max(held.bytes for held in self._held.values()))
        try:
            networks = self._load(model)
        except Exception as error:
            if not is_out_of_memory(error) or not self._held:
                raise
            networks = None
        if networks is None:  # outside of the `except`, which would keep what was half loaded
            self.clear()
            networks = self._load(model)
        loop = self._loop_for(networks)
        self._make_room(loop.bytes)
        self._held[model] = _Held(loop, loop.bytes, stamp)

    def _loop_for(self, model: Model) -> Loop:
        if isinstance(model, LoadedPipeline):
            return PipelineLoop(model=model)
        return StepLoop(model=model, cap=self._caps.cap(model.hash), room=Room(model, self._policy))

    def _make_room(self, needed: int) -> None:
        """Drop the least recently used, until `needed` bytes and the rest are within the cache's size."""
        while self._held and needed + sum(held.bytes for held in self._held.values()) > self._policy.cache:
            self._drop(next(iter(self._held)))

    def _clear_the_device(self, model: str) -> None:
        """Move others out into the host's memory, where they and `model` would leave too little to work with."""
        device = self._policy.device
        within = 0 if device is None else device.bytes // RESIDENT_SHARE
        taken = self._held[model].bytes
        for name, held in reversed(self._held.items()):
            if name == model or not held.loop.on_device:
                continue
            taken += held.bytes
            if taken > within:
                held.loop.park()

    def _drop(self, name: str) -> None:
        loop = self._held.pop(name).loop
        if self.loop is loop:
            self.loop = None
        place = loop.model.device.place
        del loop
        gc.collect()  # networks and their hooks refer to each other
        free_memory(place)

    def _stamp(self, name: str) -> Hashable:
        try:
            return self._policy.stamp(name)
        except (Refusal, OSError):
            return None  # it is not there any more
