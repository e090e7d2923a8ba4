import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from engine import child, frames
from engine.executor import ExecutorEvent
from engine.supervisor import STOP_S, LocalWorker
from engine.watch import HEARTBEAT_LIMIT_S, OPEN_S, Breaker, Watch
from engine.wire import GenerationRequest, Sampler
from tests.patience import DEADLINE_S, Clock, until

WORKER = Path(__file__).with_name("scripted_worker.py")
STEP_S, LOAD_S = 300.0, 600.0


class Stage:
    """A running worker, and what it said."""

    def __init__(self, worker: LocalWorker, folder: Path) -> None:
        self.worker = worker
        self.folder = folder
        self._events = worker.events()

    async def next(self) -> ExecutorEvent:
        return await asyncio.wait_for(anext(self._events), DEADLINE_S)

    async def until(self, kind: type[ExecutorEvent]) -> ExecutorEvent:
        while not isinstance(event := await self.next(), kind):
            pass
        return event

    def start(self, job_id: str, prompt: str) -> None:
        folder = self.folder / job_id
        folder.mkdir()
        self.worker.start(job_id, request(prompt), folder=folder)


def request(prompt: str) -> GenerationRequest:
    return GenerationRequest(
        model="m",
        prompt=prompt,
        width=64,
        height=64,
        steps=4,
        guidance_scale=7,
        sampler=Sampler.EULER,
        seed=1,
    )


@asynccontextmanager
async def staged(
    folder: Path, clock: Callable[[], float], argv: list[str] | None = None, arguments: tuple[str, ...] = ()
) -> AsyncIterator[Stage]:
    worker = LocalWorker(
        partial(
            child.start,
            argv or [sys.executable, str(WORKER), str(folder / "journal"), "2"],
            {**os.environ, "PYTHONPATH": str(WORKER.parents[2])},
        ),
        arguments=arguments,
        step_timeout_s=STEP_S,
        load_timeout_s=LOAD_S,
        clock=clock,
        check_s=0.01,
    )
    running = asyncio.create_task(worker.run())
    try:
        yield Stage(worker, folder)
    finally:
        worker.stop()
        await asyncio.wait_for(running, DEADLINE_S)


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def restarts(worker: LocalWorker, count: int) -> None:
    """Wait until the worker died `count` times."""
    await until(lambda: worker.health.restarts >= count)


async def test_a_job_goes_to_the_worker_and_its_events_come_back(tmp_path: Path, clock: Clock) -> None:
    async with staged(tmp_path, clock) as stage:
        assert not stage.worker.health.ready
        assert isinstance(await stage.next(), frames.Ready)
        health = stage.worker.health
        assert (health.ready, health.device, health.in_flight) == (True, "scripted", 2)
        stage.start("job", "a hamster")
        events = [await stage.next() for _ in range(4)]
        assert [event.type for event in events] == ["loading", "progress", "progress", "finished"]
        assert (tmp_path / "job" / "0.png").exists()


async def test_a_worker_is_told_its_command_line_before_all_else(tmp_path: Path, clock: Clock) -> None:
    async with staged(tmp_path, clock, arguments=("told",)) as stage:
        await stage.next()
        assert stage.worker.health.device == "told"


async def test_a_worker_that_only_starts_is_not_waited_for(tmp_path: Path, clock: Clock) -> None:
    deaf = [sys.executable, "-c", "import time; time.sleep(600)"]
    async with staged(tmp_path, clock, deaf) as stage:
        await until(lambda: stage.worker.pid is not None)
        loop = asyncio.get_running_loop()
        began = loop.time()
    assert loop.time() - began < STOP_S


async def test_a_process_that_runs_when_nobody_wants_it_any_more_is_killed() -> None:
    process = await child.start([sys.executable, "-c", "input()"], os.environ)
    await child.end(process)
    assert process.returncode == -signal.SIGKILL
    await child.end(process)


