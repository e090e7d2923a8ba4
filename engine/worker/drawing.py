"""One job while the worker draws it: its request, its images and how far they are."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from engine.frames import Finished
from engine.models.vae import Vae
from engine.wire import GenerationRequest, ImageInfo
from engine.worker.judges import Jury
from engine.worker.picture import Picture
from engine.worker.selection import Selection

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
    """A job between `start` and its last frame. `vae` is the request's, None for the model's own; with a
    `decoder` the pictures are decoded by that. `worked` pieces of
    its plan are done. Times are the clock's seconds.
    """

    job_id: str
    request: GenerationRequest
    folder: Path
    clock: Callable[[], float]
    model_hash: str = ""
    hashes: tuple[dict[str, str], ...] = ()  # of each image's adapters, for its infotext
    vae: Vae | None = None
    decoder: Vae | None = None
    images: list[Picture] = field(default_factory=list)
    notices: tuple[str, ...] = ()
    jury: Jury = field(default_factory=Jury)
    plan: Plan = field(default_factory=Plan)
    worked: float = 0.0
    infos: dict[int, ImageInfo] = field(default_factory=dict)
    developed: int = 0  # of the images: looked at, and written if they are to be
    description: str | None = None
    selection: Selection = field(init=False)
    judging: Lock = field(init=False, default_factory=Lock)  # its pictures are finished in several threads
    began: float = field(init=False)
    _reported: float | None = None
    _previewed: float = field(init=False)

    def __post_init__(self) -> None:
        self.selection = Selection(self.request)
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
        return self.developed == self.request.candidates

    def tell(self, *notices: str) -> None:
        """The person is told so with the pictures, once."""
        self.notices = tuple(dict.fromkeys((*self.notices, *notices)))

    def keep(self, result: list[ImageInfo] | str) -> None:
        """One more image was developed, and these pictures were written with it; or the input was described."""
        self.developed += 1
        if isinstance(result, str):
            self.description = result
        else:
            self.infos.update({info.index: info for info in result})

    def begin_second_pass(self, image: Picture) -> None:
        """An image goes on as `image`."""
        self.plan.steps -= image.steps
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
        notices = (*self.notices, *self.selection.notices())
        return Finished(
            job=self.job_id,
            images=images,
            seconds=self.seconds,
            notices=notices,
            description=self.description,
        )
