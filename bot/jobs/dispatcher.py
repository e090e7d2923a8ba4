"""From a request to its picture: takes jobs, owns one task for each, and loses none.

The dispatcher and its stories are the only writers of job state. It knows no Discord and no HTTP.
"""

import asyncio
import logging
import random
import secrets
from collections.abc import Callable
from datetime import UTC, datetime

from bot.config import Limits
from bot.errors import Refused
from bot.history.files import PictureFiles, sha256
from bot.history.rows import fingerprint
from bot.history.store import History
from bot.jobs import limits as rules
from bot.jobs import reasons
from bot.jobs.delivery import Delivery
from bot.jobs.inputs import NOTHING, Inputs
from bot.jobs.ports import Chat, Engine
from bot.jobs.states import UNFINISHED, Conversation, Job, JobState
from bot.jobs.story import Story
from engine.wire import GenerationRequest, Loading, Progress, Queued

log = logging.getLogger(__name__)

STOP_GRACE_S = (
    5.0  # a message on its way to Discord may still arrive; everything else goes on after the restart
)
NOTE_S = 60.0  # how long Delete waits for a picture that can be seen already to be noted as posted


def backoff(tries: int) -> float:
    """Seconds before the next try: doubling from one to thirty, with jitter so that jobs do not march in step."""
    return min(30.0, 2.0 ** min(tries - 1, 5)) * random.uniform(0.5, 1.0)


class Dispatcher:
    """Takes jobs at any time; `run` carries them to their ends until `stop`."""

    def __init__(
        self,
        *,
        history: History,
        files: PictureFiles,
        engine: Engine,
        chat: Chat,
        limits: Limits,
        edit_every_s: float,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        backoff: Callable[[int], float] = backoff,
    ) -> None:
        self._history = history
        self._files = files
        self._engine = engine
        self._limits = limits
        self._clock = clock
        self._backoff = backoff
        self._delivery = Delivery(
            chat=chat,
            files=files,
            edit_every_s=edit_every_s,
            give_up_hours=limits.wait_hours,
            clock=clock,
            backoff=backoff,
        )
        self._admission = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self._stories: dict[str, Story] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def submit(
        self,
        conversation: Conversation,
        request: GenerationRequest,
        inputs: Inputs = NOTHING,
        parent_id: str | None = None,
    ) -> Job:
        """Commit a new job and start on it.

        The same interaction again returns the job that it made. Raises Refused, in a sentence to be shown,
        where a limit is reached; nothing is queued then.
        """
        async with self._admission:  # so that two at once cannot both be the last one allowed
            known = await self._history.by_interaction(conversation.interaction_id)
            if known is not None:
                return known
            if self._stopping.is_set():
                raise Refused(reasons.SHUTTING_DOWN)
            job = await self._admit(conversation, request, inputs, parent_id)
        self._start(job)
        return job

    async def cancel(self, job_id: str, by: int) -> bool:
        """Ask for a job to be cancelled. False where there is nothing to cancel: a picture that is done wins."""
        job = await self._history.request_cancel(job_id, by=by, at=self._clock())
        if job is None:
            return False
        if (story := self._stories.get(job_id)) is not None:
            story.cancel()
        return True

    async def delete(self, job_id: str) -> bool:
        """Forget a finished job with its pictures; False where it is unknown. Raises Refused before its end.

        One that is being posted is waited for: its message, and with it the button, can be seen before
        the chat's answer is noted. After a kill meanwhile the message is there, and can be deleted again.
        """
        job = await self._noted(job_id)
        if job is None:
            return False
        if job.state is JobState.POSTING:
            raise Refused("This picture is still being posted. Try again in a minute.")
        if job.state in UNFINISHED:
            raise Refused("This picture is not finished yet. Cancel it first.")
        async with self._files.shelf:
            await self._files.remove(await self._history.delete_job(job_id))
        return True

    def latest(self, job_id: str) -> Queued | Loading | Progress | None:
        """What the engine last said about a job that is under way: its place, or how far it is."""
        story = self._stories.get(job_id)
        return story.latest if story is not None else None

    async def run(self) -> None:
        """Take up every unfinished job, then carry all jobs until `stop`."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for job in await self._history.unfinished():
                self._start(job)
            await self._stopping.wait()
            await self._let_go()

    def stop(self) -> None:
        """Take no more jobs and let `run` return. Jobs being drawn stay with the engine."""
        self._stopping.set()

    async def _noted(self, job_id: str) -> Job | None:
        """The job; while it is being posted, only once its story is over or NOTE_S have passed."""
        job = await self._history.get(job_id)
        if job is None or job.state is not JobState.POSTING:
            return job
        if (posting := self._tasks.get(job_id)) is not None:
            await asyncio.wait([posting], timeout=NOTE_S)
        return await self._history.get(job_id)

    async def _admit(
        self,
        conversation: Conversation,
        request: GenerationRequest,
        inputs: Inputs,
        parent_id: str | None,
    ) -> Job:
        user_id, now = conversation.user_id, self._clock()
        request = request.model_copy(update={"owner": str(user_id)})
        hashes = [await _hash(data) for data in (inputs.image, inputs.mask)]
        rules.check(
            self._limits,
            mine=await self._history.waiting_count(user_id),
            in_all=await self._history.waiting_total(),
            quarantined=await self._history.quarantined(
                fingerprint(request, *hashes), now - rules.QUARANTINE
            ),
        )
        job = Job(
            id=secrets.token_hex(10),  # short enough for Discord's 25-character nonce
            conversation=conversation,
            request=request,
            state=JobState.RECEIVED,
            created_at=now,
            input_sha256=hashes[0],
            mask_sha256=hashes[1],
            parent_id=parent_id,
        )
        async with self._files.shelf:
            for data in inputs.given:
                await self._files.write(data)
            return await self._history.add(job)

    def _start(self, job: Job) -> None:
        """Own a task for this job. Before `run` there is nobody to own it: `run` finds it in the history."""
        if self._group is None or self._stopping.is_set() or job.id in self._stories:
            return
        story = Story(
            job,
            history=self._history,
            files=self._files,
            engine=self._engine,
            delivery=self._delivery,
            limits=self._limits,
            clock=self._clock,
            backoff=self._backoff,
        )
        self._stories[job.id] = story
        self._tasks[job.id] = self._group.create_task(self._carry(story), name=f"job {job.id}")

    async def _carry(self, story: Story) -> None:
        job_id = story.job.id
        try:
            await story.run()
        finally:
            del self._stories[job_id], self._tasks[job_id]

    async def _let_go(self) -> None:
        """End every task: one that is sending a picture gets a moment, the rest go on after the restart."""
        tasks = dict(self._tasks)
        sending = [task for job_id, task in tasks.items() if self._stories[job_id].sending]
        if sending:
            await asyncio.wait(sending, timeout=STOP_GRACE_S)
        for task in tasks.values():
            task.cancel()


async def _hash(data: bytes | None) -> str | None:
    return None if data is None else await asyncio.to_thread(sha256, data)