async def test_a_cancelled_job_says_so_and_the_worker_lives_on(tmp_path: Path, clock: Clock) -> None:
    async with staged(tmp_path, clock) as stage:
        await stage.next()
        stage.start("job", "slow")
        stage.worker.cancel("job")
        stage.worker.cancel("unknown")
        assert await stage.until(frames.Cancelled) == frames.Cancelled(job="job")
        stage.start("next", "a hamster")
        await stage.until(frames.Finished)


async def test_a_killed_worker_loses_its_jobs_retryably_and_is_replaced(tmp_path: Path, clock: Clock) -> None:
    async with staged(tmp_path, clock) as stage:
        await stage.next()
        first = stage.worker.pid
        assert first is not None
        stage.start("one", "slow")
        stage.start("two", "slow")
        os.kill(first, signal.SIGKILL)
        lost = [await stage.until(frames.Failed) for _ in range(2)]
        assert {event.job for event in lost if isinstance(event, frames.Failed)} == {"one", "two"}
        for event in lost:
            assert isinstance(event, frames.Failed)
            assert (event.error.code, event.error.retryable) == ("worker_crashed", True)
        assert not stage.worker.health.ready
        assert stage.worker.health.restarts == 1
        clock.now += 1.1
        await stage.until(frames.Ready)
        assert stage.worker.pid != first
        stage.start("three", "a hamster")
        await stage.until(frames.Finished)


async def test_a_worker_that_was_killed_says_by_whom_and_the_next_one_that_it_starts(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async with staged(tmp_path, clock, [sys.executable, "-c", "import sys; sys.stdin.read()"]) as stage:
        await until(lambda: stage.worker.pid)
        first = stage.worker.pid
        assert first is not None
        with caplog.at_level(logging.INFO):
            os.kill(first, signal.SIGKILL)
            await restarts(stage.worker, 1)
        assert (
            f"worker {first} ended (SIGKILL: if nobody sent it, the machine's memory ran out" in caplog.text
        )
        assert stage.worker.health.reason == "The worker died; the next one starts in 1 s."
        clock.now += 1.1
        await until(lambda: stage.worker.pid not in (None, first))
        assert stage.worker.health.reason == "The worker is starting."


@pytest.mark.parametrize("prompt", ["crash", "garbage slow"])
async def test_a_worker_that_breaks_down_by_itself_is_replaced(
    tmp_path: Path, clock: Clock, prompt: str
) -> None:
    async with staged(tmp_path, clock) as stage:
        await stage.next()
        stage.start("job", prompt)
        event = await stage.until(frames.Failed)
        assert isinstance(event, frames.Failed)
        assert event.error.code == "worker_crashed"
        clock.now += 1.1
        await stage.until(frames.Ready)


async def test_a_silent_worker_is_killed_and_its_job_counts_as_hung(tmp_path: Path, clock: Clock) -> None:
    async with staged(tmp_path, clock) as stage:
        await stage.next()
        first = stage.worker.pid
        stage.start("job", "hang")
        await stage.until(frames.Progress)
        clock.now += HEARTBEAT_LIMIT_S + 1
        event = await stage.until(frames.Failed)
        assert isinstance(event, frames.Failed)
        assert (event.error.code, event.error.retryable) == ("worker_hung", True)
        clock.now += 1.1
        await stage.until(frames.Ready)
        assert stage.worker.pid != first


async def test_a_worker_that_is_stopped_in_the_middle_is_killed(tmp_path: Path, clock: Clock) -> None:
    async with staged(tmp_path, clock) as stage:
        await stage.next()
        assert stage.worker.pid is not None
        os.kill(stage.worker.pid, signal.SIGSTOP)
        stage.start("job", "a hamster")
        clock.now += HEARTBEAT_LIMIT_S + 1
        event = await stage.until(frames.Failed)
        assert isinstance(event, frames.Failed)
        assert event.error.code == "worker_hung"


async def test_a_job_given_while_there_is_no_worker_fails_retryably(tmp_path: Path, clock: Clock) -> None:
    async with staged(tmp_path, clock) as stage:
        stage.start("early", "a hamster")
        event = await stage.next()
        assert isinstance(event, frames.Failed)
        assert event.error.retryable


async def test_three_crashes_in_a_minute_open_the_breaker(tmp_path: Path, clock: Clock) -> None:
    async with staged(tmp_path, clock, [sys.executable, "-c", "raise SystemExit(1)"]) as stage:
        for crash in (1, 2, 3):
            await restarts(stage.worker, crash)
            if crash < 3:
                clock.now += 3
        assert "again and again" in stage.worker.health.reason
        assert not stage.worker.health.ready


async def test_a_worker_that_cannot_be_started_is_tried_again(tmp_path: Path, clock: Clock) -> None:
    async with staged(tmp_path, clock, [str(tmp_path / "nothing")]) as stage:
        await restarts(stage.worker, 1)
        clock.now += 2
        await restarts(stage.worker, 2)


async def test_a_worker_ends_by_itself_when_its_front_is_gone(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(WORKER),
        str(tmp_path / "journal"),
        "1",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(WORKER.parents[2])},
    )
    assert process.stdin is not None
    process.stdin.close()
    await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode == 0


