"""The lock of today's bots: one pipeline, first come first served."""

import logging
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from PIL import Image

from bench.serving.arms import PREVIEW_STEP, Heard
from bench.serving.stock import Picture, Stock
from engine.images.encoding import write
from engine.images.finishing import Finisher
from engine.wire import GenerationRequest, Schedule

log = logging.getLogger(__name__)

WINDOW_S = 0.05  # for which a request waits for others of its kind
TOGETHER = 8  # pictures of one batch

Ask = tuple[int, GenerationRequest]


class _GivenUp(Exception):
    """Nobody wants what is being drawn any more."""


class PipelineArm:
    """diffusers' own pipelines behind a lock.

    `together` > 1 waits a moment for requests of one kind, to draw so many pictures as one batch. What is cancelled is
    dropped before its turn; a batch that nobody waits for any more ends at its next step.
    """

    def __init__(self, name: str, stock: Stock, *, start_picture: Image.Image, together: int = 1) -> None:
        self.name = name
        self.unet = stock.text.unet
        self._stock = stock
        self._start_picture = start_picture
        self._together = together
        self._inbox: SimpleQueue[Ask | None] = SimpleQueue()
        self._cancelled: set[int] = set()
        self._over: set[int] = set()
        self._finisher = Finisher(version="bench")

    def start(self, heard: Heard) -> None:
        self._heard = heard
        self._thread = threading.Thread(target=self._run, name=self.name)
        self._thread.start()

    def submit(self, number: int, request: GenerationRequest) -> None:
        self._inbox.put((number, request))

    def cancel(self, number: int) -> None:
        self._cancelled.add(number)

    def stop(self) -> None:
        self._inbox.put(None)
        self._thread.join()

    def _run(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            waiting: list[Ask] = []
            while self._gather(waiting):
                batch = self._next(waiting)
                waiting[:] = [each for each in waiting if each not in batch]
                self._serve(batch, Path(folder))

    def _gather(self, waiting: list[Ask]) -> bool:
        """Take what came; False once the end was asked for, whatever still waits."""
        until = time.monotonic() + (WINDOW_S if self._together > 1 else 0.0)
        while True:
            left = until - time.monotonic()
            try:
                come = self._inbox.get(timeout=max(left, 0) if waiting else None)
            except Empty:
                return True
            if come is None:
                return False
            waiting.append(come)
            if self._together == 1:
                return True

    def _next(self, waiting: list[Ask]) -> list[Ask]:
        """The first, and those of its kind that are drawn with it."""
        batch, room = [waiting[0]], self._together - waiting[0][1].count
        for ask in waiting[1:]:
            if _kind(ask[1]) == _kind(waiting[0][1]) and ask[1].count <= room:
                batch.append(ask)
                room -= ask[1].count
        return batch

    def _serve(self, batch: Sequence[Ask], folder: Path) -> None:
        wanted = [ask for ask in batch if ask[0] not in self._cancelled]
        for ask in batch:
            if ask not in wanted:
                self._end(ask[0], "cancelled")
        try:
            if wanted:
                self._draw(wanted, folder)
        except Exception:
            log.exception("%s failed", self.name)
            for number in {number for number, _ in wanted} - self._over:
                self._end(number, "failed")

    def _end(self, number: int, what: str) -> None:
        self._over.add(number)
        self._heard(number, what)

    def _draw(self, batch: Sequence[Ask], folder: Path) -> None:
        numbers = [number for number, _ in batch]
        requests = [request for _, request in batch]
        steps = int(requests[0].steps * (requests[0].strength or 1))

        def after(_: Any, step: int, __: Any, values: dict[str, Any]) -> dict[str, Any]:
            if self._cancelled.issuperset(numbers):
                raise _GivenUp
            if step + 1 == min(PREVIEW_STEP, steps):
                for number in numbers:
                    self._heard(number, "preview")
            return values

        try:
            pictures = self._stock.draw(requests, self._start_picture, callback_on_step_end=after)
        except _GivenUp:
            pictures = []
        left = iter(pictures)
        for number, request in batch:
            if number in self._cancelled:
                _ = [next(left, None) for _ in range(request.count)]
                self._end(number, "cancelled")
            else:
                self._write(folder, number, request, [next(left) for _ in range(request.count)])
                self._end(number, "done")

    def _write(
        self, folder: Path, number: int, request: GenerationRequest, pictures: Sequence[Picture]
    ) -> None:
        for index, pixels in enumerate(pictures):
            seed = request.image_seed(index)
            content, _ = self._finisher.finish(pixels, request, seed=seed, model_hash="")
            write(folder / f"{number}-{index}.png", content)


def _kind(request: GenerationRequest) -> tuple[Any, ...]:
    """Requests of one kind can be drawn as one batch."""
    assert request.schedule is Schedule.AUTOMATIC
    size = (request.width, request.height)
    return (
        request.task,
        request.strength,
        request.steps,
        *size,
        request.guidance_scale,
        request.sampler,
    )
