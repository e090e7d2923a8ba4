"""An engine that does with each job what the test says, when the test says it."""

import asyncio
import io
from collections.abc import AsyncGenerator
from hashlib import sha256
from pathlib import Path

from PIL import Image

from bot.jobs.ports import EngineAway, EngineEvent
from bot.jobs.states import Job
from engine.wire import Cancelled, Capabilities, Failed, Finished, ImageInfo
from tests.bot.samples import capabilities
from tests.patience import DEADLINE_S


def picture(colour: str = "orange", kind: str = "PNG", size: tuple[int, int] = (64, 64)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, kind)
    return out.getvalue()


class ScriptedEngine:
    """An engine that does with each job what the test says, when the test says it."""

    def __init__(self) -> None:
        self.offers: Capabilities | None = capabilities()
        self.jobs: dict[str, Job] = {}
        self.inputs: dict[str, Path | None] = {}
        self.masks: dict[str, Path | None] = {}
        self.arrivals: asyncio.Queue[Job] = asyncio.Queue()
        self._events: dict[str, asyncio.Queue[EngineEvent]] = {}
        self._data: dict[str, bytes] = {}

    async def submit(self, job: Job, input_image: Path | None, mask: Path | None = None) -> None:
        if job.id not in self.jobs:
            self.jobs[job.id] = job
            self.inputs[job.id] = input_image
            self.masks[job.id] = mask
            self._events[job.id] = asyncio.Queue()
            self.arrivals.put_nowait(job)

    async def events(self, job_id: str) -> AsyncGenerator[EngineEvent]:
        while True:
            event = await self._events[job_id].get()
            yield event
            if isinstance(event, Finished | Failed | Cancelled):
                return

    async def image(self, job_id: str, index: int) -> bytes:
        del index
        return self._data[job_id]

    async def release(self, job_id: str) -> None:
        if job_id in self._events:
            self._events[job_id].put_nowait(Cancelled())

    @property
    def is_away(self) -> bool:
        return self.offers is None

    async def capabilities(self) -> Capabilities:
        if self.offers is None:
            raise EngineAway("the engine is away")
        return self.offers

    async def next_job(self) -> Job:
        async with asyncio.timeout(DEADLINE_S):
            return await self.arrivals.get()

    def say(self, job: Job, event: EngineEvent) -> None:
        self._events[job.id].put_nowait(event)

    def finish(self, job: Job) -> None:
        data = picture()
        self._data[job.id] = data
        images = tuple(
            ImageInfo(
                index=index,
                seed=job.request.image_seed(index),
                width=64,
                height=64,
                media_type="image/png",
                bytes=len(data),
                sha256=sha256(data).hexdigest(),
                infotext="infotext",
            )
            for index in range(job.request.count)
        )
        self.say(job, Finished(images=images, seconds=7.4, notices=("The prompt was cut.",)))
