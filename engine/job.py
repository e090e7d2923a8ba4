"""A request on its way through the engine: what it asks for, how far it is, and what was said about it."""

import asyncio
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from engine.images.inputs import InputFiles, Sent
from engine.queue import cost_of
from engine.spool import Result
from engine.wire import TERMINAL, Event, Failed, Finished, GenerationRequest, WireModel

E = TypeVar("E", bound=WireModel)


class EventLog:
    """The newest event of each type with its number, and a signal that it changed.

    Numbers only grow. A slow reader skips stale progress and nothing piles up; the terminal event stays.
    """

    def __init__(self, last_id: int = 0) -> None:
        self.last_id = last_id
        self._newest: dict[str, tuple[int, Event]] = {}
        self.changed = asyncio.Event()  # set by the next event, and then another one: take it before you look

    def add(self, event: Event) -> None:
        """Number an event and wake the readers. After a terminal one nothing is added."""
        if self.terminal is not None:
            return
        self.last_id += 1
        self._newest[event.type] = (self.last_id, event)
        self.changed.set()
        self.changed = asyncio.Event()

    def after(self, event_id: int) -> list[tuple[int, Event]]:
        """What was said after event `event_id` and still matters, oldest first.

        The terminal event is said again even to those who know it: a stream always ends with one.
        """
        entries = sorted(self._newest.values(), key=lambda entry: entry[0])
        return [entry for entry in entries if entry[0] > event_id or isinstance(entry[1], TERMINAL)]

    def newest(self, kind: type[E]) -> E | None:
        """The newest event of one type."""
        return next((event for _, event in self._newest.values() if isinstance(event, kind)), None)

    @property
    def terminal(self) -> Event | None:
        """The event that ended the job."""
        return next((event for _, event in self._newest.values() if isinstance(event, TERMINAL)), None)


@dataclass(kw_only=True)
class Job:
    """`fingerprint` tells whether two PUTs ask for the same. `files` lie in `folder`."""

    id: str
    request: GenerationRequest
    fingerprint: str
    folder: Path
    files: InputFiles = field(default_factory=InputFiles)
    given: tuple[int, int] | None = None  # (width, height) of the input image
    log: EventLog = field(default_factory=EventLog)
    cancel_requested: bool = False
    added_at: float = 0.0  # monotonic, seconds
    ended_at: float = 0.0  # monotonic, seconds: a clock that is put right must not make it old
    share: float = 0.0  # of the work that is done, in [0, 1]
    cost: int = field(init=False)

    def __post_init__(self) -> None:
        self.cost = cost_of(self.request, self.given)

    @classmethod
    def recovered(cls, job_id: str, result: Result, *, folder: Path, ended_at: float) -> "Job":
        """One that an earlier process finished; `ended_at` is monotonic."""
        log = EventLog(last_id=result.event_id - 1)
        log.add(result.finished)
        return cls(
            id=job_id,
            request=result.request,
            fingerprint=result.fingerprint,
            folder=folder,
            log=log,
            ended_at=ended_at,
        )

    def result(self, finished: Finished, *, ended_at: float) -> Result:
        """What a later process will recover it from. `finished` is the event that comes next."""
        return Result(
            request=self.request,
            fingerprint=self.fingerprint,
            event_id=self.log.last_id + 1,
            ended_at=ended_at,
            finished=finished,
        )

    @property
    def outline(self) -> str:
        """What is asked for, in a few words for the log; without a prompt."""
        request = self.request
        if not request.task.needs_model:
            return f"{request.task}, {len(request.post)} steps"
        size = f"{request.width} × {request.height}"
        return f"{request.task} with {request.model}, {request.candidates} of {size}, {request.steps} steps"

    @property
    def finished(self) -> Finished | None:
        return self.log.terminal if isinstance(self.log.terminal, Finished) else None

    @property
    def left(self) -> float:
        """Of its cost, what is not drawn yet."""
        return self.cost * (1 - self.share)

    @property
    def may_pass(self) -> bool:
        """Whether it failed in a way that a second try may not."""
        return isinstance(self.log.terminal, Failed) and self.log.terminal.error.retryable


def fingerprint_of(request: GenerationRequest, sent: Sent) -> str:
    """SHA-256, in hex, of the canonical JSON of the request and of the bytes of the pictures that came with it."""
    canonical = json.dumps(request.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    whole = hashlib.sha256(canonical.encode() + b"\0" + (sent.image or b""))
    if sent.mask is not None:  # digests have a fixed length: where a picture begins is no question
        whole.update(b"\0" + hashlib.sha256(sent.mask).digest())
    if sent.depth is not None:
        whole.update(b"\0depth" + hashlib.sha256(sent.depth).digest())
    for index in sorted(sent.controls):
        whole.update(b"\0%d" % index + hashlib.sha256(sent.controls[index]).digest())
    return whole.hexdigest()
