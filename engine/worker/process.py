"""The worker: one process that owns the device. It takes jobs, drives the step loop, decodes and reports.

All work on the device happens on one thread, one small piece at a time: a tick, then a piece of a decode and one of
what follows drawing. Commands are obeyed between two rounds of these, so a cancel takes effect within one step.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

import torch

from engine.frames import (
    Cancel,
    Cancelled,
    Failed,
    FromWorker,
    Loading,
    Ready,
    Start,
    Stop,
)
from engine.images.finishing import Finisher
from engine.models.adapter_folder import AdapterFolders
from engine.models.adapter_library import AdapterLibrary
from engine.models.control_loading import ControlNetwork
from engine.models.restorer import Restorer
from engine.models.upscaler import Upscaler
from engine.prompts.wildcards import Lines, no_lines
from engine.tasks.describe import Describer, describe_file
from engine.wire import GenerationRequest, Task
from engine.worker.afterwards import Afterwards
from engine.worker.beginning import Beginner, refined
from engine.worker.cap_book import CapBook
from engine.worker.changeover import Changeover
from engine.worker.control_shelf import no_control
from engine.worker.decoders import Decoders, told
from engine.worker.device import Device, free_memory, is_out_of_memory
from engine.worker.drawing import Drawing
from engine.worker.failures import meaning
from engine.worker.files import THREADS, THREADS_ELSEWHERE, Files, Written
from engine.worker.flight import ImageInFlight
from engine.worker.judges import Jury, no_describer, no_jury
from engine.worker.picture import Developed, Picture
from engine.worker.pieces import Resumed
from engine.worker.pixels import Pixels
from engine.worker.policy import MemoryPolicy
from engine.worker.postprocessing import no_restorer, no_upscaler
from engine.worker.reporting import Previewed, Reporter
from engine.worker.restoring import Room
from engine.worker.shelf import Loop, Model, Shelf
from engine.worker.step_loop import StepLoop
from engine.worker.undecoded import Undecoded
from engine.worker.writing import write_image

log = logging.getLogger(__name__)

IN_FLIGHT = {"cuda": 8}  # images taken at a time; more would only wait here, where fairness does not reach
IN_FLIGHT_ELSEWHERE = 4


Message = Start | Cancel | Stop | Written | Previewed | Resumed
Inbox = SimpleQueue[Message]


class Worker:
    """Draws until it is told to stop.

    `load` gives the networks of a model by name and may raise ModelBroken, `wildcards` the options of a file, `control`
    a network by which pictures steer, `jury` and `describer` whoever looks at a request's pictures, `adapters` the
    folders of LoRAs, embeddings and VAEs, `load_upscaler` an upscaler by name and `load_restorer` a face restorer; both
    may raise Refusal. `decoders` says who makes pixels of latents where it is not the model's own autoencoder.
    """

    def __init__(
        self,
        *,
        load: Callable[[str], Model],
        device: Device,
        caps: CapBook,
        inbox: Inbox,
        send: Callable[[FromWorker], None],
        finisher: Finisher,
        wildcards: Lines = no_lines,
        jury: Callable[[GenerationRequest], Jury] = no_jury,
        describer: Callable[[GenerationRequest], Describer] = no_describer,
        policy: MemoryPolicy | None = None,
        control: Callable[[str], ControlNetwork] = no_control,
        adapters: AdapterFolders | None = None,
        load_upscaler: Callable[[str], Upscaler] = no_upscaler,
        load_restorer: Callable[[str], Restorer] = no_restorer,
        decoders: Decoders | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._policy = policy or MemoryPolicy()
        self._place = device.place
        in_flight = IN_FLIGHT.get(device.place.type, IN_FLIGHT_ELSEWHERE)
        self._ready = Ready(device=str(device), in_flight=in_flight, memory=self._policy.device)
        self._caps = caps
        self._inbox = inbox
        self._send = send
        self._finisher = finisher
        library = AdapterLibrary(adapters)
        self._policy.beside.append(lambda: library.bytes)
        self._jury = jury
        self._decoders = decoders or Decoders()
        self._reporter = Reporter(send=send, decoders=self._decoders, aside=self._in_thread, tell=inbox.put)
        self._describer = describer
        self._clock = clock
        self._shelf = Shelf(load=load, caps=caps, policy=self._policy)
        self._drawings: dict[str, Drawing] = {}
        threads = THREADS.get(device.place.type, THREADS_ELSEWHERE)
        self._files = Files(threads=threads, tell=inbox.put, send=send)
        self._undecoded = Undecoded(done=self._decoded, fail=self._fail_drawing)
        self._changeover = Changeover()
        self._after = Afterwards(
            load=load_upscaler,
            aside=self._in_thread,
            wake=lambda work: inbox.put(Resumed(work)),
            fail=self._fail_drawing,
            join=self._join,
            write=self._write,
            report=self._reporter.report,
            load_restorer=load_restorer,
            room=Room(rungs=self._policy.rungs, park=self._shelf.park),
        )
        self._beginner = Beginner(
            wildcards=wildcards,
            adapters=library,
            control=control,
            decoders=self._decoders,
            plan=self._after.plan,
            clock=clock,
        )

    def run(self) -> None:
        """Work until `stop`. Raises what makes the device unusable, such as a sticky CUDA error."""
        self._send(self._ready)
        with self._files, ThreadPoolExecutor(1, "aside") as self._aside:
            while self._obey():
                self._tick()
                self._undecoded.decode_one()
                self._change_over()
                self._after.pieces.do_one()
            self._aside.submit(self._caps.save)

    def _in_thread(self, work: Callable[[], Any]) -> Future[Any]:
        return self._aside.submit(work)

    # -- commands ---------------------------------------------------------------------------------

    def _obey(self) -> bool:
        """Take what has come in; wait only while there is nothing to draw. False after `stop`."""
        while self._idle or not self._inbox.empty():
            if self._inbox.empty() and self._measure():
                continue
            match self._next():
                case Start() as command:
                    self._start(command)
                case Cancel(job=job_id):
                    self._cancel(job_id)
                case Written() as written:
                    self._file_written(written)
                case Previewed(drawing=drawing) as previewed:
                    if self._drawings.get(drawing.job_id) is drawing:  # its job may be another by now
                        self._reporter.show(previewed)
                case Resumed(work=work):
                    self._after.pieces.resume(work)
                case Stop():
                    return False
        return True

    def _measure(self) -> bool:
        """Use an idle moment to learn what larger ticks cost; False where there is nothing left to learn."""
        if self._loop is not None and self._loop.probe():
            return True
        self._aside.submit(self._caps.save)
        return False

    def _next(self) -> Message:
        """The next command. Where none comes for long, or memory was short again and again, the models are put away."""
        if not self._drawings:
            if self._policy.worn_out:
                self._shelf.clear()
            try:
                return self._inbox.get(timeout=self._policy.idle_s)
            except Empty:
                self._shelf.clear()
        return self._inbox.get()

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
        if command.request.task.needs_model and (self._changeover.images or (self._busy and elsewhere)):
            self._changeover.jobs.append(command)
            return
        try:
            if command.request.task is Task.DESCRIBE:
                self._look(command)
                return
            drawing = self._prepare(command)
        except Exception as error:
            self._fail(command.job, error)
            return
        self._drawings[command.job] = drawing
        for image in drawing.images:
            self._join(drawing, image)

    def _join(self, drawing: Drawing, image: Picture) -> None:
        request = drawing.request
        self._loop_of(request.model, drawing.job_id).join(image, request.owner)

    def _prepare(self, command: Start) -> Drawing:
        if not command.request.task.needs_model:
            return self._after.process_given(command, self._clock)
        jury = self._jury(command.request)
        if not self._drawings:
            self._shelf.drop_changed()
        return self._beginner.begin(self._loop_of(command.request.model, command.job), command, jury)

    def _look(self, command: Start) -> None:
        """Describe a picture, aside: nothing is drawn, and no model is needed that draws."""
        assert command.input is not None  # the front refuses describe without it
        job_id, describer = command.job, self._describer(command.request)
        self._drawings[job_id] = Drawing(
            job_id=job_id, request=command.request, folder=command.folder, clock=self._clock
        )
        self._files.write(job_id, partial(describe_file, describer, command.input))

    def _loop_of(self, model: str, job_id: str) -> Loop:
        if not self._shelf.holds(model):
            self._send(Loading(job=job_id, model=model))
        return self._shelf.loop_of(model)

    @property
    def _loop(self) -> Loop | None:
        return self._shelf.loop

    def _cancel(self, job_id: str) -> None:
        if self._drop(job_id):
            self._files.say_last(job_id, Cancelled(job=job_id))

    def _drop(self, job_id: str) -> bool:
        if self._loop is not None:
            self._loop.leave(job_id)
        self._undecoded.leave(job_id)
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
        for image in done:
            self._go_on(image)

    def _go_on(self, image: Picture) -> None:
        """What comes after an image's last step."""
        assert self._loop is not None
        drawing = self._drawings[image.job_id]
        if isinstance(image, ImageInFlight) and image.hires is not None:
            model = self._loop.model.with_vae(drawing.vae).with_tiling(image.seamless)
            self._after.draw_again(model, drawing, image)
        elif isinstance(image, ImageInFlight) and image.after:
            self._changeover.images.append(image)
        else:
            decoder = drawing.decoder or drawing.vae
            self._undecoded.add(image, self._loop.decode(image, decoder))

    def _report(self, drawing: Drawing, image: Picture) -> None:
        """After a step of `image`."""
        if isinstance(image, ImageInFlight):
            assert self._loop is not None
            self._reporter.report_with(drawing, self._loop.model, image)
        else:
            self._reporter.report(drawing)

    def _decoded(self, image: Picture, pixels: Pixels) -> None:
        assert self._loop is not None
        drawing = self._drawings[image.job_id]
        drawing.tell(*self._loop.notices(image))
        if drawing.decoder is not None:
            drawing.tell(told(drawing.decoder))
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
        assert isinstance(loop, StepLoop)  # the front has checked what the refiner is
        loop.join(refined(loop, drawing, image), drawing.request.owner)

    def _write(self, drawing: Drawing, image: Developed, pixels: Pixels) -> None:
        self._files.write(image.job_id, partial(write_image, self._finisher, drawing, image, pixels))

    def _file_written(self, written: Written) -> None:
        drawing = self._drawings.get(written.job_id)
        if not self._files.written(written.job_id) or drawing is None:  # cancelled or failed meanwhile
            return
        if (error := written.result.exception()) is not None:
            self._fail_drawing(written.job_id, error)
            return
        drawing.keep(written.result.result())
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
        if is_out_of_memory(error):
            error.__traceback__ = None  # it would keep the memory alive
            free_memory(self._place)
        self._drop(job_id)
        self._files.say_last(job_id, Failed(job=job_id, error=meaning(job_id, error)))
