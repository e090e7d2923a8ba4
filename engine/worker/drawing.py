"""One job while the worker draws it: its request, its images and how far they are."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from engine.frames import Finished
from engine.hires import drawn_steps
from engine.wire import GenerationRequest, ImageInfo
from engine.worker.flight import ImageInFlight

REPORT_EVERY_S = 0.1  # a fast GPU takes fifty steps a second; nobody reads so fast
PREVIEW_EVERY_S = 1.0


@dataclass(kw_only=True)
class Plan:
    """What follows the steps of the first pass, for all pictures: pieces of work, and steps of second passes that have
    not begun.
    """

    pieces: int = 0
    steps: int = 0


@dataclass(kw_only=True)
class Drawing:
    """A job between `start` and its last frame. Times are the clock's seconds. `worked` pieces of its plan are done."""

    job_id: str
    request: GenerationRequest
    folder: Path
    images: list[ImageInFlight]
    notices: tuple[str, ...]
    model_hash: str
    clock: Callable[[], float]
    plan: Plan = field(default_factory=Plan)
    worked: float = 0.0
    infos: dict[int, ImageInfo] = field(default_factory=dict)
    began: float = field(init=False)
    _reported: float | None = None
    _previewed: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self._previewed = self.clock()

    @property
    def step(self) -> int:
        return sum(image.before + image.position for image in self.images) + round(self.worked)

    @property
    def steps(self) -> int:
        return sum(image.all_steps for image in self.images) + self.plan.steps + self.plan.pieces

    @property
    def seconds(self) -> float:
        return self.clock() - self.began

    @property
    def complete(self) -> bool:
        return len(self.infos) == self.request.count

    def begin_second_pass(self, image: ImageInFlight) -> None:
        """An image goes on as `image`."""
        assert self.request.hires is not None
        self.plan.steps -= drawn_steps(self.request, self.request.hires)
        self.images.append(image)

    def report_due(self) -> bool:
        """Whether to say how far it is: at the first and the last step, in between now and then."""
        first = self._reported is None
        due = first or self.step == self.steps or self.clock() - (self._reported or 0) >= REPORT_EVERY_S
        if due:
            self._reported = self.clock()
        return due

    def preview_due(self) -> bool:
        """Whether to show a preview with this report."""
        due = self.clock() - self._previewed >= PREVIEW_EVERY_S
        if due:
            self._previewed = self.clock()
        return due

    def finished(self) -> Finished:
        """The last frame, once every picture's file is there."""
        images = tuple(self.infos[index] for index in sorted(self.infos))
        return Finished(job=self.job_id, images=images, seconds=self.seconds, notices=self.notices)
