"""What follows an image's steps before its file is written: a second pass, and the steps of `post`."""

import functools
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import Any

from engine.frames import Start
from engine.models.loading import StableDiffusion
from engine.models.restorer import Restorer
from engine.models.upscaler import Upscaler
from engine.postprocessing import drawn_size
from engine.tasks.hires import second_pass
from engine.tasks.process import given_image
from engine.wire import GenerationRequest
from engine.worker.drawing import Drawing, Plan
from engine.worker.flight import ImageInFlight
from engine.worker.picture import Developed, Picture
from engine.worker.pieces import Piece, Pieces, Work
from engine.worker.postprocessing import Pixels, Postprocessor, no_restorer, ticks_of_second_passes
from engine.worker.restoring import Room


class Afterwards:
    """`pieces` is the work that waits for its turn.

    `load` gives an upscaler by name, `load_restorer` a face restorer, and both may raise Refusal; `aside` runs
    something in a thread, `room` says what may be done where a face does not fit into memory. `wake` and `fail` as in
    Pieces. What comes out goes to `join`, an image for the step loop, or to `write`, a picture in its final pixels;
    `report` hears of a drawing that got on.
    """

    def __init__(
        self,
        *,
        load: Callable[[str], Upscaler],
        aside: Callable[[Callable[[], Any]], "Future[Any]"],
        wake: Callable[[Work], None],
        fail: Callable[[str, Exception], None],
        join: Callable[[Drawing, ImageInFlight], None],
        write: Callable[[Drawing, Developed, Pixels], None],
        report: Callable[[Drawing], object],
        load_restorer: Callable[[str], Restorer] = no_restorer,
        room: Room | None = None,
    ) -> None:
        self.pieces = Pieces(wake=wake, fail=fail)
        self._postprocessor = Postprocessor(load=load, aside=aside, load_restorer=load_restorer, room=room)
        self._join = join
        self._write = write
        self._report = report

    def plan(self, request: GenerationRequest, image: Picture) -> Plan:
        """What follows the steps of the first pass of all images, of which `image` is one.

        Loads the upscalers, so that a broken one fails before anything is drawn. Raises Refusal.
        """
        size = drawn_size(request, None) if image.canvas is None else image.canvas.size
        pieces = request.candidates * self._postprocessor.plan(request, size)
        more = image.all_steps - request.steps
        return Plan(pieces=pieces, steps=ticks_of_second_passes(request, more))

    def process_given(self, command: Start, clock: Callable[[], float]) -> Drawing:
        """A process job: its picture goes where a drawn one goes after its decode. Raises Refusal, OSError."""
        assert command.input is not None  # the front refuses process without it
        image = given_image(command.job, command.request, command.input)
        height, width, _ = image.pixels.shape
        drawing = Drawing(
            job_id=command.job,
            request=command.request,
            folder=command.folder,
            hashes=({},),
            clock=clock,
            plan=Plan(pieces=self._postprocessor.plan(command.request, (width, height))),
        )
        self.process(drawing, image, image.pixels)
        return drawing

    def draw_again(self, model: StableDiffusion, drawing: Drawing, image: ImageInFlight) -> None:
        """Send an image that is the first of two passes into the second."""
        assert image.hires is not None
        again = second_pass(model, drawing.request, image.hires, image, self._postprocessor.enlarged)
        self._add(drawing, again, functools.partial(self._begin_second_pass, drawing))

    def process(self, drawing: Drawing, image: Developed, pixels: Pixels) -> None:
        """Do what the request asks for after drawing, then write."""
        if not drawing.request.post:
            self._write(drawing, image, pixels)
            return
        work = self._postprocessor.processed(drawing.request, image.canvas, pixels, drawing.tell)
        self._add(drawing, work, functools.partial(self._write, drawing, image))

    def _begin_second_pass(self, drawing: Drawing, image: ImageInFlight) -> None:
        drawing.begin_second_pass(image)
        self._join(drawing, image)

    def _add(self, drawing: Drawing, work: Generator[Piece, None, Any], done: Callable[[Any], None]) -> None:
        did = functools.partial(self._did, drawing)
        self.pieces.add(Work(job_id=drawing.job_id, pieces=work, did=did, done=done))

    def _did(self, drawing: Drawing, pieces: float) -> None:
        drawing.worked += pieces
        self._report(drawing)
