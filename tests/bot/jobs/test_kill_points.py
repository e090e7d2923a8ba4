"""Whatever fails, wherever: nothing is lost, nothing is posted twice, everybody is told."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from inspect import isasyncgenfunction
from typing import Any

import pytest

from bot.history.database import HistoryUnavailable
from bot.jobs.dispatcher import Dispatcher
from bot.jobs.ports import ChatUnavailable, EngineAway
from bot.jobs.states import Conversation, Job, JobState
from engine.wire import GenerationRequest, Loading
from tests.bot.jobs.conftest import Desk, request
from tests.bot.jobs.scripted import failed

ANSWER_CALLS = 300  # more than any story here needs: a guard against a loop that never ends


class Fuse:
    """Counts the calls of all parts together, and makes the `blows_at`-th one fail, before or after its effect."""

    def __init__(self, blows_at: int, how: str, *, after: bool) -> None:
        self.blows_at = blows_at
        self.how = how
        self.after = after
        self.calls = 0
        self.blown = asyncio.Event()

    def counts(self) -> bool:
        self.calls += 1
        assert self.calls < ANSWER_CALLS
        return self.calls == self.blows_at

    async def blow(self, unavailable: Exception) -> None:
        self.blown.set()
        if self.how == "kill":
            await asyncio.Event().wait()  # this process does nothing more, until the test ends it
        raise unavailable if self.how == "unavailable" else ZeroDivisionError("a bug")


class Fused:
    """A real part behind a fuse. Every coroutine of it, and every event of a stream, counts."""

    def __init__(self, part: Any, fuse: Fuse, unavailable: Callable[[str], Exception]) -> None:
        self._part = part
        self._fuse = fuse
        self._unavailable = unavailable

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._part, name)
        if isasyncgenfunction(method):
            return lambda *args: self._stream(name, method(*args))
        if not asyncio.iscoroutinefunction(method):
            return method

        async def call(*args: Any, **kwargs: Any) -> Any:
            hit = self._fuse.counts()
            if hit and not self._fuse.after:
                await self._fuse.blow(self._unavailable(name))
            answer = await method(*args, **kwargs)
            if hit and self._fuse.after:
                await self._fuse.blow(self._unavailable(name))
            return answer

        return call

    async def _stream(self, name: str, parts: AsyncGenerator[Any]) -> AsyncGenerator[Any]:
        async with aclosing(parts):
            async for part in parts:
                hit = self._fuse.counts()
                if hit and not self._fuse.after:
                    await self._fuse.blow(self._unavailable(name))
                yield part
                if hit and self._fuse.after:
                    await self._fuse.blow(self._unavailable(name))


def fused(desk: Desk, fuse: Fuse) -> dict[str, Any]:
    return {
        "history": Fused(desk.history, fuse, HistoryUnavailable),
        "engine": Fused(desk.engine, fuse, EngineAway),
        "chat": Fused(desk.chat, fuse, ChatUnavailable),
    }


async def submit(dispatcher: Dispatcher, conversation: Conversation, asked: GenerationRequest) -> None:
    with suppress(HistoryUnavailable, ZeroDivisionError):  # the person sees it, and nothing was promised
        await dispatcher.submit(conversation, asked)


async def story(desk: Desk, fuse: Fuse, asked: GenerationRequest) -> Job | None:
    """One job through a dispatcher whose fuse may blow, then through a second, sound one."""
    conversation = desk.conversation()
    first = desk.dispatcher(**fused(desk, fuse))
    run = asyncio.create_task(first.run())
    asking = asyncio.create_task(submit(first, conversation, asked))
    blown = asyncio.create_task(fuse.blown.wait())
    ending = asyncio.create_task(end_of(desk, conversation, asking))
    await asyncio.wait([blown, ending, run], return_when=asyncio.FIRST_COMPLETED, timeout=5)
    for task in (run, asking, blown, ending):
        task.cancel()
    await asyncio.gather(run, asking, blown, ending, return_exceptions=True)
    async with desk.running():
        job = await desk.history.by_interaction(conversation.interaction_id)
        return None if job is None else await desk.ended(job)


async def end_of(desk: Desk, conversation: Conversation, asking: asyncio.Task[None]) -> None:
    await asking
    if (job := await desk.history.by_interaction(conversation.interaction_id)) is not None:
        await desk.ended(job)


def check(desk: Desk, job: Job, fuse: Fuse) -> None:
    where = f"call {fuse.blows_at} ({fuse.how}, {'after' if fuse.after else 'before'}): {job.state}"
    assert desk.chat.posts[job.id] == (job.state is JobState.POSTED), where
    assert (job.id in desk.chat.told) == (job.state is not JobState.POSTED), where


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("how", ["unavailable", "bug", "kill"])
async def test_a_picture_arrives_once_whatever_call_fails(desk: Desk, how: str, after: bool) -> None:
    for k in range(1, ANSWER_CALLS):
        fuse = Fuse(k, how, after=after)
        job = await story(desk, fuse, request())
        if job is not None:
            check(desk, job, fuse)
            assert job.state is JobState.POSTED, k
        if fuse.calls < k:
            break
    assert k > 20


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("how", ["unavailable", "kill"])
async def test_a_refusal_is_told_whatever_call_fails(desk: Desk, how: str, after: bool) -> None:
    for k in range(1, ANSWER_CALLS):
        desk.engine.scripts = [[Loading(model="demo"), failed("nan_output")] for _ in range(4)]
        fuse = Fuse(k, how, after=after)
        job = await story(desk, fuse, request())
        if job is not None:
            check(desk, job, fuse)
            assert job.state is JobState.FAILED, k
        if fuse.calls < k:
            break
    assert k > 12
