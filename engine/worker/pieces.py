"""Work around drawing, such as upscaling, cut into small pieces: between two of them everything else goes on.

A work is a generator. It yields how much of its plan a piece did, or a future of what a thread does for it meanwhile,
and returns its result.
"""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

Piece = float | Future[Any]


@dataclass(kw_only=True, eq=False)
class Work:
    """One picture's work. `did` hears after each piece how much of the plan it was, `done` the result."""

    job_id: str
    pieces: Generator[Piece, None, Any]
    did: Callable[[float], None]
    done: Callable[[Any], None]


@dataclass(frozen=True)
class Resumed:
    """What a work waited for in a thread is done: a message for whoever owns its Pieces."""

    work: Work


class Pieces:
    """Works that take turns. `wake` is called, in another thread, when one need not wait for its future any more.

    `fail` hears the job of a work that raised, and what.
    """

    def __init__(self, *, wake: Callable[[Work], None], fail: Callable[[str, Exception], None]) -> None:
        self._wake = wake
        self._fail = fail
        self._turns: deque[Work] = deque()
        self._waiting: list[Work] = []

    @property
    def ready(self) -> bool:
        """Whether there is a piece to do now."""
        return bool(self._turns)

    def add(self, work: Work) -> None:
        self._turns.append(work)

    def resume(self, work: Work) -> None:
        """A future of a work is done; works that have left are not taken up again."""
        if work in self._waiting:
            self._waiting.remove(work)
            self._turns.append(work)

    def leave(self, job_id: str) -> None:
        """Drop all works of a job."""
        self._turns = deque(work for work in self._turns if work.job_id != job_id)
        self._waiting = [work for work in self._waiting if work.job_id != job_id]

    def do_one(self) -> None:
        """The next piece of the work whose turn it is."""
        if not self._turns:
            return
        work = self._turns.popleft()
        try:
            piece = next(work.pieces)
        except StopIteration as end:
            self._finish(work, end.value)
        except Exception as error:
            self._fail(work.job_id, error)
        else:
            self._after(work, piece)

    def _finish(self, work: Work, result: Any) -> None:
        try:
            work.done(result)
        except Exception as error:
            self._fail(work.job_id, error)

    def _after(self, work: Work, piece: Piece) -> None:
        if isinstance(piece, Future):
            self._waiting.append(work)
            piece.add_done_callback(lambda _: self._wake(work))
            return
        self._turns.append(work)
        work.did(piece)