def watch() -> Watch:
    return Watch(now=0, step_s=STEP_S, load_s=LOAD_S)


def test_a_worker_may_take_its_time_to_start_but_not_for_ever() -> None:
    starting = watch()
    assert starting.problem(LOAD_S) is None
    assert starting.problem(LOAD_S + 1) == "no progress for 600 s while starting or loading a model"


def test_an_idle_worker_needs_only_its_heartbeat() -> None:
    idle = watch()
    idle.ready(10)
    idle.heard(5000)
    assert idle.problem(5000 + HEARTBEAT_LIMIT_S) is None
    assert idle.problem(5000 + HEARTBEAT_LIMIT_S + 1) == "no heartbeat for 15 s"


def test_a_heartbeat_does_not_make_up_for_steps() -> None:
    drawing = watch()
    drawing.ready(0)
    drawing.busy(100)
    drawing.heard(100 + STEP_S + 1)
    assert drawing.problem(100 + STEP_S) is None
    assert drawing.problem(100 + STEP_S + 1) == "no progress for 300 s while drawing"


def test_more_work_does_not_move_the_deadline_of_a_hung_step() -> None:
    drawing = watch()
    drawing.ready(0)
    drawing.busy(0)
    drawing.busy(STEP_S)
    drawing.heard(STEP_S + 1)
    assert drawing.problem(STEP_S + 1) is not None


def test_loading_a_model_may_take_longer_than_a_step() -> None:
    loading = watch()
    loading.ready(0)
    loading.busy(0)
    loading.moved(1, loading=True)
    loading.heard(LOAD_S + 2)
    assert loading.problem(LOAD_S) is None
    assert loading.problem(LOAD_S + 2) is not None


def test_the_breaker_closes_again_after_a_quiet_minute() -> None:
    breaker = Breaker()
    delays = []
    for second in (0.0, 10.0, 20.0):
        breaker.crashed(second)
        delays.append(breaker.delay_s(second))
    assert delays == [1, 2, OPEN_S]
    assert breaker.is_open(20)
    assert not breaker.is_open(81)


def test_a_frame_survives_the_pipe_and_an_endless_one_is_not_written() -> None:
    start = frames.Start(
        job="j", request=request("line\nbreak ☃"), input=Path("/in.png"), folder=Path("/out")
    )
    line = frames.encode(start)
    assert line.count(b"\n") == 1
    assert frames.decode_to_worker(line) == start
    endless = frames.Progress(job="j", step=1, steps=2, preview="x" * child.MAX_FRAME_BYTES)
    with pytest.raises(ValueError, match="at most"):
        frames.encode(endless)
