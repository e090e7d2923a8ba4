"""Pictures that have had their steps and are not pixels yet: decoded one after the other, a piece at a time."""

from collections import deque
from collections.abc import Callable, Generator

from engine.worker.picture import Picture
from engine.worker.pixels import Pixels


class Undecoded:
    """`done` hears of a picture and its pixels, `fail` of a job whose picture could not be decoded, and why."""

    def __init__(
        self, *, done: Callable[[Picture, Pixels], None], fail: Callable[[str, Exception], None]
    ) -> None:
        self._done = done
        self._fail = fail
        self._waiting: deque[tuple[Picture, Generator[None, None, Pixels]]] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, image: Picture, decoding: Generator[None, None, Pixels]) -> None:
        """`decoding` yields whenever steps may go on."""
        self._waiting.append((image, decoding))

    def leave(self, job_id: str) -> None:
        """Drop all pictures of a job."""
        self._waiting = deque(each for each in self._waiting if each[0].job_id != job_id)

    def decode_one(self) -> None:
        """One picture, or a tile of it, so that a decode never holds up the others' steps for long."""
        if not self._waiting:
            return
        image, decoding = self._waiting[0]
        try:
            next(decoding)
        except StopIteration as end:
            self._waiting.popleft()
            self._done(image, end.value)
        except Exception as error:
            self._waiting.popleft()
            self._fail(image.job_id, error)
