"""Stories of what comes after a picture: its buttons, for anybody, and after a restart."""

from pathlib import Path

import pytest
from PIL import Image

from bot.jobs.states import Job
from bot.playground.client import Interaction, Json, Person
from bot.playground.server import Playground
from bot.ui import words
from engine.wire import Finished, Limits, Margins, Task, Upscale
from tests.bot.commands.conftest import bot
from tests.bot.commands.scripted_engine import ScriptedEngine, picture
from tests.bot.commands.telling import drawn, ended, labels, posted
from tests.bot.samples import capabilities, model

ONE = ["Again", "Variation", "Edit", "Upscale", "Zoom out", "◀", "▲", "▼", "▶", "Delete"]


@pytest.fixture
def engine() -> ScriptedEngine:
    """One that can do everything."""
    able = ScriptedEngine()
    able.offers = capabilities(model(tasks=tuple(Task)), upscalers=("lanczos", "4x-sharp"))
    return able


def size_of(path: Path | None) -> tuple[int, int]:
    assert path is not None
    with Image.open(path) as image:
        return image.size


async def result(alice: Person, engine: ScriptedEngine, pressed: Interaction, job: Job) -> Json:
    engine.finish(job)
    return await alice.wait_message(pressed, posted)


async def test_upscale_makes_a_picture_larger_and_its_own_buttons_go_on_from_that(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with bot(playground, engine, tmp_path) as (_, history), Person(playground.base) as alice:
        first, original = await drawn(alice, engine, history)
        assert labels(first) == ONE
    async with bot(playground, engine, tmp_path) as (_, history), Person(playground.base, user="bob") as bob:
        pressed = await bob.press(first, "Upscale")
        larger = await engine.next_job()
        assert (larger.request.task, larger.parent_id) == (Task.PROCESS, original.id)
        assert larger.request.post == (Upscale(upscaler="4x-sharp", scale=2),)
        sent = engine.inputs[larger.id]
        assert sent is not None
        assert sent.read_bytes() == picture()
        message = await result(bob, engine, pressed, larger)
        assert labels(message) == [each for each in ONE if each not in ("Again", "Edit")]
        assert message["content"].startswith(
            f"**<@{larger.conversation.user_id}>** · `a hamster` · 2 times as large, by 4x-sharp · 7.4 s"
        )
        await ended(history, larger)
        await bob.press(message, "Variation")
        varied = await engine.next_job()
        assert (varied.request.task, varied.request.post) == (Task.IMG2IMG, ())


async def test_each_of_several_pictures_can_be_made_larger(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with bot(playground, engine, tmp_path) as (_, history), Person(playground.base) as alice:
        first, _ = await drawn(alice, engine, history, count=4)
        several = ["V1", "V2", "V3", "V4", "U1", "U2", "U3", "U4"]
        assert labels(first) == ["Again", "Edit", *several, "Delete"]
        await alice.press(first, "U3")
        assert (await engine.next_job()).request.count == 1


@pytest.mark.parametrize(
    ("button", "margins", "sent"),
    [
        ("Zoom out", Margins(left=80, right=88, up=80, down=88), (344, 344)),
        ("▶", Margins(right=208), (416, 416)),
    ],
)
async def test_zooming_out_and_panning_draw_more_around_the_picture(
    playground: Playground,
    engine: ScriptedEngine,
    tmp_path: Path,
    button: str,
    margins: Margins,
    sent: tuple[int, int],
) -> None:
    async with bot(playground, engine, tmp_path) as (_, history), Person(playground.base) as alice:
        first, original = await drawn(alice, engine, history)
        pressed = await alice.press(first, button)
        job = await engine.next_job()
        assert (job.request.task, job.request.extend) == (Task.OUTPAINT, margins)
        assert (job.request.prompt, job.parent_id) == ("a hamster", original.id)
        assert size_of(engine.inputs[job.id]) == sent
        assert labels(await result(alice, engine, pressed, job)) == ONE


async def test_edit_opens_the_words_and_draws_the_same_seed_with_others_even_after_a_restart(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with bot(playground, engine, tmp_path) as (_, history), Person(playground.base) as alice:
        first, original = await drawn(alice, engine, history, negative_prompt="rain", seed=5)
        pressed = await alice.press(first, "Edit")
        opened = await alice.wait(pressed, lambda seen: seen.modal is not None)
        assert [field["value"] for field in fields(opened)] == ["a hamster", "rain"]
    async with bot(playground, engine, tmp_path) as (_, history), Person(playground.base) as alice:
        sent = await alice.submit(opened, {"prompt": "a hamster in the snow", "negative_prompt": ""})
        job = await engine.next_job()
        request = job.request
        assert (request.prompt, request.negative_prompt, request.seed) == ("a hamster in the snow", "", 5)
        assert job.parent_id == original.id
        await result(alice, engine, sent, job)


async def test_edit_of_a_picture_that_is_gone_says_so(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with bot(playground, engine, tmp_path) as (_, history), Person(playground.base) as alice:
        first, original = await drawn(alice, engine, history)
        pressed = await alice.press(first, "Edit")
        opened = await alice.wait(pressed, lambda seen: seen.modal is not None)
        await history.delete_job(original.id)
        sent = await alice.submit(opened, {"prompt": "a cat", "negative_prompt": ""})
        assert (await alice.wait_message(sent))["content"] == words.GONE
        await alice.press(first, "Edit")
        seen = await alice.wait_channel(
            lambda all_: all_[-1]["content"] == words.GONE and all_[-1]["flags"] & 64
        )
        assert seen


async def test_again_of_an_inpainted_picture_takes_picture_and_mask_along(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with bot(playground, engine, tmp_path) as (_, history), Person(playground.base) as alice:
        files = {"image": ("in.png", picture("green")), "mask": ("mask.png", picture("white"))}
        asked = await alice.slash("imagine", {"prompt": "a hole"}, files=files)
        first = await engine.next_job()
        message = await result(alice, engine, asked, first)
        await ended(history, first)
        await alice.press(message, "Again")
        second = await engine.next_job()
        assert second.request.task is Task.INPAINT
        assert second.request.seed != first.request.seed
        assert engine.inputs[second.id] == engine.inputs[first.id]
        assert engine.masks[second.id] == engine.masks[first.id]
        await alice.press(message, "Delete")
        await alice.wait_channel(lambda all_: message["id"] not in [each["id"] for each in all_])
        assert await history.get(first.id) is None


async def test_a_picture_that_is_as_large_as_it_gets_is_refused_in_words(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    assert engine.offers is not None
    engine.offers = engine.offers.model_copy(update={"limits": Limits(result_side=100)})
    async with bot(playground, engine, tmp_path) as (_, history), Person(playground.base) as alice:
        first, _ = await drawn(alice, engine, history)
        pressed = await alice.press(first, "Upscale")
        said = (await alice.wait_message(pressed))["content"]
        assert said.startswith("2 times as large this picture would be 128 x 128; at most 100 pixels a side")


async def test_a_description_becomes_a_picture(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with bot(playground, engine, tmp_path) as (_, history), Person(playground.base) as alice:
        asked = await alice.slash("describe", files={"image": ("in.png", picture())})
        job = await engine.next_job()
        assert job.request.task is Task.DESCRIBE
        engine.say(job, Finished(images=(), seconds=0.4, description="a red `star`"))
        told = await alice.wait_message(asked, lambda seen: "star" in seen["content"])
        assert told["content"] == (
            f"**<@{job.conversation.user_id}>** · a picture in words · 0.4 s\n> `a red ˋstarˋ`"
        )
        assert labels(told) == ["Draw this", "Delete"]
        await ended(history, job)
        await alice.press(told, "Draw this")
        assert (await engine.next_job()).request.prompt == "a red `star`"


def fields(opened: Interaction) -> list[Json]:
    assert opened.modal is not None
    return [row.get("component") or row["components"][0] for row in opened.modal["components"]]
