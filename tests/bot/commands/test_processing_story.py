"""Stories of pictures that people bring: made larger, filtered, described, a part drawn anew, more drawn around."""

from pathlib import Path

import pytest
from PIL import Image

from bot.commands.filters import NOTHING_CHOSEN
from bot.playground.client import Person
from bot.playground.server import Playground
from engine.wire import Colour, Denoise, Hires, RestoreFaces, Seamless, Sharpen, Task, Upscale
from tests.bot.commands.conftest import bot
from tests.bot.commands.scripted_engine import ScriptedEngine, picture
from tests.bot.commands.telling import labels, posted
from tests.bot.samples import capabilities, model


@pytest.fixture
def engine() -> ScriptedEngine:
    """One that can do everything."""
    able = ScriptedEngine()
    able.offers = capabilities(
        model(tasks=tuple(Task)), upscalers=("lanczos", "4x-sharp"), restorers=("gfpgan",)
    )
    return able


async def test_upscale_enlarges_twice_by_the_best_there_is_or_as_asked(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    photo = {"image": ("photo.jpg", picture("green", "JPEG", (3000, 1000)))}
    async with bot(playground, engine, tmp_path), Person(playground.base) as alice:
        asked = await alice.slash("upscale", files=photo)
        job = await engine.next_job()
        assert job.request.post == (Upscale(upscaler="4x-sharp", scale=2),)
        sent = engine.inputs[job.id]
        assert sent is not None
        with Image.open(sent) as image:
            assert image.size == (3000, 1000)  # every pixel of it: nothing is drawn
        engine.finish(job)
        message = await alice.wait_message(asked, posted)
        assert labels(message) == ["Upscale", "Delete"]
        assert " · a picture · 2 times as large, by 4x-sharp · " in message["content"]
        await alice.slash("upscale", {"scale": 1.5, "upscaler": "Lanczos"}, files=photo)
        assert (await engine.next_job()).request.post == (Upscale(upscaler="lanczos", scale=1.5),)
        offered = await alice.autocomplete("upscale", "upscaler", "lancos")
        assert offered[0] == {"name": "lanczos", "value": "lanczos"}


async def test_upscale_with_words_has_a_model_draw_it_anew(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    small = {"image": ("small.png", picture(size=(100, 60)))}
    async with bot(playground, engine, tmp_path), Person(playground.base) as alice:
        await alice.slash("upscale", {"prompt": "a cat"}, files=small)
        request = (await engine.next_job()).request
        assert (request.task, request.prompt, request.width, request.height) == (
            Task.UPSCALE,
            "a cat",
            104,
            64,
        )
        asked = await alice.slash("upscale", {"prompt": "a cat", "scale": 2}, files=small)
        assert "leave scale and upscaler out, or prompt" in (await alice.wait_message(asked))["content"]
        large = {"image": ("large.png", picture(size=(1200, 1000)))}
        asked = await alice.slash("upscale", {"prompt": "a cat"}, files=large)
        said = (await alice.wait_message(asked))["content"]
        assert said.endswith("it was 1200 x 1000. Without a prompt an upscaler enlarges larger ones.")
        engine.offers = capabilities(upscalers=("lanczos",))
        asked = await alice.slash("upscale", {"prompt": "a cat"}, files=small)
        said = (await alice.wait_message(asked))["content"]
        assert said == "No model here can upscale by words: leave prompt out."


@pytest.mark.parametrize(
    ("options", "size", "said"),
    [
        ({"scale": 8}, (3000, 1000), "8 times as large this picture would be 24000 x 8000"),
        ({"upscaler": "magic"}, (64, 64), "upscale: there is no upscaler called 'magic'."),
    ],
)
async def test_what_cannot_be_enlarged_is_one_sentence(
    playground: Playground,
    engine: ScriptedEngine,
    tmp_path: Path,
    options: dict[str, object],
    size: tuple[int, int],
    said: str,
) -> None:
    async with bot(playground, engine, tmp_path) as (_, history), Person(playground.base) as alice:
        asked = await alice.slash("upscale", options, files={"image": ("in.png", picture(size=size))})
        assert (await alice.wait_message(asked))["content"].startswith(said)
        assert await history.unfinished() == ()


async def test_filters_are_done_in_the_order_of_a_darkroom(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    photo = {"image": ("photo.jpg", picture("green", "JPEG"))}
    chosen = {"sharpen": 1, "saturation": 0, "temperature": -0.2, "denoise": 0.3, "faces": 0.8}
    async with bot(playground, engine, tmp_path), Person(playground.base) as alice:
        asked = await alice.slash("filter", chosen, files=photo)
        job = await engine.next_job()
        assert (job.request.task, job.request.post) == (
            Task.PROCESS,
            (
                Denoise(strength=0.3),
                RestoreFaces(restorer="gfpgan", strength=0.8),
                Colour(saturation=0, temperature=-0.2),
                Sharpen(amount=1),
            ),
        )
        engine.finish(job)
        message = await alice.wait_message(asked, posted)
        assert " · a picture · smoothed · faces restored · other colours · sharpened · " in message["content"]


async def test_a_filter_without_a_choice_or_a_restorer_says_what_is_missing(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    photo = {"image": ("photo.jpg", picture("green", "JPEG"))}
    engine.offers = capabilities()
    async with bot(playground, engine, tmp_path), Person(playground.base) as alice:
        asked = await alice.slash("filter", files=photo)
        assert (await alice.wait_message(asked))["content"] == NOTHING_CHOSEN
        asked = await alice.slash("filter", {"faces": 1}, files=photo)
        assert "this engine has no face restorer" in (await alice.wait_message(asked))["content"]
        asked = await alice.slash("describe", files=photo)
        assert (await alice.wait_message(asked))["content"].startswith("This engine has no CLIP")


async def test_a_mask_has_only_its_white_part_drawn_anew(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with bot(playground, engine, tmp_path), Person(playground.base) as alice:
        files = {
            "image": ("in.png", picture(size=(512, 384))),
            "mask": ("mask.jpg", picture("white", "JPEG", (1024, 768))),
        }
        await alice.slash("imagine", {"prompt": "x"}, files=files)
        job = await engine.next_job()
        request = job.request
        assert (request.task, request.mask_blur, request.only_masked) == (Task.INPAINT, 4, False)
        mask = engine.masks[job.id]
        assert mask is not None
        with Image.open(mask) as image:
            assert (image.mode, image.size) == ("L", (512, 384))


async def test_of_a_large_picture_the_part_under_the_mask_is_drawn_in_full_size(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with bot(playground, engine, tmp_path), Person(playground.base) as alice:
        files = {
            "image": ("in.png", picture(size=(1600, 1200))),
            "mask": ("mask.png", picture("white", size=(1600, 1200))),
        }
        await alice.slash("imagine", {"prompt": "x"}, files=files)
        request = (await engine.next_job()).request
        assert (request.only_masked, request.width, request.height) == (True, 512, 512)


async def test_more_of_a_picture_is_drawn_to_one_side(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with bot(playground, engine, tmp_path), Person(playground.base) as alice:
        files = {"image": ("in.png", picture(size=(512, 512)))}
        await alice.slash("imagine", {"prompt": "x", "outpaint": "left"}, files=files)
        request = (await engine.next_job()).request
        assert (request.task, request.width, request.height) == (Task.OUTPAINT, 768, 512)
        assert request.extend is not None
        assert request.extend.left == 256


async def test_a_seamless_picture_and_one_that_is_drawn_twice(
    playground: Playground, engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with bot(playground, engine, tmp_path), Person(playground.base) as alice:
        await alice.slash("imagine", {"prompt": "x", "tiling": "both", "hires": 1.5})
        request = (await engine.next_job()).request
        assert (request.tiling, request.hires) == (Seamless.BOTH, Hires(scale=1.5))


@pytest.mark.parametrize(
    ("options", "files", "said"),
    [
        ({}, ["mask"], "mask needs an image to start from."),
        ({"outpaint": "out"}, [], "outpaint needs an image to start from."),
        ({"outpaint": "out"}, ["image", "mask"], "mask and outpaint do not go together"),
        ({"outpaint": "out", "tiling": "x"}, ["image"], "tiling does not go with outpaint"),
        ({"hires": 2}, ["image"], "hires draws from words alone: leave image out."),
    ],
)
async def test_what_does_not_go_together_is_said_before_anything_is_queued(
    playground: Playground,
    engine: ScriptedEngine,
    tmp_path: Path,
    options: dict[str, object],
    files: list[str],
    said: str,
) -> None:
    async with bot(playground, engine, tmp_path) as (_, history), Person(playground.base) as alice:
        attached = {name: (f"{name}.png", picture("white")) for name in files}
        asked = await alice.slash("imagine", {"prompt": "x"} | options, files=attached)
        assert (await alice.wait_message(asked))["content"].startswith(said)
        assert await history.unfinished() == ()
