"""The jobs of this engine and their way: admitted, queued, handed to the executor, kept until acknowledged.

No HTTP and no torch. Everything runs in one event loop; files are written in threads. What a job's log says
is true when it is said: images are on disk before `finished`, a place in the queue is taken before `queued`.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable

from engine import estimates, frames, wire
from engine.admission import admitted
from engine.catalogue import Catalogue
from engine.errors import Refusal
from engine.executor import Executor, ExecutorEvent
from engine.images.inputs import InputFiles, Inputs, Sent
from engine.job import EventLog, Job, fingerprint_of
from engine.metrics import Metrics
from engine.pace import Pace
from engine.queue import FairQueue, Ticket
from engine.speed import Speed
from engine.spool import Spool

log = logging.getLogger(__name__)

SWEEP_S = 600.0
RETRY_S = 10.0  # when to come back, where nothing was measured yet


class Front:
    """`clock` is monotonic and `wall` is wall clock time, both in seconds. Call `open` before anything else.

    `speed` is the operator's: what requests may lose for it.
    """

    def __init__(
        self,
        *,
        executor: Executor,
        catalogue: Catalogue,
        spool: Spool,
        queue: FairQueue,
        speed: Speed = Speed.EXACT,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._executor = executor
        self._catalogue = catalogue
        self._spool = spool
        self._queue = queue
        self._speed = speed
        self._clock = clock
        self._wall = wall
        self._jobs: dict[str, Job] = {}
        self._running: dict[str, Job] = {}
        self._loaded: str | None = None
        self._pace = Pace()
        self._admission = asyncio.Lock()  # looking a job up, making its folder and adding it belong together
        self._hearing = asyncio.Lock()  # what is just being committed must not be given up
        self._idle = asyncio.Event()
        self._closing = False
        self.metrics = Metrics(
            waiting=lambda: len(self._queue),
            running=lambda: len(self._running),
            health=lambda: self._executor.health,
        )

    async def open(self) -> None:
        """Look for models, and for finished jobs that an earlier process left. Raises OSError."""
        await self._catalogue.refresh()
        for job_id, result in (await asyncio.to_thread(self._spool.recover)).items():
            self._jobs[job_id] = Job.recovered(
                job_id,
                result,
                folder=self._spool.folder(job_id),
                ended_at=self._clock() - self._spool.age(result),
            )

    async def run(self) -> None:
        """Follow the executor and sweep the spool, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(), name="executor's events")
            tasks.create_task(self._sweep_now_and_then(), name="sweep")

    def readiness(self) -> wire.Readiness:
        """Whether pictures can be drawn now, and how many jobs there are."""
        reason = self._not_ready()
        return wire.Readiness(
            status="not ready" if reason else "ready",
            reason=reason,
            running=len(self._running),
            waiting=len(self._queue),
        )

    def _not_ready(self) -> str:
        """Why nothing can be drawn now, in a sentence; empty where it can."""
        if self._closing:
            return "The engine is stopping."
        if not self._catalogue.capabilities().models:
            return "There is no model."
        health = self._executor.health
        return "" if health.ready else health.reason

    def job(self, job_id: str) -> Job:
        """Raises Refusal unknown_job."""
        try:
            return self._jobs[job_id]
        except KeyError:
            raise Refusal("unknown_job", "No job has this id.") from None

    async def submit(self, job_id: str, request: wire.GenerationRequest, sent: Sent) -> tuple[Job, bool]:
        """The job under this id, and whether it is new.

        The same request again attaches to it; only after a failure that may pass is it drawn anew.
        Raises Refusal: shutting_down, conflict, queue_full, storage_full, and those of `admitted`.
        """
        fingerprint = await asyncio.to_thread(fingerprint_of, request, sent)
        if (known := self._attachable(job_id, fingerprint)) is not None:
            return known, False
        self._check_room()
        # Outside of the lock: others must be able to cancel while a large picture is decoded.
        request, inputs = await admitted(request, sent, self._catalogue.capabilities(), self._speed)
        async with self._admission:
            if (known := self._attachable(job_id, fingerprint)) is not None:
                return known, False
            self._check_room()  # the queue may have filled, or the engine begun to stop, meanwhile
            failed = self._jobs.get(job_id)
            job = Job(
                id=job_id,
                request=request,
                fingerprint=fingerprint,
                folder=self._spool.folder(job_id),
                files=await self._open_folder(job_id, inputs),
                given=inputs.size,
                log=EventLog(last_id=failed.log.last_id if failed else 0),
                added_at=self._clock(),
            )
            self._add(job)
        return job, True

    def _add(self, job: Job) -> None:
        request = job.request
        self._jobs[job.id] = job
        model = request.model if request.task.needs_model else None
        self._queue.add(Ticket(job_id=job.id, owner=request.owner, model=model, cost=job.cost))
        log.info("job %s: accepted, %s", job.id, job.outline)
        self._announce()  # also where it is handed over at once: a stream begins with "queued"
        self._hand_over()

    async def release(self, job_id: str) -> None:
        """Cancel a job, or forget one that has ended. May run twice; unknown ids are fine."""
        async with self._admission:
            job = self._jobs.get(job_id)
            if job is None:
                return
            if job.log.terminal:
                del self._jobs[job_id]
                await asyncio.to_thread(self._spool.remove, job_id)
            elif self._queue.remove(job_id):
                await self._end(job, wire.Cancelled())
            else:
                job.cancel_requested = True
                self._executor.cancel(job_id)

    async def drain(self, grace_s: float) -> None:
        """Take no more, give waiting jobs back, and let those that are being drawn finish for `grace_s`."""
        self._closing = True
        stopping = wire.Failed(error=Refusal("shutting_down", "The engine is stopping.").body)
        async with self._admission:
            for ticket in list(self._queue):
                self._queue.remove(ticket.job_id)
                await self._end(self._jobs[ticket.job_id], stopping)
        if self._running:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), grace_s)
        async with self._hearing:
            for job in list(self._running.values()):
                await self._end(job, stopping)

    async def _follow(self) -> None:
        async for event in self._executor.events():
            async with self._hearing:
                await self._hear(event)

    async def _hear(self, event: ExecutorEvent) -> None:
        if isinstance(event, frames.Ready):
            self._loaded = None
            self._hand_over()
            return
        job = self._running.get(event.job)
        if job is None:
            return
        match event:
            case frames.Loading():
                self._pace.pause()
                job.log.add(wire.Loading(model=event.model))
            case frames.Progress():
                self._progress(job, event)
            case frames.Finished():
                await self._finish(job, event)
            case frames.Failed() if not job.cancel_requested:
                await self._end(job, wire.Failed(error=event.error))
            case _:
                await self._end(job, wire.Cancelled())

    def _progress(self, job: Job, event: frames.Progress) -> None:
        share = min(event.step / event.steps, 1.0)
        self._pace.record(max(share - job.share, 0) * job.cost, self._clock())
        job.share = max(share, job.share)
        job.log.add(
            wire.Progress(
                step=event.step,
                steps=event.steps,
                eta_s=self._pace.seconds(estimates.shared_cost(job, self._running.values())),
                preview=event.preview,
            )
        )
        if seconds := self._pace.seconds(job.request.width * job.request.height):
            self.metrics.step.observe(seconds)
            self._announce()

    async def _finish(self, job: Job, event: frames.Finished) -> None:
        """Commit, then tell."""
        finished = wire.Finished(
            images=event.images,
            seconds=event.seconds,
            notices=event.notices,
            description=event.description,
        )
        try:
            await asyncio.to_thread(self._spool.finish, job.id, job.result(finished, ended_at=self._wall()))
        except FileNotFoundError:
            log.exception("job %s finished without its images", job.id)
            error = Refusal("internal", "The engine lost the picture after drawing it.").body
            await self._end(job, wire.Failed(error=error))
        except OSError as failure:
            log.error("job %s could not be stored: %s", job.id, failure)
            error = Refusal("storage_full", "The engine could not store the picture.").body
            await self._end(job, wire.Failed(error=error))
        else:
            await self._end(job, finished)

    async def _end(self, job: Job, event: wire.Finished | wire.Failed | wire.Cancelled) -> None:
        """Say the last word about a job. Its files go first: the same id may come again at once."""
        if not isinstance(event, wire.Finished):
            await asyncio.to_thread(self._spool.remove, job.id)
        job.ended_at = self._clock()
        self._note(job, event)
        job.log.add(event)
        self.metrics.jobs.labels(outcome=event.type).inc()
        self._running.pop(job.id, None)
        if not self._running:
            self._idle.set()
        self._hand_over()

    def _note(self, job: Job, event: wire.Finished | wire.Failed | wire.Cancelled) -> None:
        """The line of the log that an operator looks for. A failure's words may hold what a person typed."""
        how = f"failed, {event.error.code}" if isinstance(event, wire.Failed) else event.type
        level = logging.WARNING if isinstance(event, wire.Failed) and not self._closing else logging.INFO
        log.log(level, "job %s: %s, after %.1f s", job.id, how, self._clock() - job.added_at)

    def _check_room(self) -> None:
        if self._closing:
            raise Refusal("shutting_down", "The engine is stopping.", retry_after=RETRY_S)
        if self._queue.full:
            first = self._queue.peek(self._loaded)
            seconds = self._pace.seconds(first.cost) if first else None
            raise Refusal(
                "queue_full",
                f"The queue holds {self._queue.capacity} jobs, which is its limit.",
                retry_after=max(1, math.ceil(seconds or RETRY_S)),
            )

    def _attachable(self, job_id: str, fingerprint: str) -> Job | None:
        """The job that the same request attaches to; None where it is new, or failed in a way that may pass."""
        known = self._jobs.get(job_id)
        if known and known.fingerprint != fingerprint:
            raise Refusal("conflict", "The id belongs to a job with other content.")
        return known if known and not known.may_pass else None

    async def _open_folder(self, job_id: str, inputs: Inputs) -> InputFiles:
        try:
            return await asyncio.to_thread(self._spool.open, job_id, inputs)
        except OSError as error:
            log.error("the spool could not be written: %s", error)
            raise Refusal(
                "storage_full", "The engine's disk takes nothing more.", retry_after=RETRY_S
            ) from None

    def _hand_over(self) -> None:
        """Give the executor what fits, and tell the others where they stand."""
        while not self._closing and (ticket := self._queue.peek(self._loaded)) and self._fits(ticket):
            self._queue.pop(self._loaded)
            job = self._jobs[ticket.job_id]
            if not self._running:
                self._pace.pause()
            self._running[job.id] = job
            self._idle.clear()
            self._loaded = ticket.model or self._loaded
            self.metrics.wait.observe(self._clock() - job.added_at)
            log.info("job %s: handed to the worker, after %.1f s", job.id, self._clock() - job.added_at)
            self._executor.start(job.id, job.request, folder=job.folder, files=job.files)
        self._announce()

    def _fits(self, ticket: Ticket) -> bool:
        """One model at a time, up to the executor's number of images; a job that is larger goes alone."""
        health = self._executor.health
        if not self._running or not health.ready:
            return health.ready
        images = sum(job.request.candidates for job in self._running.values())
        count = self._jobs[ticket.job_id].request.candidates
        return ticket.model in (None, self._loaded) and images + count <= health.in_flight

    def _announce(self) -> None:
        running = self._running.values()
        estimates.announce(self._queue.order(self._loaded), self._jobs, running=running, pace=self._pace)

    async def _sweep_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            await self.sweep()

    async def sweep(self) -> None:
        """Forget what ended so long ago that nobody will ask for it."""
        for job in list(self._jobs.values()):
            if job.log.terminal and self._spool.expired(self._clock() - job.ended_at):
                await self.release(job.id)
