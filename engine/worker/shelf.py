"""The models that the worker holds in memory, each with its step loop."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from engine.models.loading import StableDiffusion
from engine.models.pipeline_loading import LoadedPipeline
from engine.worker.cap_book import CapBook
from engine.worker.picture import Picture
from engine.worker.pipeline_loop import PipelineLoop
from engine.worker.step_loop import StepLoop, Tick

Model = StableDiffusion | LoadedPipeline


class Loop(Protocol):
    """What takes images of one model and draws them step by step; `model` is what was loaded."""

    model: Any

    @property
    def images(self) -> Sequence[Picture]: ...
    def join(self, image: Any, owner: str = "") -> None: ...
    def leave(self, job_id: str) -> None: ...
    def tick(self) -> Tick: ...
    def probe(self) -> bool: ...


class Shelf:
    """One model at a time. `load` gives the networks of a model by name and may raise ModelBroken."""

    def __init__(self, *, load: Callable[[str], Model], caps: CapBook) -> None:
        self._load = load
        self._caps = caps
        self.loop: Loop | None = None

    def holds(self, model: str) -> bool:
        """Whether a model's step loop is here already."""
        return self.loop is not None and self.loop.model.name == model

    def loop_of(self, model: str) -> Loop:
        """The step loop of a model, loaded if another one is. The front sends one model at a time."""
        if self.loop is None or not self.holds(model):
            self.loop = None  # two models at once may not fit
            loaded = self._load(model)
            self.loop = self._loop_for(loaded)
        return self.loop

    def _loop_for(self, model: Model) -> Loop:
        if isinstance(model, LoadedPipeline):
            return PipelineLoop(model=model)
        return StepLoop(model=model, cap=self._caps.cap(model.hash))
