"""The worker: one process that owns the device. It takes jobs, drives the step loop, decodes and reports.

All work on the device happens on one thread, one small piece at a time: a tick, then at most one
decode. Commands are obeyed between two pieces, so a cancel takes effect within one step.
"""

import base64
import functools
import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue

import torch

from engine.frames import (
    Cancel,
    Cancelled,
    Failed,
    FromWorker,
    Loading,
    Progress,
    Ready,
    Start,
    Stop,
)
from engine.images.finishing import Finisher
from engine.images.previews import STABLE_DIFFUSION, preview_jpeg
from engine.models.loading import StableDiffusion
from engine.models.upscaler import Upscaler
from engine.prompts import loras
from engine.prompts.conditioning import Conditioning
from engine.prompts.wildcards import Lines, no_lines, words_of
from engine.tasks.conditioning import condition
from engine.tasks.process import GivenImage
from engine.tasks.refine import leave_to_refiner, start_refinement
from engine.tasks.starting import start_images
from engine.wire import GenerationRequest, ImageInfo
from engine.worker.afterwards import Afterwards
from engine.worker.cap_book import CapBook
from engine.worker.changeover import Changeover
from engine.worker.device import Device, free_memory
from engine.worker.drawing import Drawing
from engine.worker.failures import meaning
from engine.worker.flight import ImageInFlight
from engine.worker.notices import notices_of
from engine.worker.pieces import Resumed
from engine.worker.pixels import decode_latents
from engine.worker.postprocessing import Pixels, no_upscaler
from engine.worker.shelf import Shelf
from engine.worker.step_loop import StepLoop
from engine.worker.writing import write_image

log = logging.getLogger(__name__)

IN_FLIGHT = {"cuda": 8}  # images taken at a time; more would only wait here, where fairness does not reach
IN_FLIGHT_ELSEWHERE = 4


@dataclass(frozen=True)
class Written:
    """A picture's file is complete, or could not be written."""

    job_id: str
    index: int
    result: "Future[ImageInfo]"


Inbox = SimpleQueue[Start | Cancel | Stop | Written | Resumed]


