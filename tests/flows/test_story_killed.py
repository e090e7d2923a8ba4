"""A process is killed at the worst moment: nothing is lost, nothing is doubled."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import pytest

from bot.launcher import Child
from bot.playground.client import Json, Person
from bot.trial import Trial, is_final, is_posted, job_id
from tests.flows.conftest import DEADLINE_S, QUICK, SLOW, drawing, metric, restarted
from tests.patience import until

pytestmark = pytest.mark.flow


def kill(child: Child) -> int:
    """kill -9, and the process id that is gone."""
    assert child.process is not None
    child.process.kill()
    return child.process.pid


def pictures(messages: list[Json], job: str | None) -> list[Json]:
    return [message for message in messages if is_posted(message) and job_id(message) == job]


def workers(*, of: Child) -> set[int]:
    """The processes that draw for an engine: its children."""
    assert of.process is not None
    return {pid for pid, parent in processes().items() if parent == of.process.pid}


def processes() -> dict[int, int]:
    """Every process and its parent, from Linux's /proc."""
    found = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):  # no process, or it ended while we looked
            found[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    return found


async def test_the_engine_is_killed_while_it_draws_and_the_picture_arrives_once(
    trial: Trial, alice: Person
) -> None:
    asked = await alice.slash("imagine", SLOW)
    message = await alice.wait_message(asked, drawing, timeout=DEADLINE_S)
    before = workers(of=trial.engine)
    assert before
    kill(trial.engine)
    await until(lambda: not before & processes().keys(), within=DEADLINE_S)  # no worker outlives its front
    ended = await alice.wait_message(asked, is_final, timeout=DEADLINE_S)
    assert is_posted(ended), ended["content"]
    assert ended["id"] == message["id"]
    assert len(pictures(await alice.messages(), job_id(ended))) == 1


async def test_the_worker_is_killed_while_it_draws_and_the_picture_arrives_once(
    trial: Trial, alice: Person
) -> None:
    asked = await alice.slash("imagine", SLOW)
    await alice.wait_message(asked, drawing, timeout=DEADLINE_S)
    (worker,) = workers(of=trial.engine)
    os.kill(worker, signal.SIGKILL)
    ended = await alice.wait_message(asked, is_final, timeout=DEADLINE_S)
    assert is_posted(ended), ended["content"]
    assert len(pictures(await alice.messages(), job_id(ended))) == 1
    assert worker not in workers(of=trial.engine)


async def test_the_bot_is_killed_while_the_engine_draws_and_the_picture_is_drawn_and_posted_once(
    trial: Trial, alice: Person
) -> None:
    asked = await alice.slash("imagine", SLOW)
    await alice.wait_message(asked, drawing, timeout=DEADLINE_S)
    kill(trial.bot)
    ended = await alice.wait_message(asked, is_final, timeout=DEADLINE_S)
    assert is_posted(ended), ended["content"]
    assert len(pictures(await alice.messages(), job_id(ended))) == 1
    assert await metric(trial, "darkroom_jobs_total", outcome="finished") == 1


async def test_the_bot_is_killed_again_and_again_and_everybody_gets_one_picture_or_is_told(
    trial: Trial, alice: Person, bob: Person
) -> None:
    asked = [(who, await who.slash("imagine", QUICK | {"seed": n})) for n in range(4) for who in (alice, bob)]
    for _ in range(2):
        await alice.wait(asked[0][1], lambda seen: seen.acknowledged_at is not None, timeout=DEADLINE_S)
        await restarted(trial.bot, kill(trial.bot))
    jobs = []
    for who, each in asked:
        if (await who.look(each)).acknowledged_at is None:  # nothing was promised
            continue
        ended = await who.wait_message(each, is_final, timeout=DEADLINE_S)
        assert is_posted(ended) or "ask once more" in ended["content"]
        jobs += [job_id(ended)] if is_posted(ended) else []
    assert len(set(jobs)) == len(jobs)
    for job in jobs:
        assert len(pictures(await alice.messages(), job)) == 1


async def test_buttons_of_an_earlier_process_work_after_a_restart(trial: Trial, alice: Person) -> None:
    first = await alice.wait_message(await alice.slash("imagine", QUICK), is_final, timeout=DEADLINE_S)
    pid = kill(trial.bot)
    await restarted(trial.bot, pid)
    await alice.wait_online(timeout=DEADLINE_S)
    pressed = await alice.press(first, "Again")
    second = await alice.wait_message(pressed, is_final, timeout=DEADLINE_S)
    assert is_posted(second), second["content"]


async def test_while_the_engine_is_away_requests_wait_and_are_drawn_when_it_is_back(
    trial: Trial, alice: Person
) -> None:
    real = trial.engine.arguments
    trial.engine.arguments = [sys.executable, "-c", "import time; time.sleep(3600)"]
    pid = kill(trial.engine)
    await restarted(trial.engine, pid)
    asked = await alice.slash("imagine", QUICK)
    message = await alice.wait_message(asked, lambda seen: bool(seen["content"]), timeout=DEADLINE_S)
    assert "engine is away" in message["content"]
    trial.engine.arguments = real
    kill(trial.engine)
    ended = await alice.wait_message(asked, is_final, timeout=DEADLINE_S)
    assert is_posted(ended), ended["content"]


async def test_a_lost_connection_to_discord_is_resumed_and_the_picture_arrives(alice: Person) -> None:
    asked = await alice.slash("imagine", SLOW)
    await alice.wait_message(asked, drawing, timeout=DEADLINE_S)
    await alice.gateway(reconnect=True)
    ended = await alice.wait_message(asked, is_final, timeout=DEADLINE_S)
    assert is_posted(ended), ended["content"]


async def test_a_picture_that_outlives_the_interactions_token_is_posted_in_the_channel(alice: Person) -> None:
    asked = await alice.slash("imagine", SLOW)
    message = await alice.wait_message(asked, drawing, timeout=DEADLINE_S)
    await alice.move_clock(16 * 60)
    job = job_id(message)
    seen = await alice.wait_channel(lambda messages: bool(pictures(messages, job)), timeout=DEADLINE_S)
    assert len(pictures(seen, job)) == 1


async def test_an_answer_that_discord_lost_does_not_post_the_picture_twice(alice: Person) -> None:
    asked = await alice.slash("imagine", SLOW)
    await alice.wait_message(asked, drawing, timeout=DEADLINE_S)
    await alice.fault("lost", method="PATCH", times=2)
    ended = await alice.wait_message(asked, is_final, timeout=DEADLINE_S)
    assert is_posted(ended), ended["content"]
    await asyncio.gather(*(alice.look(asked) for _ in range(3)))
    assert len(pictures(await alice.messages(), job_id(ended))) == 1
