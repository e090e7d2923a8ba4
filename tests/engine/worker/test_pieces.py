"""Works take turns piece by piece, wait for threads without holding up others, and fail alone."""

from collections.abc import Generator
from concurrent.futures import Future

import pytest

from engine.worker.pieces import Piece, Pieces, Work


class Heard:
    """What becomes of works."""

    def __init__(self) -> None:
        self.woken: list[Work] = []
        self.failed: list[tuple[str, str]] = []
        self.did: list[tuple[str, float]] = []
        self.done: list[tuple[str, object]] = []
        self.pieces = Pieces(
            wake=self.woken.append, fail=lambda job, why: self.failed.append((job, str(why)))
        )

    def add(self, job_id: str, pieces: Generator[Piece, None, object]) -> None:
        self.pieces.add(
            Work(
                job_id=job_id,
                pieces=pieces,
                did=lambda amount: self.did.append((job_id, amount)),
                done=lambda result: self.done.append((job_id, result)),
            )
        )


def counting(count: int) -> Generator[Piece, None, int]:
    for _ in range(count):
        yield 1.0
    return count


def waiting(future: "Future[str]") -> Generator[Piece, None, str]:
    yield future
    return future.result()


@pytest.fixture
def heard() -> Heard:
    return Heard()


def test_two_works_take_turns(heard: Heard) -> None:
    heard.add("a", counting(2))
    heard.add("b", counting(1))
    while heard.pieces.ready:
        heard.pieces.do_one()
    assert heard.did == [("a", 1.0), ("b", 1.0), ("a", 1.0)]
    assert heard.done == [("b", 1), ("a", 2)]
    heard.pieces.do_one()  # nothing is left, and nothing happens


def test_a_work_that_waits_for_a_thread_is_not_ready_until_it_is_woken(heard: Heard) -> None:
    future: Future[str] = Future()
    heard.add("a", waiting(future))
    heard.pieces.do_one()
    assert not heard.pieces.ready
    future.set_result("pixels")
    (work,) = heard.woken
    heard.pieces.resume(work)
    heard.pieces.resume(work)  # told twice, done once
    heard.pieces.do_one()
    assert heard.done == [("a", "pixels")]
    assert not heard.pieces.ready


def test_a_job_that_leaves_takes_its_works_along_also_those_that_wait(heard: Heard) -> None:
    future: Future[str] = Future()
    heard.add("a", waiting(future))
    heard.pieces.do_one()
    heard.add("a", counting(3))
    heard.add("b", counting(1))
    heard.pieces.leave("a")
    future.set_result("late")
    heard.pieces.resume(heard.woken[0])
    while heard.pieces.ready:
        heard.pieces.do_one()
    assert heard.done == [("b", 1)]


def test_what_goes_wrong_fails_its_own_job(heard: Heard) -> None:
    future: Future[str] = Future()
    future.set_exception(ValueError("the thread could not"))
    heard.add("a", waiting(future))
    heard.add("b", counting(1))
    heard.pieces.do_one()
    heard.pieces.resume(heard.woken[0])
    while heard.pieces.ready:
        heard.pieces.do_one()
    assert heard.failed == [("a", "the thread could not")]
    assert heard.done == [("b", 1)]


def test_a_result_that_nobody_can_take_fails_its_job_too(heard: Heard) -> None:
    def refuse(_: object) -> None:
        raise RuntimeError("no room")

    heard.pieces.add(Work(job_id="a", pieces=counting(0), did=lambda _: None, done=refuse))
    heard.pieces.do_one()
    assert heard.failed == [("a", "no room")]
