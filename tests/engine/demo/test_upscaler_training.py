"""Training of the ×4 upscaler: from a seed to a folder that the engine enlarges with, in one command."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engine.demo.training import upscaler, upscaling
from engine.demo.training.drawing import Upscaler
from engine.demo.training.shapes import draw_shapes, shapes_of
from engine.demo.training.upscaler_evaluation import lanczos, nearness
from engine.demo.training.upscaling import reduced
from engine.models.registry import DEMO_FOLDER, Registry
from engine.wire import Task

SMALL = {"size": 4, "kinds": 8, "shapes": 2, "autoencoder-steps": 2, "diffusion-steps": 3, "questions": 1}


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an upscaler that learned next to nothing."""
    monkeypatch.setattr(upscaling, "CROPS", (2, 8))
    monkeypatch.setattr(upscaling, "WHOLE_PICTURES", (1, 16))
    options = [f"--{name}={value}" for name, value in SMALL.items()]
    folders = [f"--work={tmp_path / 'work'}", f"--out={tmp_path / 'out'}", "--stage=train"]
    monkeypatch.setattr(sys, "argv", ["upscaler", *folders, *options])
    assert upscaler.main() == 0
    return tmp_path / "out"


def test_one_command_makes_a_folder_that_the_engine_enlarges_with(trained: Path) -> None:
    info = {each.name: each for each in Registry(trained.parent).models()}["out"]
    assert (info.family, info.tasks, info.defaults.width) == ("sd-x4", (Task.UPSCALE,), 256)
    picture = Image.new("RGB", (64, 64), "navy")
    first, second = (Upscaler(trained).enlarge(picture, "a cat", 1, steps=2) for _ in range(2))
    assert first.shape == (256, 256, 3)
    assert (first == second).all()


def test_it_has_the_demos_own_tokenizer_and_says_nothing_of_where_it_was_made(trained: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        theirs, ours = (folder / "tokenizer" / name for folder in (DEMO_FOLDER, trained))
        assert ours.read_bytes() == theirs.read_bytes()
    assert not [path for path in trained.rglob("*.json") if str(trained.parent) in path.read_text()]
    assert json.loads((trained / "model_index.json").read_text())["max_noise_level"] == 350


def test_shapes_are_the_same_from_the_same_seed_and_their_edges_sharp(tmp_path: Path) -> None:
    first, again = (shapes_of(tmp_path / name, seed=1, size=2) for name in ("one", "two"))
    assert (first == again).all()
    assert (first[0] != first[1]).any()
    random = np.random.default_rng(5)
    across = np.abs(np.diff(np.asarray(draw_shapes(random), np.int64), axis=1)).max(axis=2)
    assert across.max() > 60  # within one pixel


def test_a_small_picture_is_the_average_or_softer() -> None:
    pixels = torch.zeros(2, 3, 16, 16)
    pixels[:, :, :, 8:] = 1
    sharp, soft = reduced(pixels, torch.tensor([0.0, 1.0]))
    assert sharp[0, 0].tolist() == [0, 0, 1, 1]
    assert sorted(soft[0, 0].tolist()) == soft[0, 0].tolist()
    assert 0 < float(soft[0, 0, 1]) < float(soft[0, 0, 2]) < 1


def test_nearness_tells_blur_from_a_wrong_colour() -> None:
    truth = np.zeros((64, 64, 3), np.uint8)
    truth[:, 32:] = 200
    same, brighter = nearness(truth, truth), nearness(truth + np.uint8(9), truth)
    assert (same.edges, same.colour, brighter.edges, brighter.colour) == (0, 0, 0, 9)
    blurred = nearness(lanczos(Image.fromarray(truth).reduce(4)), truth)
    assert blurred.edges > 0.5
    assert blurred.colour < 1
    assert brighter.psnr > blurred.psnr
