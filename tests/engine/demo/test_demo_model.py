"""The model that ships: what it draws is what was asked for. Its shares of success are in its own card."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import open_clip
import pytest
import torch
from PIL import Image, ImageDraw

from engine.demo.training.evaluation import background_colour
from engine.models.card import Card
from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.models.registry import DEMO_FOLDER, Registry
from engine.tasks.image_to_image import start_image_to_image
from engine.tasks.text_to_image import start_text_to_image
from engine.wire import GenerationRequest, Task
from engine.worker.batching import RowCap
from engine.worker.device import choose_device
from engine.worker.pixels import decode_latents
from engine.worker.step_loop import StepLoop

MOST_MIB = 40
Pixels = npt.NDArray[np.uint8]
Draw = Callable[..., Pixels]


@pytest.fixture(scope="module")
def model() -> StableDiffusion:
    return load_stable_diffusion("demo", DEMO_FOLDER, choose_device("cpu"))


@pytest.fixture(scope="module")
def draw(model: StableDiffusion) -> Draw:
    """Draws with the model's defaults: `draw(prompt, seed=…, negative=…, picture=…)`."""
    info, _ = Registry(Path("no models here")).models()

    def draw(prompt: str, *, seed: int = 7, negative: str = "", picture: Image.Image | None = None) -> Pixels:
        fields = {**info.defaults.model_dump(), "model": "demo", "prompt": prompt, "seed": seed}
        fields |= {"negative_prompt": negative, "task": Task.TXT2IMG if picture is None else Task.IMG2IMG}
        fields["strength"] = None if picture is None else 0.6
        request = GenerationRequest.model_validate(fields)
        conditioning = model.prompts.encode(prompt, negative, guided=True)
        if picture is None:
            image = start_text_to_image(model, "job", request, 0, conditioning)
        else:
            image = start_image_to_image(model, "job", request, 0, conditioning, picture)
        loop = StepLoop(model=model, cap=RowCap(fixed=2))
        loop.join(image)
        while loop.images:
            loop.tick()
        return decode_latents(model, image.latents)

    return draw


@pytest.fixture(scope="module")
def likeness() -> Callable[[Pixels, list[str]], list[float]]:
    """How well captions fit a picture, by the CLIP that ships: shares that add up to one."""
    clip, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{DEMO_FOLDER / 'clip'}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{DEMO_FOLDER / 'clip'}")
    clip.eval()

    @torch.inference_mode()
    def likeness(pixels: Pixels, captions: list[str]) -> list[float]:
        image = clip.encode_image(preprocess(Image.fromarray(pixels))[None], normalize=True)
        texts = clip.encode_text(tokenizer(captions), normalize=True)
        shares: list[float] = (clip.logit_scale.exp() * image @ texts.T).softmax(dim=1)[0].tolist()
        return shares

    return likeness


@pytest.mark.parametrize("colour", ["blue", "red", "yellow", "green", "black", "white"])
def test_the_background_has_the_colour_that_was_asked_for(draw: Draw, colour: str) -> None:
    assert background_colour(Image.fromarray(draw(f"a hamster on a {colour} background"))) == colour


def test_the_same_seed_draws_the_same_picture_bit_for_bit(draw: Draw) -> None:
    first, second = draw("a cat in a hat", seed=3), draw("a cat in a hat", seed=3)
    assert (first == second).all()
    assert (first != draw("a cat in a hat", seed=4)).any()


@pytest.mark.parametrize("name", ["hamster", "cat", "robot", "house", "rocket", "pizza"])
def test_the_thing_that_was_asked_for_is_there(
    draw: Draw, likeness: Callable[[Pixels, list[str]], list[float]], name: str
) -> None:
    others = [other for other in ("frog", "car", "tree", "elephant", "castle") if other != name]
    shares = likeness(draw(f"a {name}"), [f"a {each}" for each in (name, *others)])
    assert shares[0] == max(shares)


def test_a_synonym_draws_the_same_thing(
    draw: Draw, likeness: Callable[[Pixels, list[str]], list[float]]
) -> None:
    shares = likeness(draw("a kitty"), ["a cat", "a dog", "a robot", "a tree"])
    assert shares[0] == max(shares)


def test_a_crude_sketch_is_followed(draw: Draw, likeness: Callable[[Pixels, list[str]], list[float]]) -> None:
    sketch = Image.new("RGB", (256, 256), (226, 226, 236))
    pen = ImageDraw.Draw(sketch)
    pen.line((0, 206, 256, 190), fill=(112, 74, 44), width=16)
    pen.ellipse((70, 90, 170, 190), fill=(60, 160, 220))
    drawn = draw("a bird sitting on a tree branch", picture=sketch)
    shares = likeness(drawn, ["a bird on a tree branch", "a bird", "a robot", "a pizza on a tree branch"])
    assert shares[0] + shares[1] > 0.5
    before, after = (np.asarray(each, float) for each in (sketch, drawn))
    elsewhere = np.asarray(draw("a bird sitting on a tree branch"), float)
    assert np.abs(after - before).mean() < np.abs(elsewhere - before).mean()
    assert np.abs(after[:40] - before[:40]).mean() < 40  # the paper stays as it was


def test_the_negative_prompt_keeps_something_out(draw: Draw) -> None:
    with_it, without = draw("a hamster"), draw("a hamster", negative="white background")
    assert without[:10].mean() < with_it[:10].mean() - 5


@pytest.mark.parametrize(
    "prompt", ["", "a cathedral of the 19th century", "zyzzyva 東京 🐹" * 30, "(((", "\n\t"]
)
def test_words_outside_its_vocabulary_still_draw_a_picture(draw: Draw, prompt: str) -> None:
    assert draw(prompt).shape == (256, 256, 3)


def test_it_fits_its_size_and_brings_its_notices() -> None:
    files = [path for path in DEMO_FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= MOST_MIB * 2**20
    assert "SIL OPEN FONT LICENSE Version 1.1" in (DEMO_FOLDER / "LICENSE.noto-emoji.txt").read_text()
    assert not [path for path in files if path.suffix in {".bin", ".pt", ".ckpt"}]


def test_it_knows_the_examples_that_it_gives() -> None:
    card = Card.model_validate(json.loads((DEMO_FOLDER / "darkroom.json").read_text()))
    assert card.vocabulary is not None
    examples = re.findall("“(.*?)”", card.vocabulary.advice)
    assert len(examples) == 2
    assert [example for example in examples if card.vocabulary.hint(example)] == []
    assert card.vocabulary.hint("a cathedral")