class Worker:
    """Draws until it is told to stop.

    `load` gives the networks of a model by name and may raise ModelBroken, `wildcards` the options of a file,
    `load_upscaler` an upscaler by name; it may raise Refusal.
    """

    def __init__(
        self,
        *,
        load: Callable[[str], StableDiffusion],
        device: Device,
        caps: CapBook,
        inbox: Inbox,
        send: Callable[[FromWorker], None],
        finisher: Finisher,
        wildcards: Lines = no_lines,
        load_upscaler: Callable[[str], Upscaler] = no_upscaler,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._place = device.place
        in_flight = IN_FLIGHT.get(device.place.type, IN_FLIGHT_ELSEWHERE)
        self._ready = Ready(device=str(device), in_flight=in_flight)
        self._caps = caps
        self._inbox = inbox
        self._send = send
        self._finisher = finisher
        self._wildcards = wildcards
        self._clock = clock
        self._shelf = Shelf(load=load, caps=caps)
        self._drawings: dict[str, Drawing] = {}
        self._undecoded: deque[ImageInFlight] = deque()
        self._changeover = Changeover()
        self._after = Afterwards(
            load=load_upscaler,
            aside=lambda work: self._writer.submit(work),
            wake=lambda work: inbox.put(Resumed(work)),
            fail=self._fail_drawing,
            join=self._join,
            write=self._write,
            report=self._report,
        )

    def run(self) -> None:
        """Work until `stop`. Raises what makes the device unusable, such as a sticky CUDA error."""
        self._send(self._ready)
        with ThreadPoolExecutor(1, "files") as self._writer:
            while self._obey():
                self._tick()
                self._decode_one()
                self._change_over()
                self._after.pieces.do_one()
            self._caps.save()

    # -- commands ---------------------------------------------------------------------------------

    def _obey(self) -> bool:
        """Take what has come in; wait only while there is nothing to draw. False after `stop`."""
        while self._idle or not self._inbox.empty():
            if self._inbox.empty() and self._measure():
                continue
            match self._inbox.get():
                case Start() as command:
                    self._start(command)
                case Cancel(job=job_id):
                    self._cancel(job_id)
                case Written() as written:
                    self._file_written(written)
                case Resumed(work=work):
                    self._after.pieces.resume(work)
                case Stop():
                    return False
        return True

    def _measure(self) -> bool:
        """Use an idle moment to learn what larger ticks cost; False where there is nothing left to learn."""
        if self._loop is not None and self._loop.probe():
            return True
        self._writer.submit(self._caps.save)
        return False

    @property
    def _idle(self) -> bool:
        """Whether there is nothing to do now; a work may wait for a thread, and a changeover for such a work."""
        now = self._undecoded or self._after.pieces.ready or (self._loop and self._loop.images)
        return not now and (self._busy or not self._changeover)

    @property
    def _busy(self) -> bool:
        """Whether the model at work has something left to draw, also in a second pass that is still to come."""
        to_come = any(drawing.plan.steps for drawing in self._drawings.values())
        return bool(self._undecoded or (self._loop and self._loop.images) or to_come)

    def _start(self, command: Start) -> None:
        elsewhere = self._loop is not None and self._loop.model.name != command.request.model
        if command.request.task.draws and (self._changeover.images or (self._busy and elsewhere)):
            self._changeover.jobs.append(command)
            return
        try:
            drawing = self._prepare(command)
        except Exception as error:
            self._fail(command.job, error)
            return
        self._drawings[command.job] = drawing
        for image in drawing.images:
            self._join(drawing, image)

    def _join(self, drawing: Drawing, image: ImageInFlight) -> None:
        request = drawing.request
        self._loop_of(request.model, drawing.job_id).join(image, request.owner)

    def _prepare(self, command: Start) -> Drawing:
        request = command.request
        if not request.task.draws:
            return self._after.process_given(command, self._clock)
        model = self._loop_of(request.model, command.job).model
        lines = functools.cache(self._wildcards)  # a file is read once for a job
        conditionings = [self._conditioning(model, request, index, lines) for index in range(request.count)]
        images = start_images(model, command, conditionings)
        leave_to_refiner(images, request.refiner)
        return Drawing(
            job_id=command.job,
            request=request,
            folder=command.folder,
            images=images,
            notices=notices_of(model, images),
            model_hash=model.hash,
            clock=self._clock,
            plan=self._after.plan(request, images[0]),
        )

    def _conditioning(
        self, model: StableDiffusion, request: GenerationRequest, index: int, lines: Lines
    ) -> Conditioning:
        """What image `index` is drawn from. Wildcards may have put a LoRA in that the front has not seen."""
        words = words_of(request, index, lines=lines)
        loras.check(words.prompt, known=(), field="prompt")
        loras.check(words.negative_prompt, known=(), field="negative_prompt")
        return condition(model, request, words)

    def _loop_of(self, model: str, job_id: str) -> StepLoop:
        if not self._shelf.holds(model):
            self._send(Loading(job=job_id, model=model))
        return self._shelf.loop_of(model)

    @property
    def _loop(self) -> StepLoop | None:
        return self._shelf.loop

    def _cancel(self, job_id: str) -> None:
        if self._drop(job_id):
            self._send(Cancelled(job=job_id))

    def _drop(self, job_id: str) -> bool:
        if self._loop is not None:
            self._loop.leave(job_id)
        self._undecoded = deque(image for image in self._undecoded if image.job_id != job_id)
        self._after.pieces.leave(job_id)
        waited = self._changeover.leave(job_id)
        return self._drawings.pop(job_id, None) is not None or waited

    # -- drawing ----------------------------------------------------------------------------------

    def _tick(self) -> None:
        if self._loop is None or not self._loop.images:
            return
        tick = self._loop.tick()
        for image, error in tick.failed:
            self._fail_drawing(image.job_id, error)
        for job_id in dict.fromkeys(image.job_id for image in tick.advanced):
            if (drawing := self._drawings.get(job_id)) is not None:
                self._report(drawing, next(i for i in tick.advanced if i.job_id == job_id))
        done = [image for image in tick.advanced if image.done and image.job_id in self._drawings]
        self._undecoded.extend(image for image in done if not image.after and image.hires is None)
        self._changeover.images.extend(image for image in done if image.after)
        for image in done:
            if image.hires is not None:
                self._after.draw_again(self._loop.model, self._drawings[image.job_id], image)

    def _report(self, drawing: Drawing, image: ImageInFlight | None = None) -> None:
        """Say how far a drawing is, where it is time to; with a preview of `image`."""
        if not drawing.report_due():
            return
        preview = self._preview(image) if image is not None and drawing.preview_due() else None
        self._send(Progress(job=drawing.job_id, step=drawing.step, steps=drawing.steps, preview=preview))

    def _preview(self, image: ImageInFlight) -> str | None:
        """A base64 JPEG; None for an upscaler, whose latents nobody has fitted colours to, unless its card has them."""
        assert self._loop is not None
        estimate = image.latents if image.estimate is None else image.estimate
        matrix = self._loop.model.card.latent_to_rgb
        if matrix is None and self._loop.model.low_res_config is not None:
            return None
        return base64.b64encode(
            preview_jpeg(estimate[0].float().cpu().numpy(), matrix or STABLE_DIFFUSION)
        ).decode()

    def _decode_one(self) -> None:
        """One picture at a time, so that a decode never holds up the others' steps for long."""
        if not self._undecoded or self._loop is None:
            return
        image = self._undecoded.popleft()
        drawing = self._drawings[image.job_id]
        try:
            pixels = decode_latents(self._loop.model, image.latents, image.tiling)
        except Exception as error:
            self._fail_drawing(image.job_id, error)
        else:
            self._after.process(drawing, image, pixels)

    def _change_over(self) -> None:
        """Once nothing is left to draw: pictures go on with their refiner, or the jobs that waited begin."""
        if self._busy:
            return
        for image in self._changeover.take_images():
            try:
                self._refine(image)
            except Exception as error:
                self._fail_drawing(image.job_id, error)
        if not self._busy:
            for command in self._changeover.take_jobs():
                self._start(command)

    def _refine(self, image: ImageInFlight) -> None:
        drawing = self._drawings.get(image.job_id)
        if (
            drawing is None or (refiner := drawing.request.refiner) is None
        ):  # another of its images has failed
            return
        loop = self._loop_of(refiner.model, image.job_id)
        refined = start_refinement(loop.model, drawing.request, image)
        drawing.images[drawing.images.index(image)] = refined
        loop.join(refined, drawing.request.owner)

    def _write(self, drawing: Drawing, image: ImageInFlight | GivenImage, pixels: Pixels) -> None:
        future = self._writer.submit(write_image, self._finisher, drawing, image, pixels)
        future.add_done_callback(lambda done: self._inbox.put(Written(image.job_id, image.index, done)))

    def _file_written(self, written: Written) -> None:
        drawing = self._drawings.get(written.job_id)
        if drawing is None:  # cancelled or failed meanwhile
            return
        if (error := written.result.exception()) is not None:
            self._fail_drawing(written.job_id, error)
            return
        drawing.infos[written.index] = written.result.result()
        if drawing.complete:
            del self._drawings[written.job_id]
            self._send(drawing.finished())

    # -- failing ----------------------------------------------------------------------------------

    def _fail_drawing(self, job_id: str, error: BaseException) -> None:
        """One image cannot be drawn: its whole job fails, and only its job."""
        if job_id in self._drawings:
            self._fail(job_id, error)

    def _fail(self, job_id: str, error: BaseException) -> None:
        """Say why a job fails. A lost device is raised on: its context does not come back in this process."""
        if isinstance(error, torch.AcceleratorError):
            raise error
        if isinstance(error, torch.OutOfMemoryError):
            error.__traceback__ = None  # it would keep the memory alive
            free_memory(self._place)
        self._drop(job_id)
        self._send(Failed(job=job_id, error=meaning(job_id, error)))
