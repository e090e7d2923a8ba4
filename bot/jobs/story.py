"""One job on its way: offered to the engine, followed, kept, posted. Any step may be the last before a crash.

Everything that matters is in the row, so a story is taken up again from the row's state alone.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Unpack

from bot.config import Limits
from bot.errors import unexpected
from bot.history.database import HistoryUnavailable
from bot.history.files import PictureFiles
from bot.history.store import QUARANTINED, Changes, History
from bot.jobs import reasons
from bot.jobs.delivery import Delivery
from bot.jobs.fetching import fetch, keep
from bot.jobs.following import follow
from bot.jobs.notices import Notice
from bot.jobs.ports import ChatGone, Engine, EngineAway, EngineError, EngineFull, EngineRefused
from bot.jobs.states import UNFINISHED, Job, JobState
from engine.wire import (
    Cancelled,
    ErrorBody,
    Failed,
    Finished,
    Loading,
    Progress,
    Queued,
)

log = logging.getLogger(__name__)

UNKNOWN_JOB = "unknown_job"  # the engine's code for a job that it does not have
ENGINE_LOST = "engine_lost"  # our own code: the engine went away while it drew
_CRASHES = frozenset({"worker_crashed", "worker_hung", ENGINE_LOST})
_OPERATORS = frozenset({"unauthorized", "forbidden", "version_mismatch"})
_PLANNED = frozenset({"shutting_down"})  # nobody's failure: the attempt does not count
RETRY_AFTER_S = 30.0  # the engine's wishes are heard up to this long
MISHAPS = 3  # unexpected errors before the person is told


class Overtaken(Exception):
    """The row is not as this story left it: another process moved it."""


class Story:
    """One unfinished job and all that happens to it. `run` returns when the job has ended."""

    def __init__(
        self,
        job: Job,
        *,
        history: History,
        files: PictureFiles,
        engine: Engine,
        delivery: Delivery,
        limits: Limits,
        clock: Callable[[], datetime],
        backoff: Callable[[int], float],
    ) -> None:
        self.job = job
        self.latest: Queued | Loading | Progress | None = None
        self.sending = False
        self._history = history
        self._files = files
        self._engine = engine
        self._delivery = delivery
        self._limits = limits
        self._clock = clock
        self._backoff = backoff
        self._notices = delivery.notices()
        self._cancelled = asyncio.Event()
        self._tries = 0  # offers in a row that came to nothing
        self._reason: str | None = None  # why the job waits, as last shown
        self._mishaps: list[str] = []  # a sentence with its reference for each unexpected error

    def cancel(self) -> None:
        """Wake the story: its row says that somebody wants it cancelled."""
        self._cancelled.set()

    async def run(self) -> None:
        """Carry the job to its end, through every failure of the engine, the chat and the history."""
        failures = 0
        try:
            while True:
                try:
                    if await self._is_over():
                        return
                    await self._go_on()
                except HistoryUnavailable as error:
                    log.warning("job %s: %s (%s)", self.job.id, error, error.__cause__)
                except Exception as error:
                    self._mishaps.append(unexpected(error, doing=f"carrying job {self.job.id}"))
                else:
                    failures = 0
                    continue
                failures += 1
                await asyncio.sleep(self._backoff(failures))
        finally:
            await self._notices.abandon()

    async def _is_over(self) -> bool:
        job = await self._history.get(self.job.id)
        if job is None or job.state not in UNFINISHED:
            return True
        self.job = job
        if job.cancel_requested_at is not None:
            self._cancelled.set()
        return False

    async def _go_on(self) -> None:
        """The next part of the story, by the row's state."""
        if len(self._mishaps) >= MISHAPS:
            await self._give_up()
        elif self.job.state in (JobState.GENERATED, JobState.POSTING):
            await self._deliver()
        elif self._cancelled.is_set():
            await self._end(JobState.CANCELLED, reasons.CANCELLED)
        elif self.job.crashes >= self._limits.crashes:
            await self._fail(ErrorBody(code=QUARANTINED, message=reasons.quarantined(self.job.crashes)))
        elif self.job.state is not JobState.RUNNING and self._clock() >= self._expires_at:
            await self._end(JobState.EXPIRED, reasons.expired(self._limits.wait_hours))
        else:
            await self._draw()

    async def _draw(self) -> None:
        """Offer the job once, and do what its outcome asks for."""
        match await self._offer():
            case Finished() as finished:
                await self._keep(finished)
            case Failed(error=error) if error.retryable:
                await self._again(error)
            case Failed(error=error):
                await self._fail(error)
            case Cancelled():
                await self._end(JobState.CANCELLED, reasons.CANCELLED)

    async def _offer(self) -> Finished | Failed | Cancelled | None:
        """Hand the job to the engine and follow it. None where it has to be offered again."""
        try:
            await self._engine.submit(
                self.job, self._path(self.job.input_sha256), self._path(self.job.mask_sha256)
            )
        except EngineFull as full:
            await self._wait(reasons.ENGINE_FULL, full.retry_after)
            return None
        except EngineAway:
            await self._wait(reasons.ENGINE_AWAY)
            return None
        except EngineRefused as refused:
            return await self._refused(refused.error)
        return await self._follow()

    async def _follow(self) -> Finished | Failed | Cancelled | None:
        try:
            return await follow(
                self._engine,
                self.job.id,
                hear=self._hear,
                cancelled=self._cancelled,
                deadline=self._deadline,
            )
        except EngineAway:
            return await self._lost()
        except EngineRefused as refused:
            return await (self._lost() if refused.error.code == UNKNOWN_JOB else self._refused(refused.error))

    async def _refused(self, error: ErrorBody) -> Failed | None:
        """What is wrong between the two programs is the operator's to mend: the job waits for that."""
        if error.code not in _OPERATORS:
            return Failed(error=error)
        log.error("the engine refuses this bot (%s): %s", error.code, error.message)
        await self._wait(reasons.ENGINE_AWAY)
        return None

    async def _lost(self) -> Failed | None:
        """The stream broke, or a restarted engine does not know the job: a crash if it was being drawn."""
        if self.job.state is JobState.RUNNING:
            return Failed(error=ErrorBody(code=ENGINE_LOST, message=reasons.ENGINE_LOST, retryable=True))
        await self._wait(reasons.ENGINE_AWAY)
        return None

    async def _hear(self, event: Queued | Loading | Progress) -> None:
        self.latest, self._reason, self._tries = event, None, 0
        if isinstance(event, Queued):
            if self.job.state is JobState.RUNNING:
                await self._move(JobState.QUEUED)
        elif self.job.state is not JobState.RUNNING:
            await self._move(JobState.RUNNING)
        await self._show(Notice(job=self.job, event=event))

    async def _keep(self, finished: Finished) -> None:
        """Fetch the pictures into our own files; with their rows the job is `generated`."""
        try:
            pictures = [(info, await fetch(self._engine, self.job.id, info)) for info in finished.images]
        except EngineAway:
            await self._wait(reasons.ENGINE_AWAY)
            return
        except EngineRefused as refused:
            await self._again(refused.error)
            return
        await self._have_run()
        job = self.job
        changes: Changes = {
            "seconds": finished.seconds,
            "notices": finished.notices,
            "description": finished.description,
        }
        async with self._files.shelf:
            images = [await keep(self._files, info, data) for info, data in pictures]
            self._taken(await self._history.add_images(job.id, images, attempt=job.attempt, **changes))

    async def _again(self, error: ErrorBody) -> None:
        """Put the job back to be drawn again, unless it was tried often enough."""
        if error.code != ENGINE_LOST:
            # Else the next offer would attach to this failure. A lost job may still be drawing: leave it.
            try:
                await self._engine.release(self.job.id)
            except EngineAway:
                await self._wait(reasons.ENGINE_AWAY)
                return
        planned = error.code in _PLANNED
        attempt = self.job.attempt + (not planned)
        if attempt >= self._limits.attempts:
            await self._fail(error)
            return
        await self._have_run()
        log.warning(
            "job %s: %s; offered again (try %d of %d)",
            self.job.id,
            error.code,
            attempt + 1,
            self._limits.attempts,
        )
        crashes = self.job.crashes + (error.code in _CRASHES)
        await self._move(JobState.QUEUED, next_attempt=attempt, crashes=crashes)
        if crashes < self._limits.crashes:
            again = reasons.again(attempt + 1, self._limits.attempts)
            await self._wait(reasons.ENGINE_AWAY if planned else again)

    async def _deliver(self) -> None:
        """Post the pictures. Found in `posting`, an earlier send may have arrived: look first."""
        look_first = self.job.state is JobState.POSTING
        await self._notices.close()
        if not look_first:
            await self._move(JobState.POSTING)
        images = await self._history.images(self.job.id)
        self.sending = True
        try:
            message_id, notices = await self._delivery.post(self.job, images, look_first=look_first)
        except ChatGone as gone:
            await self._fail(ErrorBody(code="undeliverable", message=reasons.undeliverable(str(gone))))
            return
        else:
            changes: Changes = {"message_id": message_id, "notices": notices, "posted_at": self._clock()}
            await self._move(JobState.POSTED, **changes)
        finally:
            self.sending = False
        await self._release()
        if not images:  # a description: nothing goes on from its input
            await self._drop_inputs()

    async def _fail(self, error: ErrorBody) -> None:
        await self._end(JobState.FAILED, reasons.refused(error), error=error)

    async def _end(self, to: JobState, text: str, **changes: Unpack[Changes]) -> None:
        """Tell the person, then end the job: only who was told is done with."""
        await self._notices.close()
        try:
            await self._delivery.tell(self.job, text)
        except ChatGone as gone:
            log.warning("job %s: nobody left to tell: %s", self.job.id, gone)
        await self._move(to, **changes)
        await self._release()
        await self._drop_inputs()

    async def _give_up(self) -> None:
        """After unexpected errors: tell the reference. Where even that fails again and again, only note it."""
        error = ErrorBody(code="internal", message=self._mishaps[-1])
        if len(self._mishaps) < 2 * MISHAPS:
            await self._fail(error)
            return
        await self._move(JobState.FAILED, error=error)

    async def _release(self) -> None:
        """Let the engine forget the job. Where it cannot be reached, its spool is swept after a day."""
        try:
            await self._engine.release(self.job.id)
        except EngineError as error:
            log.info("job %s: not released: %s", self.job.id, error)

    async def _drop_inputs(self) -> None:
        async with self._files.shelf:
            await self._files.remove(await self._history.drop_inputs(self.job.id))

    async def _wait(self, reason: str, seconds: float = 0.0) -> None:
        """Say once why the job waits, and wait at least `seconds`, or until it is cancelled."""
        if self.job.state is JobState.RUNNING:
            await self._move(JobState.QUEUED)
        if reason != self._reason and await self._show(Notice(job=self.job, reason=reason)):
            self._reason = reason
            log.info("job %s: waits: %s", self.job.id, reason)
        self.latest = None
        self._tries += 1
        with suppress(TimeoutError):
            async with asyncio.timeout(max(min(seconds, RETRY_AFTER_S), self._backoff(self._tries))):
                await self._cancelled.wait()

    async def _show(self, notice: Notice) -> bool:
        """Show a notice. The first one is waited for: a job is `queued` once the person knows."""
        if self.job.state is not JobState.RECEIVED:
            self._notices.show(notice)
            return True
        if taken := await self._notices.show_now(notice):
            await self._move(JobState.QUEUED)
        return taken

    async def _have_run(self) -> None:
        """The engine drew this, even if the events that say so were missed."""
        if self.job.state is not JobState.RUNNING:
            await self._move(JobState.RUNNING)

    async def _move(self, to: JobState, **changes: Unpack[Changes]) -> None:
        self._taken(await self._history.move(self.job.id, to, attempt=self.job.attempt, **changes))

    def _taken(self, job: Job | None) -> None:
        if job is None:
            raise Overtaken(f"job {self.job.id} was moved by somebody else")
        age = (self._clock() - job.created_at).total_seconds()
        why = f", {job.error.code}" if job.error else ""
        log.info("job %s: %s, attempt %d, after %.1f s%s", job.id, job.state, job.attempt + 1, age, why)
        self.job = job

    @property
    def _expires_at(self) -> datetime:
        return self.job.created_at + timedelta(hours=self._limits.wait_hours)

    def _deadline(self) -> float | None:
        """When waiting ends, on the event loop's clock; None while the job is being drawn."""
        if self.job.state is JobState.RUNNING:
            return None
        left = (self._expires_at - self._clock()).total_seconds()
        return asyncio.get_running_loop().time() + left

    def _path(self, sha256: str | None) -> Path | None:
        return None if sha256 is None else self._files.path(sha256)
