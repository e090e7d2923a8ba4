"""Pictures wait for their decode in order, a piece at a time, and one that fails or leaves is in nobody's way."""

from collections.abc import Generator
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from engine.worker.picture import Picture
from engine.worker.pixels import Pixels
from engine.worker.undecoded import Undecoded


def picture(job_id: str) -> Picture:
    return cast("Picture", SimpleNamespace(job_id=job_id))


def decoding(pieces: int, error: Exception | None = None) -> Generator[None, None, Pixels]:
    for _ in range(pieces - 1):
        yield
    if error is not None:
        raise error
    return np.zeros((8, 8, 3), np.uint8)


class Heard:
    def __init__(self) -> None:
        self.said: list[Any] = []
        self.undecoded = Undecoded(done=self._done, fail=self._fail)

    def _done(self, image: Picture, pixels: Pixels) -> None:
        self.said.append((image.job_id, pixels.shape))

    def _fail(self, job_id: str, error: Exception) -> None:
        self.said.append((job_id, str(error)))


def test_the_first_is_decoded_piece_by_piece_before_the_next() -> None:
    heard = Heard()
    heard.undecoded.add(picture("a"), decoding(2))
    heard.undecoded.add(picture("b"), decoding(1))
    said = []
    while heard.undecoded:
        heard.undecoded.decode_one()
        said.append(len(heard.said))
    assert said == [0, 1, 2]
    assert [job_id for job_id, _ in heard.said] == ["a", "b"]


def test_what_fails_is_told_and_the_next_is_decoded() -> None:
    heard = Heard()
    heard.undecoded.add(picture("a"), decoding(1, ValueError("no numbers")))
    heard.undecoded.add(picture("b"), decoding(1))
    heard.undecoded.decode_one()
    heard.undecoded.decode_one()
    assert heard.said == [("a", "no numbers"), ("b", (8, 8, 3))]


def test_a_job_that_leaves_takes_its_pictures_along() -> None:
    heard = Heard()
    for job_id in ("a", "b", "a"):
        heard.undecoded.add(picture(job_id), decoding(1))
    heard.undecoded.leave("a")
    heard.undecoded.decode_one()
    heard.undecoded.decode_one()
    assert [job_id for job_id, _ in heard.said] == ["b"]
    assert not heard.undecoded
