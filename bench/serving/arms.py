"""Ways to serve a crowd with one device, side by side: what each can do, and the engine's worker as one of them.

All draw the same requests with the same weights and samplers, and all write each picture as a PNG with its infotext.
"""

import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

from PIL import Image

from engine.frames import Cancel, Cancelled, Failed, Finished, FromWorker, Progress, Start, Stop
from engine.images.finishing import Finisher
from engine.models.loading import StableDiffusion
from engine.wire import GenerationRequest
from engine.worker.cap_book import CapBook
from engine.worker.process import Inbox, Worker

PREVIEW_STEP = 5  # of every picture of a request: there is something to be seen by then

Heard = Callable[[int, str], None]  # number of the request; "preview", "done", "failed" or "cancelled"


class Arm(Protocol):
    """One way to serve, with the network `unet`. `heard` is called from the arm's own thread.

    A cancel that comes too late changes nothing; else "cancelled" is the last word about a request.
    """

    name: str
    unet: Any

    def start(self, heard: Heard) -> None: ...
    def submit(self, number: int, request: GenerationRequest) -> None: ...
    def cancel(self, number: int) -> None: ...
    def stop(self) -> None: ...


class EngineArm:
    """The engine's worker, as its front drives it. Image-to-image begins with `start_picture`."""

    def __init__(
        self, name: str, model: StableDiffusion, caps: CapBook, *, start_picture: Image.Image
    ) -> None:
        self.name = name
        self.unet = model.unet
        self._model = model
        self._inbox: Inbox = SimpleQueue()
        self._caps = caps
        self._start_picture = start_picture

    def start(self, heard: Heard) -> None:
        self._heard = heard
        self._preview_at: dict[str, int] = {}
        self._folder = tempfile.TemporaryDirectory()
        self._start_picture.save(self._input)
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
        self._preview_at[str(number)] = PREVIEW_STEP * request.count
        given = self._input if request.task.takes_image else None
        self._inbox.put(Start(job=str(number), request=request, input=given, folder=folder))

    def cancel(self, number: int) -> None:
        self._inbox.put(Cancel(job=str(number)))

    def stop(self) -> None:
        self._inbox.put(Stop())
        self._thread.join()
        self._folder.cleanup()

    @property
    def _input(self) -> Path:
        return Path(self._folder.name) / "input.png"

    def _hear(self, frame: FromWorker) -> None:
        match frame:
            case Progress(job=job, step=step, steps=steps):
                if job in self._preview_at and step >= min(self._preview_at[job], steps):
                    del self._preview_at[job]
                    self._heard(int(job), "preview")
            case Finished(job=job):
                self._heard(int(job), "done")
            case Failed(job=job):
                self._heard(int(job), "failed")
            case Cancelled(job=job):
                self._heard(int(job), "cancelled")
            case _:
                pass
