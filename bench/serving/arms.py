"""Ways to serve a crowd with one device, side by side: diffusers' pipeline behind a lock, and the engine's worker.

All draw the same requests with the same weights and samplers, and all write each picture as a PNG with its infotext.
"""

import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Protocol

import diffusers
import numpy as np
import torch

from engine.frames import Failed, Finished, FromWorker, Progress, Start, Stop
from engine.images.encoding import write
from engine.images.finishing import Finisher
from engine.models.loading import StableDiffusion
from engine.samplers import SAMPLERS
from engine.wire import GenerationRequest, Sampler, Schedule
from engine.worker.cap_book import CapBook
from engine.worker.process import Inbox, Worker
from engine.worker.schedulers import make_scheduler

PREVIEW_STEP = 5  # where diffusers' arms would show their first preview
WINDOW_S = 0.05  # for which a request waits for others of its kind
TOGETHER = 8
TCD_GAMMA = 0.3  # its authors', which the pipeline would set to nothing

Heard = Callable[[int, str], None]  # number of the request; "preview", "done" or "failed"


class Arm(Protocol):
    """One way to serve. `heard` is called from the arm's own thread."""

    name: str

    def start(self, heard: Heard) -> None: ...
    def submit(self, number: int, request: GenerationRequest) -> None: ...
    def stop(self) -> None: ...


class PipelineArm:
    """diffusers' own pipeline, first come first served: the lock of today's bots.

    `together` > 1 waits a moment for requests of the same steps, size, guidance and sampler, to draw them as one batch.
    """

    def __init__(self, name: str, pipeline: Any, *, together: int = 1) -> None:
        self.name = name
        self._pipeline = pipeline
        self._together = together
        self._config = dict(pipeline.scheduler.config)
        self._inbox: SimpleQueue[tuple[int, GenerationRequest] | None] = SimpleQueue()
        self._finisher = Finisher(version="bench")

    def start(self, heard: Heard) -> None:
        self._heard = heard
        self._thread = threading.Thread(target=self._run, name=self.name)
        self._thread.start()

    def submit(self, number: int, request: GenerationRequest) -> None:
        self._inbox.put((number, request))

    def stop(self) -> None:
        self._inbox.put(None)
        self._thread.join()

    def _run(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            waiting: list[tuple[int, GenerationRequest]] = []
            while self._gather(waiting):
                first = waiting[0][1]
                batch = [each for each in waiting if _kind(each[1]) == _kind(first)][: self._together]
                waiting[:] = [each for each in waiting if each not in batch]
                self._draw(batch, Path(folder))

    def _gather(self, waiting: list[tuple[int, GenerationRequest]]) -> bool:
        """Take what came; False once the end was asked for and nothing waits."""
        until = time.monotonic() + (WINDOW_S if self._together > 1 else 0.0)
        while True:
            left = until - time.monotonic()
            try:
                come = self._inbox.get(timeout=max(left, 0) if waiting else None)
            except Empty:
                return True
            if come is None:
                return bool(waiting)
            waiting.append(come)
            if self._together == 1:
                return True

    def _draw(self, batch: Sequence[tuple[int, GenerationRequest]], folder: Path) -> None:
        numbers, requests = zip(*batch, strict=True)

        def after(_: Any, step: int, __: Any, values: dict[str, Any]) -> dict[str, Any]:
            if step + 1 == min(PREVIEW_STEP, requests[0].steps):
                for number in numbers:
                    self._heard(number, "preview")
            return values

        pictures = drawn_by_pipeline(self._pipeline, self._config, requests, callback_on_step_end=after)
        for number, request, pixels in zip(numbers, requests, pictures, strict=True):
            content, _ = self._finisher.finish(pixels, request, seed=request.seed, model_hash="")
            write(folder / f"{number}.png", content)
            self._heard(number, "done")


class EngineArm:
    """The engine's worker, as its front drives it."""

    def __init__(self, name: str, model: StableDiffusion, caps: CapBook) -> None:
        self.name = name
        self._model = model
        self._inbox: Inbox = SimpleQueue()
        self._caps = caps

    def start(self, heard: Heard) -> None:
        self._heard = heard
        self._previewed: set[str] = set()
        self._folder = tempfile.TemporaryDirectory()
        worker = Worker(
            load=lambda _: self._model,
            device=self._model.device,
            caps=self._caps,
            inbox=self._inbox,
            send=self._hear,
            finisher=Finisher(version="bench"),
        )
        self._thread = threading.Thread(target=worker.run, name=self.name)
        self._thread.start()

    def submit(self, number: int, request: GenerationRequest) -> None:
        folder = Path(self._folder.name) / str(number)
        folder.mkdir()
        self._inbox.put(Start(job=str(number), request=request, folder=folder))

    def stop(self) -> None:
        self._inbox.put(Stop())
        self._thread.join()
        self._folder.cleanup()

    def _hear(self, frame: FromWorker) -> None:
        match frame:
            case Progress(job=job, step=step, steps=steps):
                if job not in self._previewed and step >= min(PREVIEW_STEP, steps):
                    self._previewed.add(job)
                    self._heard(int(job), "preview")
            case Finished(job=job):
                self._heard(int(job), "done")
            case Failed(job=job):
                self._heard(int(job), "failed")
            case _:
                pass


@torch.inference_mode()
def drawn_by_pipeline(
    pipeline: Any, config: dict[str, Any], requests: Sequence[GenerationRequest], **options: Any
) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    """The pictures [H, W, 3] of requests of one kind, each with a generator of its own."""
    first = requests[0]
    pipeline.scheduler = make_scheduler(config, first.sampler, first.schedule)
    pixels = pipeline(
        prompt=[request.prompt for request in requests],
        negative_prompt=[request.negative_prompt for request in requests],
        width=first.width,
        height=first.height,
        num_inference_steps=first.steps,
        guidance_scale=first.guidance_scale,
        eta=TCD_GAMMA if first.sampler is Sampler.TCD else 0.0,
        generator=[torch.Generator("cpu").manual_seed(request.seed) for request in requests],
        output_type="np",
        **options,
    ).images
    return list((pixels * 255).round().astype(np.uint8))


def load_pipeline(folder: Path, dtype: torch.dtype) -> Any:
    """diffusers' pipeline as its documentation loads it, on the CPU or the first GPU."""
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(folder, dtype=dtype, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to("cuda" if torch.cuda.is_available() else "cpu")


def _kind(request: GenerationRequest) -> tuple[Any, ...]:
    same = (request.steps, request.width, request.height, request.guidance_scale, request.sampler)
    assert request.schedule is Schedule.AUTOMATIC
    assert request.sampler in SAMPLERS
    return same
