"""Delete pressed on a picture that can be seen, before the chat's answer to its post has arrived."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from bot.errors import Refused
from bot.jobs import dispatcher as module
from bot.jobs.ports import Upload
from bot.jobs.states import Job, JobState
from tests.bot.jobs.conftest import Desk, request
from tests.bot.jobs.scripted import ScriptedChat
from tests.patience import DEADLINE_S


class SlowAnswers(ScriptedChat):
    """A chat that shows the picture (`seen`) and confirms it later (`answer`)."""

    def __init__(self) -> None:
        super().__init__()
        self.seen, self.answer = asyncio.Event(), asyncio.Event()

    async def post(self, job: Job, uploads: Sequence[Upload], *, look_first: bool) -> int:
        message_id = await super().post(job, uploads, look_first=look_first)
        self.seen.set()
        await self.answer.wait()
        return message_id


class AnswersOnceRead:
    """The real history, which lets the chat answer once somebody has read that the job is being posted."""

    def __init__(self, desk: Desk, chat: SlowAnswers) -> None:
        self._history, self._chat = desk.history, chat

    async def get(self, job_id: str) -> Job | None:
        job = await self._history.get(job_id)
        if job is not None and job.state is JobState.POSTING:
            self._chat.answer.set()
        return job

    def __getattr__(self, name: str) -> Any:
        return getattr(self._history, name)


@pytest.fixture
def chat(desk: Desk) -> SlowAnswers:
    desk.chat = chat = SlowAnswers()
    return chat


async def test_a_picture_that_is_being_posted_is_deleted_once_that_is_noted(
    desk: Desk, chat: SlowAnswers
) -> None:
    async with desk.running(history=AnswersOnceRead(desk, chat)) as dispatcher:
        job = await dispatcher.submit(desk.conversation(), request())
        await chat.seen.wait()
        [image] = await desk.history.images(job.id)
        async with asyncio.timeout(DEADLINE_S):
            assert await dispatcher.delete(job.id)
    assert await desk.history.get(job.id) is None
    assert not desk.files.path(image.sha256).exists()
    assert chat.posts[job.id] == 1
    assert desk.engine.released == [job.id]


async def test_after_a_kill_meanwhile_it_is_there_once_and_can_be_deleted_again(
    desk: Desk, chat: SlowAnswers
) -> None:
    dispatcher = desk.dispatcher()
    run = asyncio.create_task(dispatcher.run())
    job = await dispatcher.submit(desk.conversation(), request())
    await chat.seen.wait()
    deleting = asyncio.create_task(dispatcher.delete(job.id))
    run.cancel()
    deleting.cancel()
    await asyncio.wait([run, deleting])
    chat.answer.set()
    async with desk.running() as dispatcher:
        assert (await desk.ended(job)).state is JobState.POSTED
        assert chat.posts[job.id] == 1
        assert await dispatcher.delete(job.id)


async def test_where_the_answer_does_not_come_the_person_is_told_to_try_again(
    desk: Desk, chat: SlowAnswers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "NOTE_S", 0)
    async with desk.running() as dispatcher:
        job = await dispatcher.submit(desk.conversation(), request())
        await chat.seen.wait()
        with pytest.raises(Refused, match="still being posted"):
            await dispatcher.delete(job.id)
        chat.answer.set()
        assert (await desk.ended(job)).state is JobState.POSTED
