"""Whatever draws jobs for the front, as the front sees it. `engine/supervisor.py` has the one that there is."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from engine import frames
from engine.images.inputs import InputFiles
from engine.wire import GenerationRequest, Memory

NO_FILES = InputFiles()


@dataclass(frozen=True, kw_only=True)
class Health:
    """Whether the executor can draw, what it draws with, and why not. `in_flight` is in images."""

    ready: bool
    device: str
    in_flight: int
    memory: Memory | None = None
    reason: str = ""
    restarts: int = 0


ExecutorEvent = frames.Ready | frames.JobFrame


class Executor(Protocol):
    """Draws jobs. The calls return at once; what becomes of them comes by `events`."""

    @property
    def health(self) -> Health: ...

    def start(
        self,
        job_id: str,
        request: GenerationRequest,
        *,
        folder: Path,
        files: InputFiles = NO_FILES,
    ) -> None:
        """Draw into `folder`. Exactly one finished, failed or cancelled event follows, whatever happens."""

    def cancel(self, job_id: str) -> None:
        """Stop drawing. Too late, or for a job that is not known, it changes nothing."""

    def events(self) -> AsyncIterator[ExecutorEvent]:
        """What happens, in order, for ever; `Ready` whenever the executor can draw (again)."""
