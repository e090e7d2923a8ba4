"""The ×4 upscaler that ships: nearer to the truth than Lanczos, and small enough to be beside the demo."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.demo.training.drawing import Upscaler
from engine.demo.training.upscaler_evaluation import evaluate_upscaler, lanczos, nearness
from engine.demo.vocabulary import KINDS
from engine.models.registry import SHIPPED, Registry
from engine.wire import Task

MOST_BYTES = 40_000_000
SCENES = 3


@pytest.fixture(scope="module")
def upscaler() -> Upscaler:
    return Upscaler(SHIPPED["demo-x4"])


def test_scenes_that_it_never_saw_are_nearer_to_the_truth_than_by_lanczos(upscaler: Upscaler) -> None:
    ours = evaluate_upscaler(upscaler.enlarge, KINDS[:48], SCENES)
    plain = evaluate_upscaler(lanczos, KINDS[:48], SCENES)
    assert ours.psnr > plain.psnr + 1
    assert ours.edges < 0.9 * plain.edges
    assert ours.colour < 0.5


def test_the_same_seed_enlarges_to_the_same_picture_bit_for_bit(upscaler: Upscaler) -> None:
    picture = Image.linear_gradient("L").convert("RGB").resize((80, 64))
    first, again, other = (upscaler.enlarge(picture, "a cat", seed) for seed in (3, 3, 4))
    assert first.shape == (256, 320, 3)
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize("colour", ["white", "black", "red", "gold", "navy"])
def test_a_plain_colour_stays_what_it_is(upscaler: Upscaler, colour: str) -> None:
    plain = Image.new("RGB", (64, 64), colour)
    assert nearness(upscaler.enlarge(plain, "", 1), np.asarray(plain.resize((256, 256)))).colour < 0.5


def test_a_picture_gets_no_frame_along_its_edges(upscaler: Upscaler) -> None:
    grey = Image.new("RGB", (64, 64), (200, 200, 200))
    grey.paste((40, 40, 40), (24, 24, 40, 40))
    edge = upscaler.enlarge(grey, "", 1)[:4].astype(float)
    assert np.abs(edge - 200).max() < 4


def test_a_step_between_two_colours_is_sharper_than_by_lanczos(upscaler: Upscaler) -> None:
    picture = Image.new("RGB", (64, 64), "navy")
    picture.paste("gold", (32, 0, 64, 64))
    ours, plain = (enlarge(picture, "", 1).astype(float) for enlarge in (upscaler.enlarge, lanczos))
    between = [
        np.abs(each[96:160, 1:, 0] - each[96:160, :-1, 0]).max(axis=1).mean() for each in (ours, plain)
    ]
    assert between[0] > 2 * between[1]


def test_it_fits_beside_the_demo_and_brings_its_notices() -> None:
    files = [path for folder in SHIPPED.values() for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES
    assert not [path for path in files if path.suffix in {".bin", ".pt", ".ckpt"}]
    notices = [folder / "LICENSE.noto-emoji.txt" for folder in SHIPPED.values()]
    assert notices[0].read_bytes() == notices[1].read_bytes()


def test_it_is_what_enlarges_by_words_where_there_are_no_other_models() -> None:
    models = Registry(Path("no models here")).models()
    assert [model.name for model in models if Task.UPSCALE in model.tasks] == ["demo-x4"]
    assert models[-1].title == "Darkroom demo, ×4"
    assert models[-1].defaults.width == 256
