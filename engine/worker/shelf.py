"""The models that the worker holds in memory, each with its step loop."""

from collections.abc import Callable

from engine.models.loading import StableDiffusion
from engine.worker.cap_book import CapBook
from engine.worker.step_loop import StepLoop


class Shelf:
    """One model at a time. `load` gives the networks of a model by name and may raise ModelBroken."""

    def __init__(self, *, load: Callable[[str], StableDiffusion], caps: CapBook) -> None:
        self._load = load
        self._caps = caps
        self.loop: StepLoop | None = None

    def holds(self, model: str) -> bool:
        """Whether a model's step loop is here already."""
        return self.loop is not None and self.loop.model.name == model

    def loop_of(self, model: str) -> StepLoop:
        """The step loop of a model, loaded if another one is. The front sends one model at a time."""
        if self.loop is None or not self.holds(model):
            self.loop = None  # two models at once may not fit
            loaded = self._load(model)
            self.loop = StepLoop(model=loaded, cap=self._caps.cap(loaded.hash))
        return self.loop
