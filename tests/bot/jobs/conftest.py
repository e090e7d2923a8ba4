import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from shutil import copy
from typing import Any, TypeVar

import pytest

from bot.config import Limits
from bot.history.files import PictureFiles
from bot.history.migrations import upgrade
from bot.history.store import History
from bot.jobs.dispatcher import Dispatcher
from bot.jobs.states import UNFINISHED, Conversation, Job, JobState
from engine.wire import GenerationRequest, Sampler
from tests.bot.jobs.scripted import ScriptedChat, ScriptedEngine
from tests.patience import DEADLINE_S

T = TypeVar("T")


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


class Desk:
    """Everything around a dispatcher, with the history and the files on disk."""

    def __init__(self, history: History, files: PictureFiles, clock: Clock) -> None:
        self.history = history
        self.files = files
        self.clock = clock
        self.engine = ScriptedEngine()
        self.chat = ScriptedChat()
        self.limits = Limits(jobs_per_person=5, jobs_in_all=50, crashes=2, attempts=4, wait_hours=24)
        self.edit_every_s = 0.0
        self._interactions = count(1000)

    def dispatcher(self, **other: Any) -> Dispatcher:
        parts = {"history": self.history, "files": self.files, "engine": self.engine, "chat": self.chat}
        return Dispatcher(
            **(parts | other),  # type: ignore[arg-type]  # a test may hand in wrapped ones
            limits=self.limits,
            edit_every_s=self.edit_every_s,
            clock=self.clock,
            backoff=lambda _: 0.001,
        )

    @asynccontextmanager
    async def running(self, **other: Any) -> AsyncIterator[Dispatcher]:
        """A dispatcher that runs within the block and is stopped properly after it."""
        dispatcher = self.dispatcher(**other)
        run = asyncio.create_task(dispatcher.run())
        try:
            yield dispatcher
        finally:
            dispatcher.stop()
            async with asyncio.timeout(DEADLINE_S):
                await run

    def conversation(self, user_id: int = 1, **changes: Any) -> Conversation:
        fields: dict[str, Any] = {
            "interaction_id": next(self._interactions),
            "user_id": user_id,
            "channel_id": 2,
            "guild_id": 3,
            "token": "token",
            "token_expires_at": self.clock() + timedelta(minutes=15),
        }
        return Conversation(**(fields | changes))

    async def ended(self, job: Job) -> Job:
        """The job once it has ended."""

        async def is_over() -> Job | None:
            now = await self.history.get(job.id)
            assert now is not None
            return None if now.state in UNFINISHED else now

        return await until(is_over)

    async def reaches(self, job: Job, state: JobState) -> Job:
        async def is_there() -> Job | None:
            now = await self.history.get(job.id)
            assert now is not None
            return now if now.state is state else None

        return await until(is_there)


async def until(condition: Callable[[], Awaitable[T | None]], within: float = DEADLINE_S) -> T:
    """The first true answer of `condition`. Fails after `within` seconds."""
    async with asyncio.timeout(within):
        while not (answer := await condition()):  # noqa: ASYNC110 - it asks the database
            await asyncio.sleep(0.005)
    return answer


def request(prompt: str = "a hamster", **changes: Any) -> GenerationRequest:
    fields = {
        "model": "demo",
        "prompt": prompt,
        "width": 64,
        "height": 64,
        "steps": 2,
        "guidance_scale": 7.5,
        "sampler": Sampler.EULER,
        "seed": 7,
    }
    return GenerationRequest.model_validate(fields | changes)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("migrated") / "history.db"
    upgrade(f"sqlite+aiosqlite:///{file}")
    return file


@pytest.fixture
async def desk(tmp_path: Path, migrated: Path) -> AsyncIterator[Desk]:
    clock = Clock()
    history = await History.open(f"sqlite+aiosqlite:///{copy(migrated, tmp_path)}", clock=clock)
    yield Desk(history, PictureFiles(tmp_path / "pictures"), clock)
    await history.close()
