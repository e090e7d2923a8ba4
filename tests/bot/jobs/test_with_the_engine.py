"""The dispatcher with the real engine front in its own process; only the worker is scripted."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.engine_client import EngineClient
from bot.jobs import reasons
from bot.jobs.inputs import Inputs
from bot.jobs.states import Job, JobState
from engine.wire import GenerationRequest, Progress, Task
from tests.bot.jobs.conftest import Desk, request, until
from tests.bot.jobs.scripted import picture
from tests.engine.front_process import TOKEN, Engine, running

pytestmark = pytest.mark.flow


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Engine]:
    folder = tmp_path / "engine"
    folder.mkdir()
    async with running(folder) as front:
        yield front


@asynccontextmanager
async def bot(desk: Desk, front: Engine) -> AsyncIterator[Any]:
    async with EngineClient(url=front.base, token=TOKEN) as engine, desk.running(engine=engine) as dispatcher:
        yield dispatcher


def asked(prompt: str, **changes: Any) -> GenerationRequest:
    return request(prompt, model="demo", steps=4, **changes)


async def drawing(desk: Desk, job: Job) -> None:
    async def has_begun() -> bool:
        return any(isinstance(event, Progress) for event in desk.chat.shown("drawing"))

    await until(has_begun)
    await desk.reaches(job, JobState.RUNNING)


async def test_a_request_with_an_input_becomes_pictures(desk: Desk, front: Engine) -> None:
    async with bot(desk, front) as dispatcher:
        wish = asked("a hamster", count=2, task=Task.IMG2IMG, strength=0.5)
        job = await desk.ended(await dispatcher.submit(desk.conversation(), wish, Inputs(image=picture(1))))

        async def is_released() -> bool:  # once the pictures are posted
            return not (front.folder / "spool" / job.id).exists()

        await until(is_released)
    assert job.state is JobState.POSTED
    assert [image.seed for image in await desk.history.images(job.id)] == [7, 8]
    assert job.notices == ("scripted",)


async def test_what_the_engine_refuses_is_told_in_its_words(desk: Desk, front: Engine) -> None:
    async with bot(desk, front) as dispatcher:
        wish = asked("a hamster").model_copy(update={"model": "sd9"})
        job = await desk.ended(await dispatcher.submit(desk.conversation(), wish))
    assert job.state is JobState.FAILED
    assert desk.chat.told[job.id].startswith("There is no model called 'sd9'.")


async def test_a_cancelled_drawing_stops(desk: Desk, front: Engine) -> None:
    async with bot(desk, front) as dispatcher:
        job = await dispatcher.submit(desk.conversation(), asked("slow"))
        await drawing(desk, job)
        await dispatcher.cancel(job.id, by=1)
        assert (await desk.ended(job)).state is JobState.CANCELLED


async def test_a_poisonous_request_is_quarantined(desk: Desk, front: Engine) -> None:
    async with bot(desk, front) as dispatcher:
        job = await desk.ended(await dispatcher.submit(desk.conversation(), asked("crash")))
    assert job.error is not None
    assert (job.error.code, job.crashes) == ("quarantined", 2)
    assert front.drawn() == [job.id, job.id]


async def test_a_restart_of_the_bot_joins_the_drawing(desk: Desk, front: Engine) -> None:
    async with bot(desk, front) as dispatcher:
        job = await dispatcher.submit(desk.conversation(), asked("slow"))
        await drawing(desk, job)
    front.let_go(job.id)
    async with bot(desk, front):
        assert (await desk.ended(job)).state is JobState.POSTED
    assert front.drawn() == [job.id]
    assert desk.chat.posts[job.id] == 1


async def test_a_killed_engine_draws_again_when_it_is_back(desk: Desk, front: Engine) -> None:
    async with bot(desk, front) as dispatcher:
        job = await dispatcher.submit(desk.conversation(), asked("slow"))
        await drawing(desk, job)
        await front.stop(signal.SIGKILL)

        async def is_said() -> bool:
            return reasons.ENGINE_AWAY in desk.chat.shown("waiting")

        await until(is_said)
        await front.start()

        async def is_drawn_again() -> bool:
            return front.drawn() == [job.id, job.id]

        await until(is_drawn_again)
        front.let_go(job.id)
        ended = await desk.ended(job)
    assert (ended.state, ended.crashes) == (JobState.POSTED, 1)
    assert desk.chat.posts[job.id] == 1
