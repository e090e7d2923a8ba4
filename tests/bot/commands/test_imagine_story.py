"""Whole stories in a chat: real discord.py against the playground, real SQLite, an engine that follows a script."""

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from bot.__main__ import compose, login
from bot.client import SYNCED
from bot.config import Paths, Settings
from bot.errors import Misconfigured
from bot.history.store import History
from bot.playground.client import Person
from bot.playground.server import Playground
from bot.ui import words
from engine.wire import ErrorBody, Failed, Progress, Queued, Task
from tests.bot.commands.conftest import bot
from tests.bot.commands.scripted_engine import ScriptedEngine, picture
from tests.bot.commands.telling import contains, drawn, ended, labels, posted
from tests.bot.samples import capabilities, model


async def test_a_prompt_becomes_a_picture_in_one_message(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with bot(playground, engine, tmp_path) as (_, history), Person(playground.base) as alice:
        asked = await alice.slash("imagine", {"prompt": "a `hamster` @everyone", "seed": 123, "steps": 30})
        job = await engine.next_job()
        assert (job.request.seed, job.request.steps, job.request.owner) == (
            123,
            30,
            str(job.conversation.user_id),
        )

        engine.say(job, Queued(position=2, eta_s=14))
        queued = await alice.wait_message(asked, contains("Queued, 2nd in line, about 14 s."))
        assert labels(queued) == ["Cancel"]

        preview = base64.b64encode(picture(kind="JPEG")).decode()
        engine.say(job, Progress(step=15, steps=30, eta_s=9, preview=preview))
        drawing = await alice.wait_message(asked, contains("step 15 of 30"))
        assert [each["filename"] for each in drawing["attachments"]] == ["preview.jpg"]

        engine.finish(job)
        result = await alice.wait_message(asked, posted)
        assert len(result["attachments"]) == 1
        assert await alice.download(result["attachments"][0]["url"]) == picture()
        assert labels(result)[:2] == ["Again", "Variation"]
        assert result["content"] == (
            f"**<@{job.conversation.user_id}>** · `a ˋhamsterˋ @everyone` · seed 123 · model sd15 · 30 steps · 7.4 s"
            "\n-# The prompt was cut."
        )
        assert result["mentions"] == []
        assert not result["mention_everyone"]
        kept = await history.by_message(int(result["id"]))
        assert kept is not None
        assert kept.id == job.id


async def test_a_refusal_is_shown_in_the_reply_and_nothing_is_queued(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with bot(playground, engine, tmp_path) as (_, history), Person(playground.base) as alice:
        asked = await alice.slash("imagine", {"prompt": "x", "steps": 100000}, unchecked=True)
        reply = await alice.wait_message(asked)
        assert reply["content"] == "steps must be between 1 and 150; it was 100000."
        assert await history.unfinished() == ()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "image: the file is empty."),
        (b"not a picture", "image: only PNG, JPEG and WEBP can be read."),
        (picture()[:60], "image: the file is damaged or cut short."),
        (picture(kind="TIFF"), "image: only PNG, JPEG and WEBP can be read; it was a TIFF."),
    ],
    ids=["empty", "text", "cut short", "TIFF"],
)
async def test_a_bad_attachment_is_one_sentence(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path, data: bytes, said: str
) -> None:
    async with bot(playground, engine, tmp_path) as (_, history), Person(playground.base) as alice:
        asked = await alice.slash("imagine", {"prompt": "x"}, files={"image": ("in.png", data)})
        assert (await alice.wait_message(asked))["content"] == said
        assert await history.unfinished() == ()


