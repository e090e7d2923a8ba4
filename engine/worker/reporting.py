"""How far a drawing is, for those who wait: numbers at once, and a preview once a thread has made it."""

import logging
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from engine.frames import FromWorker, Progress
from engine.models.loading import StableDiffusion
from engine.worker.decoders import Decoders
from engine.worker.drawing import Drawing
from engine.worker.flight import ImageInFlight

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Previewed:
    """A thread has made a preview of an unfinished picture, a base64 JPEG; or it failed."""

    drawing: Drawing
    preview: Future[str]


@dataclass(frozen=True, kw_only=True)
class Reporter:
    """`send` takes the frames, `decoders` draw previews, `aside` runs something in a thread; `tell` hears there of each
    preview that is made, and whoever hears it has it shown.
    """

    send: Callable[[FromWorker], None]
    decoders: Decoders
    aside: Callable[[Callable[[], Any]], Future[Any]]
    tell: Callable[[Previewed], None]

    def report(self, drawing: Drawing) -> bool:
        """Say how far it is, where it is time to."""
        if due := drawing.report_due():
            self._send_progress(drawing)
        return due

    def report_with(self, drawing: Drawing, model: StableDiffusion, image: ImageInFlight) -> None:
        """The same after a step of `image`, of which a preview follows now and then."""
        if not self.report(drawing) or not drawing.preview_due():
            return
        hidden = drawing.request.safety.hides  # nobody has checked it yet
        make = self.decoders.preview(model, image, hidden=hidden)
        if make is not None:
            self.aside(make).add_done_callback(lambda made: self.tell(Previewed(drawing, made)))

    def show(self, previewed: Previewed) -> None:
        """One that failed costs nobody a picture. Not for a drawing that has ended: its last word was said."""
        if (error := previewed.preview.exception()) is not None:
            log.error("no preview of job %s", previewed.drawing.job_id, exc_info=error)
        else:
            self._send_progress(previewed.drawing, previewed.preview.result())

    def _send_progress(self, drawing: Drawing, preview: str | None = None) -> None:
        self.send(Progress(job=drawing.job_id, step=drawing.step, steps=drawing.steps, preview=preview))
