"""The two ports, scripted: an engine and a chat that do what a test wants, and remember what was asked of them."""

import asyncio
import hashlib
import io
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from bot.jobs.ports import (
    ChatUnavailable,
    EngineAway,
    EngineEvent,
    EngineFull,
    EngineRefused,
    Upload,
)
from bot.jobs.states import Job
from engine.wire import (
    TERMINAL,
    Cancelled,
    Capabilities,
    ErrorBody,
    Failed,
    Finished,
    ImageInfo,
    Loading,
    Progress,
    Queued,
)

# What a script is made of: an event to send, an error to raise (the job is lost then), a gate to wait at.
Part = EngineEvent | Exception | asyncio.Event


def picture(seed: int, side: int = 16) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((side, side), 64 + seed % 64).convert("RGB").save(out, "PNG")
    return out.getvalue()


def info(index: int, data: bytes, seed: int = 7) -> ImageInfo:
    return ImageInfo(
        index=index,
        seed=seed + index,
        width=16,
        height=16,
        media_type="image/png",
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        infotext="a hamster\nSteps: 2",
    )


def failed(
    code: str, message: str = "It failed.", *, retryable: bool = False, hint: str | None = None
) -> Failed:
    return Failed(error=ErrorBody(code=code, message=message, retryable=retryable, hint=hint))


UNKNOWN = ErrorBody(code="unknown_job", message="There is no such job.")


@dataclass
class Drawing:
    parts: list[Part]
    images: list[bytes]
    log: list[EngineEvent] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: bool = False


class ScriptedEngine:
    """An engine with the front's manners: the same id attaches, a released job is forgotten.

    `scripts` are used up, one for each time that a job is accepted anew; then the default draws a picture.
    """

    def __init__(self) -> None:
        self.scripts: list[list[Part]] = []
        self.images = [picture(7)]
        self.away = False
        self.full = False
        self.refusal: ErrorBody | None = None
        self.drawn: Counter[str] = Counter()
        self.released: list[str] = []
        self.inputs: list[Path | None] = []
        self.masks: list[Path | None] = []
        self.offers = 0
        self.jobs: dict[str, Drawing] = {}

    def finished(self, *notices: str) -> Finished:
        images = tuple(info(index, data) for index, data in enumerate(self.images))
        return Finished(images=images, seconds=1.5, notices=notices)

    def happy(self) -> list[Part]:
        return [
            Queued(position=1, eta_s=2.0),
            Loading(model="demo"),
            Progress(step=1, steps=2),
            Progress(step=2, steps=2),
            self.finished(),
        ]

    async def submit(self, job: Job, input_image: Path | None, mask: Path | None = None) -> None:
        self.offers += 1
        self._reach()
        if self.full:
            raise EngineFull(0.0)
        if self.refusal is not None:
            raise EngineRefused(self.refusal)
        if job.id not in self.jobs:
            self.inputs.append(input_image)
            self.masks.append(mask)
            self.drawn[job.id] += 1
            parts = self.scripts.pop(0) if self.scripts else self.happy()
            self.jobs[job.id] = Drawing(parts=list(parts), images=self.images)

    async def events(self, job_id: str) -> AsyncGenerator[EngineEvent]:
        self._reach()
        drawing = self._known(job_id)
        for event in list(drawing.log):
            yield event
        while not (drawing.log and isinstance(drawing.log[-1], TERMINAL)):
            if (part := await self._next(job_id, drawing)) is not None:
                drawing.log.append(part)
                yield part

    async def image(self, job_id: str, index: int) -> bytes:
        self._reach()
        return self._known(job_id).images[index]

    async def release(self, job_id: str) -> None:
        self._reach()
        self.released.append(job_id)
        if (drawing := self.jobs.pop(job_id, None)) is not None:
            drawing.cancelled = True
            drawing.changed.set()

    @property
    def is_away(self) -> bool:
        return True

    async def capabilities(self) -> Capabilities:
        raise EngineAway("no capabilities in these tests")

    def die(self) -> None:
        """Forget everything, as after a kill."""
        self.jobs.clear()

    def _reach(self) -> None:
        if self.away:
            raise EngineAway("connection refused")

    def _known(self, job_id: str) -> Drawing:
        if job_id not in self.jobs:
            raise EngineRefused(UNKNOWN)
        return self.jobs[job_id]

    async def _next(self, job_id: str, drawing: Drawing) -> EngineEvent | None:
        """The next event; None after a gate."""
        if drawing.cancelled:
            return Cancelled()
        part = drawing.parts.pop(0)
        if isinstance(part, asyncio.Event):
            waits = [asyncio.ensure_future(part.wait()), asyncio.ensure_future(drawing.changed.wait())]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
                if not part.is_set():
                    drawing.parts.insert(0, part)  # whoever joins later meets the same gate
            return None
        if isinstance(part, Exception):
            self.jobs.pop(job_id, None)
            raise part
        return part


@dataclass
class Call:
    """One call of the chat: what was shown, and the job's state in that moment."""

    what: str
    job: Job
    detail: Any


class ScriptedChat:
    """A chat that shows one message for each job. Posting without looking always makes a new message."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.posts: Counter[str] = Counter()
        self.told: dict[str, str] = {}
        self.uploads: dict[str, list[tuple[str, bytes, str]]] = {}
        self.looks: list[bool] = []
        self.errors: list[
            Exception
        ] = []  # raised by the next calls of post and tell, before anything happens
        self.lost_replies = 0  # the next posts happen, and are not confirmed
        self.on_call: Callable[[Call], None] = lambda _: None

    async def waiting(self, job: Job, event: Queued | None, reason: str | None) -> None:
        self._note("waiting", job, event or reason)

    async def drawing(self, job: Job, event: Loading | Progress) -> None:
        self._note("drawing", job, event)

    async def post(self, job: Job, uploads: Sequence[Upload], *, look_first: bool) -> int:
        self.looks.append(look_first)
        self._note("post", job, uploads)
        if self.errors:
            raise self.errors.pop(0)
        if not (look_first and self.posts[job.id]):
            self.posts[job.id] += 1
            files = [(upload.filename, upload.path.read_bytes(), upload.alt_text) for upload in uploads]
            self.uploads[job.id] = files
        if self.lost_replies:
            self.lost_replies -= 1
            raise ChatUnavailable("connection reset")
        return message_id(job)

    async def tell(self, job: Job, text: str) -> None:
        self._note("tell", job, text)
        if self.errors:
            raise self.errors.pop(0)
        self.told[job.id] = text

    def shown(self, what: str) -> list[Any]:
        return [call.detail for call in self.calls if call.what == what]

    def _note(self, what: str, job: Job, detail: Any) -> None:
        call = Call(what=what, job=job, detail=detail)
        self.calls.append(call)
        self.on_call(call)


def message_id(job: Job) -> int:
    return job.conversation.interaction_id + 10**6