async def test_an_attachment_starts_an_image_to_image_job_in_its_own_shape(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with bot(playground, engine, tmp_path), Person(playground.base) as alice:
        photo = picture("green", "JPEG", (300, 200))
        await alice.slash("imagine", {"prompt": "x"}, files={"image": ("photo.jpg", photo)})
        job = await engine.next_job()
        request = job.request
        assert (request.task, request.width, request.height) == (Task.IMG2IMG, 624, 416)
        assert request.strength == 0.75
        sent = engine.inputs[job.id]
        assert sent is not None
        with Image.open(sent) as image:
            assert (image.format, image.size) == ("PNG", (300, 200))


async def test_again_and_variations_work_after_a_restart_for_anybody(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with bot(playground, engine, tmp_path) as (_, history), Person(playground.base) as alice:
        first, original = await drawn(alice, engine, history, count=2)
        assert labels(first) == ["Again", "Edit", "V1", "V2", "U1", "U2", "Delete"]
    async with bot(playground, engine, tmp_path) as (_, history), Person(playground.base, user="bob") as bob:
        await bob.press(first, "Again")
        again = await engine.next_job()
        assert again.request.prompt == original.request.prompt
        assert again.request.seed != original.request.seed
        assert again.parent_id == original.id
        assert again.conversation.user_id != original.conversation.user_id

        await bob.press(first, "V2")
        varied = await engine.next_job()
        assert (varied.request.task, varied.request.strength) == (Task.IMG2IMG, 0.6)
        assert varied.request.seed != original.request.seed
        sent = engine.inputs[varied.id]
        assert sent is not None
        assert sent.read_bytes() == picture()


async def test_two_clicks_in_a_moment_are_one_wish(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with bot(playground, engine, tmp_path) as (_, history), Person(playground.base) as alice:
        first, _ = await drawn(alice, engine, history)
        clicks = [await alice.press(first, "Again") for _ in range(2)]
        for click in clicks:
            await alice.wait(click, lambda seen: seen.acknowledged_at is not None)
        await engine.next_job()
        assert len(await history.unfinished()) == 1


async def test_the_owner_cancels_and_nobody_else_can(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with (
        bot(playground, engine, tmp_path) as (_, history),
        Person(playground.base) as alice,
        Person(playground.base, user="bob") as bob,
    ):
        asked = await alice.slash("imagine", {"prompt": "a hamster"})
        job = await engine.next_job()
        engine.say(job, Progress(step=1, steps=20))
        message = await alice.wait_message(asked, contains("step 1 of 20"))

        await bob.press(message, "Cancel")
        seen = await bob.wait_channel(lambda all_: all_[-1]["content"] == words.NOT_YOURS_TO_CANCEL)
        assert seen[-1]["flags"] & 64
        assert not [each for each in await alice.messages() if each["content"] == words.NOT_YOURS_TO_CANCEL]

        await alice.press(message, "Cancel")
        told = await alice.wait_message(asked, contains("Cancelled."))
        assert told["components"] == []
        await ended(history, job)


async def test_deleting_removes_the_message_the_rows_and_the_files(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with (
        bot(playground, engine, tmp_path) as (_, history),
        Person(playground.base) as alice,
        Person(playground.base, user="bob") as bob,
    ):
        message, job = await drawn(alice, engine, history)
        await bob.press(message, "Delete")
        await bob.wait_channel(lambda all_: all_[-1]["content"] == words.NOT_YOURS_TO_DELETE)

        await alice.press(message, "Delete")
        await alice.wait_channel(lambda all_: message["id"] not in [each["id"] for each in all_])
        assert await history.get(job.id) is None
        assert not [path for path in (tmp_path / "pictures").rglob("*") if path.is_file()]


async def test_a_button_of_a_job_that_is_gone_says_so(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with bot(playground, engine, tmp_path) as (_, history), Person(playground.base) as alice:
        message, job = await drawn(alice, engine, history)
        await history.delete_job(job.id)
        pressed = await alice.press(message, "Again")
        assert (await alice.wait_message(pressed))["content"] == words.GONE


async def test_the_message_of_a_job_that_is_gone_can_be_deleted_by_who_asked_and_nobody_else(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with (
        bot(playground, engine, tmp_path) as (_, history),
        Person(playground.base) as alice,
        Person(playground.base, user="bob") as bob,
    ):
        message, job = await drawn(alice, engine, history)
        await history.delete_job(job.id)
        await bob.press(message, "Delete")
        await bob.wait_channel(lambda all_: all_[-1]["content"] == words.NOT_YOURS_TO_DELETE)
        await alice.press(message, "Delete")
        await alice.wait_channel(lambda all_: message["id"] not in [each["id"] for each in all_])


async def test_what_a_model_has_to_say_is_said_with_its_pictures(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    engine.offers = capabilities(model(notice="Drawn by an untrained model."))
    async with bot(playground, engine, tmp_path) as (_, history), Person(playground.base) as alice:
        message, _ = await drawn(alice, engine, history)
        assert "\n-# Drawn by an untrained model." in message["content"]


async def test_a_failure_of_the_engine_is_told_in_its_words(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with bot(playground, engine, tmp_path), Person(playground.base) as alice:
        asked = await alice.slash("imagine", {"prompt": "x"})
        job = await engine.next_job()
        engine.say(job, Failed(error=ErrorBody(code="nan_output", message="The model gave no picture.")))
        await alice.wait_message(asked, contains("The model gave no picture."))


async def test_a_job_outlives_the_interactions_fifteen_minutes(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.__main__.now", lambda: datetime.fromtimestamp(playground.clock.now(), UTC))
    async with bot(playground, engine, tmp_path), Person(playground.base) as alice:
        asked = await alice.slash("imagine", {"prompt": "x"})
        job = await engine.next_job()
        engine.say(job, Progress(step=1, steps=20))
        await alice.wait_message(asked, contains("step 1 of 20"))
        await alice.move_clock(16 * 60)
        engine.finish(job)
        seen = await alice.wait_channel(lambda all_: any(posted(each) for each in all_))
        assert len([each for each in seen if posted(each)]) == 1


async def test_while_the_engine_is_away_a_job_is_taken_with_what_it_offered_last(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with bot(playground, engine, tmp_path) as (_, history), Person(playground.base) as alice:
        await drawn(alice, engine, history)
    engine.offers = None
    async with bot(playground, engine, tmp_path) as (_, history), Person(playground.base) as alice:
        await alice.slash("imagine", {"prompt": "later"})
        assert (await engine.next_job()).request.prompt == "later"


async def test_an_engine_that_was_never_up_is_a_kind_sentence(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    engine.offers = None
    async with bot(playground, engine, tmp_path), Person(playground.base) as alice:
        asked = await alice.slash("imagine", {"prompt": "x"})
        assert (await alice.wait_message(asked))["content"].startswith("The engine has not been up yet")


async def test_the_menus_offer_what_the_engine_has(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    engine.offers = capabilities(model(), model("dreamlike"), model("dreamlike-x4", tasks=(Task.UPSCALE,)))
    async with bot(playground, engine, tmp_path), Person(playground.base) as alice:
        sizes = await alice.autocomplete("imagine", "size", "port", prompt="x")
        assert sizes[0] == {"name": "portrait 448x640", "value": "portrait"}
        models = await alice.autocomplete("imagine", "model", "dreamlke", prompt="x")
        assert models[0] == {"name": "Model dreamlike", "value": "dreamlike"}
        assert "dreamlike-x4" not in {each["value"] for each in models}  # it draws nothing from words
        samplers = await alice.autocomplete("imagine", "sampler", "", prompt="x")
        assert samplers[0] == {"name": "Euler", "value": "euler"}
        schedules = await alice.autocomplete("imagine", "schedule", "kar", prompt="x")
        assert schedules[0] == {"name": "Karras", "value": "karras"}


async def test_the_queue_shows_ones_own_jobs_to_oneself(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with (
        bot(playground, engine, tmp_path),
        Person(playground.base) as alice,
        Person(playground.base, user="bob") as bob,
    ):
        asked = await alice.slash("imagine", {"prompt": "a hamster"})
        engine.say(await engine.next_job(), Queued(position=3, eta_s=20))
        await alice.wait_message(asked, contains("3rd in line"))
        mine = await alice.wait_message(await alice.slash("queue"))
        assert mine["flags"] & 64
        assert "`a hamster` Queued, 3rd in line, about 20 s." in mine["content"]
        theirs = await bob.wait_message(await bob.slash("queue"))
        assert theirs["content"].startswith(words.NO_JOBS)
        assert "One picture is waiting" in theirs["content"]


async def test_the_history_is_paged_and_private(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with (
        bot(playground, engine, tmp_path, jobs_per_person=10) as (_, history),
        Person(playground.base) as alice,
    ):
        asked = await alice.slash("history")
        assert (await alice.wait_message(asked))["content"] == words.NO_HISTORY
        for number in range(6):
            await drawn(alice, engine, history, seed=number)
        asked = await alice.slash("history")
        first = await alice.wait_message(asked)
        assert first["content"] == "Your pictures, page 1 of 2"
        assert first["flags"] & 64
        assert "seed 5" in first["embeds"][0]["description"]
        assert len(first["embeds"]) == 5
        await alice.press(first, "Older")
        second = await alice.wait_message(asked, contains("page 2 of 2"))
        assert len(second["embeds"]) == 1
        assert "seed 0" in second["embeds"][0]["description"]


async def test_help_lists_every_command_and_the_engine(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with bot(playground, engine, tmp_path), Person(playground.base) as alice:
        shown = await alice.wait_message(await alice.slash("help"))
        text = shown["embeds"][0]["description"]
        assert all(f"**/{name}**" in text for name in ("imagine", "upscale", "filter", "describe", "help"))
        assert "The engine is up." in text


async def test_commands_are_sent_to_discord_once_and_not_at_every_start(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with bot(playground, engine, tmp_path) as (client, history):
        assert await client.sync_commands() is False
        await history.set_setting("bot", 0, SYNCED, "the commands of an earlier version")
        assert await client.sync_commands() is True


@pytest.mark.usefixtures("playground")
async def test_a_token_that_discord_does_not_know_is_one_sentence(
    engine: ScriptedEngine, tmp_path: Path
) -> None:
    history = await History.open(f"sqlite+aiosqlite:///{tmp_path / 'darkroom.db'}")
    client, _ = compose(Settings(paths=Paths(data=tmp_path)), history, engine)
    with pytest.raises(Misconfigured, match=r"^discord\.token is not accepted by Discord"):
        await login(client, "wrong")
    await client.close()
    await history.close()
