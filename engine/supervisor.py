"""The worker as the process that it really is: started, watched, killed, replaced."""

import asyncio
import contextlib
import logging
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

from engine import child, frames
from engine.errors import Refusal
from engine.executor import NO_FILES, ExecutorEvent, Health
from engine.images.inputs import InputFiles
from engine.watch import Breaker, Watch
from engine.wire import STARTING, GenerationRequest

log = logging.getLogger(__name__)

STOP_S = 5.0  # a worker that was told to stop is killed after so long; at once while it only starts
DRAIN_S = 1.0
LOG_LINE_CHARS = 2000
STARTING_WORKER = "The worker is starting."


class LocalWorker:
    """An `Executor`: one subprocess that speaks `engine/frames.py` over its stdin and stdout.

    Whoever awaits `run` owns it.

    `start` starts a process, which is then told its command line, `arguments`. `clock` is monotonic, in seconds;
    deadlines are looked at every `check_s`.
    """

    def __init__(
        self,
        start: Callable[[], Awaitable[Process]],
        *,
        arguments: Sequence[str] = (),
        step_timeout_s: float,
        load_timeout_s: float,
        clock: Callable[[], float],
        check_s: float = 0.5,
    ) -> None:
        self._start = start
        self._begin = frames.Begin(arguments=tuple(arguments))
        self._step_s = step_timeout_s
        self._load_s = load_timeout_s
        self._clock = clock
        self._check_s = check_s
        self._events: asyncio.Queue[ExecutorEvent] = asyncio.Queue()
        self._in_flight: set[str] = set()
        self._breaker = Breaker()
        self._process: Process | None = None
        self._watch: Watch | None = None
        self._stopping = asyncio.Event()
        self._health = Health(ready=False, device=STARTING, in_flight=1, reason=STARTING_WORKER)

    @property
    def health(self) -> Health:
        return self._health

    @property
    def pid(self) -> int | None:
        """The process id of the worker that runs now."""
        return self._process.pid if self._process else None

    def start(
        self,
        job_id: str,
        request: GenerationRequest,
        *,
        folder: Path,
        files: InputFiles = NO_FILES,
    ) -> None:
        self._in_flight.add(job_id)
        if not self._health.ready or self._watch is None:
            self._lose_jobs("worker_crashed")
            return
        self._watch.busy(self._clock())
        self._send(
            frames.Start(
                job=job_id,
                request=request,
                input=files.image,
                mask=files.mask,
                depth=files.depth,
                controls=files.controls,
                folder=folder,
            )
        )

    def cancel(self, job_id: str) -> None:
        if job_id in self._in_flight:
            self._send(frames.Cancel(job=job_id))

    async def events(self) -> AsyncIterator[ExecutorEvent]:
        while True:
            yield await self._events.get()

    def stop(self) -> None:
        """Let the worker end; `run` then returns."""
        self._stopping.set()

    async def run(self) -> None:
        """Keep a worker alive until `stop`. A crash loses the jobs in flight, each with its event, and no more."""
        while not self._stopping.is_set():
            code = "worker_crashed"
            try:
                code = await self._live()
            except OSError:
                log.exception("the worker could not be started")
            if not self._stopping.is_set():
                self._crashed(code)
                await self._pause()
        self._down("The engine is stopping.")
        self._lose_jobs("shutting_down")

    async def _live(self) -> str:
        """One process from start to end; returns the code of the error for the jobs that it held."""
        process = await self._start()
        self._process = process
        self._send(self._begin)
        self._watch = Watch(now=self._clock(), step_s=self._step_s, load_s=self._load_s)
        log.info("worker %d started", process.pid)
        self._down(STARTING_WORKER)
        reading = asyncio.create_task(self._read(process), name="worker's frames")
        lines = asyncio.create_task(_log_lines(process), name="worker's log")
        hung = False
        try:
            hung = await self._attend(process, reading)
        finally:
            self._down("The worker ended.")  # before anything is told that would bring it new jobs
            child.kill(process)
            await process.wait()
            await _finish_reading(reading, lines)
            level = logging.INFO if self._stopping.is_set() else logging.WARNING
            log.log(level, "worker %d ended (%s)", process.pid, self._ending(process, hung=hung))
            self._process, self._watch = None, None
        return "worker_hung" if hung else "worker_crashed"

    async def _attend(self, process: Process, reading: asyncio.Task[None]) -> bool:
        """Wait until the worker ends, makes no sense or is to be stopped; True where it hung."""
        ended = asyncio.create_task(process.wait(), name="worker's end")
        stopping = asyncio.create_task(self._stopping.wait(), name="stop")
        try:
            while True:
                done, _ = await asyncio.wait(
                    {ended, stopping, reading}, timeout=self._check_s, return_when=asyncio.FIRST_COMPLETED
                )
                if stopping in done:
                    self._send(frames.Stop())
                    await asyncio.wait({ended}, timeout=STOP_S if self._health.ready else 0)
                if done:
                    return False
                if self._watch and (problem := self._watch.problem(self._clock())):
                    log.error("worker %d is killed: %s", process.pid, problem)
                    return True
        finally:
            ended.cancel()
            stopping.cancel()

    async def _read(self, process: Process) -> None:
        """Frames until end of file, or until one makes no sense: then nothing after it can be trusted."""
        assert process.stdout is not None  # it was started with a pipe
        try:
            while line := await process.stdout.readline():
                self._hear(frames.decode_from_worker(line))
        except ValueError:
            log.error("worker %d wrote a line that is no frame, or longer than a frame may be", process.pid)

    def _hear(self, frame: frames.FromWorker) -> None:
        if self._watch is None:
            return
        now = self._clock()
        self._watch.heard(now)
        match frame:
            case frames.Heartbeat():
                return
            case frames.Ready():
                self._watch.ready(now)
                self._health = Health(
                    ready=True,
                    device=frame.device,
                    in_flight=frame.in_flight,
                    memory=frame.memory,
                    restarts=self._health.restarts,
                )
                self._events.put_nowait(frame)
                log.info("worker ready on %s, %d images in flight", frame.device, frame.in_flight)
            case _ if frame.job in self._in_flight:
                self._watch.moved(now, loading=isinstance(frame, frames.Loading))
                self._report(frame)

    def _report(self, frame: frames.JobFrame) -> None:
        if not isinstance(frame, frames.Loading | frames.Progress):
            self._in_flight.discard(frame.job)
            if not self._in_flight and self._watch:
                self._watch.idle()
        self._events.put_nowait(frame)

    def _crashed(self, code: str) -> None:
        now = self._clock()
        self._breaker.crashed(now)
        state = "dies again and again" if self._breaker.is_open(now) else "died"
        reason = f"The worker {state}; the next one starts in {self._breaker.delay_s(now):g} s."
        log.error(reason)
        self._down(reason, restarts=1)
        self._lose_jobs(code)

    async def _pause(self) -> None:
        """Wait as long as the breaker says."""
        now = self._clock()
        delay = self._breaker.delay_s(now)
        while self._clock() - now < delay and not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._check_s)

    def _ending(self, process: Process, *, hung: bool) -> str:
        """How a worker ended, in words for the log."""
        code = process.returncode or 0
        if code >= 0:
            return f"exit code {code}"
        if code != -signal.SIGKILL or hung or self._stopping.is_set():
            return signal.Signals(-code).name
        return "SIGKILL: if nobody sent it, the machine's memory ran out, and the kernel's log says so"

    def _down(self, reason: str, *, restarts: int = 0) -> None:
        self._health = Health(
            ready=False,
            device=self._health.device,
            in_flight=self._health.in_flight,
            memory=self._health.memory,
            reason=reason,
            restarts=self._health.restarts + restarts,
        )

    def _lose_jobs(self, code: str) -> None:
        error = Refusal(code, _LOST[code]).body
        for job_id in sorted(self._in_flight):
            self._report(frames.Failed(job=job_id, error=error))

    def _send(self, frame: frames.Begin | frames.ToWorker) -> None:
        """Write without waiting: frames are few and small, and a worker that reads none is found by its silence."""
        if self._process and self._process.stdin and not self._process.stdin.is_closing():
            self._process.stdin.write(frames.encode(frame))


_LOST = {
    "worker_crashed": "The process that draws broke down while it was drawing this.",
    "worker_hung": "The process that draws made no progress and was restarted.",
    "shutting_down": "The engine is stopping.",
}


async def _finish_reading(*tasks: asyncio.Task[None]) -> None:
    """What the worker said before it ended still counts. A child of it may hold the pipes open: a second, no more."""
    await asyncio.wait(tasks, timeout=DRAIN_S)
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            log.error("reading from the worker failed", exc_info=outcome)


async def _log_lines(process: Process) -> None:
    """The worker's stderr into our log. A line that is too long is cut, never a reason to stop reading."""
    assert process.stderr is not None  # it was started with a pipe
    level = logging.WARNING  # of what did not come through the worker's own log
    while chunk := await process.stderr.read(64 * 1024):
        for line in chunk.decode(errors="replace").splitlines():
            first, _, rest = line.partition(" ")
            level = logging.getLevelNamesMapping().get(
                first, level
            )  # lines of a traceback have none of their own
            if line.strip():
                said = rest if first in logging.getLevelNamesMapping() else line
                log.log(level, "worker %d: %s", process.pid, said.rstrip()[:LOG_LINE_CHARS])
