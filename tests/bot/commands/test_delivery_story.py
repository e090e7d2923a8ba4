"""What Discord does to a picture on its way, and that it arrives once or its person is told."""

from pathlib import Path

import discord
import pytest

from bot.history.store import History
from bot.jobs.states import Job, JobState
from bot.playground.client import Interaction, Json, Person
from bot.playground.server import Playground
from bot.ui import words
from bot.ui.poster import nonce
from engine.wire import Queued
from tests.bot.commands.conftest import bot
from tests.bot.commands.scripted_engine import ScriptedEngine
from tests.bot.commands.telling import contains, ended, posted


async def asked_for(alice: Person, engine: ScriptedEngine) -> tuple[Interaction, Json, Job]:
    """A job that its person knows to be queued."""
    asked = await alice.slash("imagine", {"prompt": "a rude word"})
    job = await engine.next_job()
    engine.say(job, Queued(position=1))
    return asked, await alice.wait_message(asked, contains("1st in line")), job


async def deleted(client: discord.Client, job: Job) -> None:
    where = job.conversation
    assert where.message_id is not None
    await client.get_partial_messageable(where.channel_id).get_partial_message(where.message_id).delete()


async def arrives_once(alice: Person, history: History, job: Job) -> Json:
    await ended(history, job)
    kept = await history.get(job.id)
    assert kept is not None
    assert kept.state is JobState.POSTED
    (message,) = [each for each in await alice.messages() if posted(each)]
    assert int(message["id"]) == kept.conversation.message_id
    return message


async def test_automod_hides_the_prompt_and_not_the_picture(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with bot(playground, engine, tmp_path) as (_, history), Person(playground.base) as alice:
        _, _, job = await asked_for(alice, engine)
        await alice.fault("error", method="PATCH", status=400, code=200000, message="Blocked")
        engine.finish(job)
        message = await arrives_once(alice, history, job)
        assert "rude" not in message["content"]
        assert words.HIDDEN_PROMPT in message["content"]


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("lost", {}),
        ("error_after", {"status": 503}),
        ("error", {"status": 503}),
        ("rate_limit", {"via": False}),
    ],
    ids=["reply lost", "5xx after it was taken", "5xx", "banned by Cloudflare"],
)
async def test_a_picture_is_posted_once_whatever_the_answer_to_the_first_try(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path, kind: str, rule: dict[str, object]
) -> None:
    async with bot(playground, engine, tmp_path) as (_, history), Person(playground.base) as alice:
        _, _, job = await asked_for(alice, engine)
        await alice.fault(kind, method="PATCH", **rule)
        engine.finish(job)
        await arrives_once(alice, history, job)


async def test_a_token_that_ended_early_does_not_matter(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with bot(playground, engine, tmp_path) as (_, history), Person(playground.base) as alice:
        _, message, job = await asked_for(alice, engine)
        await alice.fault("error", method="PATCH", path="/webhooks/*", status=401, code=50027)
        engine.finish(job)
        assert (await arrives_once(alice, history, job))["id"] == message["id"]


async def test_a_picture_whose_message_was_deleted_is_sent_anew(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with bot(playground, engine, tmp_path) as (client, history), Person(playground.base) as alice:
        _, message, job = await asked_for(alice, engine)
        await deleted(client, job)
        engine.finish(job)
        assert (await arrives_once(alice, history, job))["id"] != message["id"]


async def test_a_send_whose_answer_was_lost_is_found_and_not_sent_again(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with bot(playground, engine, tmp_path) as (client, history), Person(playground.base) as alice:
        _, _, job = await asked_for(alice, engine)
        await deleted(client, job)
        await alice.fault("lost", method="POST", path="/channels/*/messages")
        engine.finish(job)
        await arrives_once(alice, history, job)
        sends = [entry for entry in await alice.traffic() if entry.get("path", "").endswith("/messages")]
        assert [entry["method"] for entry in sends if entry["method"] == "POST"] == ["POST"]


async def test_where_the_bot_may_not_write_the_picture_stays_in_the_history(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with bot(playground, engine, tmp_path) as (_, history), Person(playground.base) as alice:
        _, _, job = await asked_for(alice, engine)
        await alice.fault("error", method="PATCH", status=403, code=50001, message="Missing Access")
        engine.finish(job)
        await ended(history, job)
        kept = await history.get(job.id)
        assert kept is not None
        assert kept.state is JobState.FAILED
        assert kept.error is not None
        assert kept.error.code == "undeliverable"
        assert len(await history.images(job.id)) == 1


async def test_an_acknowledgement_that_discord_already_had_counts(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with bot(playground, engine, tmp_path) as (_, history), Person(playground.base) as alice:
        await alice.fault("error_after", path="/interactions/*/callback", status=400, code=40060)
        _, _, job = await asked_for(alice, engine)
        engine.finish(job)
        await arrives_once(alice, history, job)


async def test_the_same_interaction_twice_is_one_job(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with bot(playground, engine, tmp_path) as (client, history), Person(playground.base) as alice:
        _, _, job = await asked_for(alice, engine)
        again = await client.desk.dispatcher.submit(job.conversation, job.request)
        assert again.id == job.id
        assert len(await history.unfinished()) == 1


def test_a_nonce_is_short_and_the_same_for_every_try() -> None:
    assert nonce("job-1", "picture") == nonce("job-1", "picture")
    assert nonce("job-1", "picture") != nonce("job-1", "end")
    assert nonce("job-1", "picture") != nonce("job-2", "picture")
    assert all(0 < len(nonce(f"job-{number}", "picture")) <= 25 for number in range(200))
