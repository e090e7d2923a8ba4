"""The benchmark of speed-ups itself: it compares the same picture, and says so in a table."""

from dataclasses import replace

import pytest
import torch

from bench.speedups import OPENVINO, arms_of, measure, table
from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.worker.device import Device
from tests.engine.tiny_model import make_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusion:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    make_tiny_model(folder, width=16, latent_side=8)
    device = Device(place=torch.device("cpu"), dtype=torch.float32, reason="test")
    return load_stable_diffusion("tiny", folder, device)


def test_ways_that_draw_the_same_picture_are_found_to(model: StableDiffusion) -> None:
    gains = measure(list(arms_of(model, model, with_compiled=False)), side=64, steps=5, rounds=1)
    by_name = {each.name: each for each in gains}
    assert (by_name["exact"].gain, by_name["exact"].psnr, by_name["exact"].largest) == (1.0, 99.0, 0)
    same = ("without channels_last", "fused QKV", "attention MATH", OPENVINO)
    assert all(by_name[name].largest <= 1 for name in same)
    assert by_name["guided until 0.6"].psnr < 99
    assert all(each.step_s > 0 for each in gains)
    assert table(gains).count("\n") == 1 + len(gains)


def test_what_is_measured_leaves_the_model_as_it_was(model: StableDiffusion) -> None:
    before = [type(each) for each in model.unet.attn_processors.values()]
    list(arms_of(replace(model), model, with_compiled=False))
    assert [type(each) for each in model.unet.attn_processors.values()] == before
    weight = model.unet.conv_in.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
