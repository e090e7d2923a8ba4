"""T2I-Adapters are judged by diffusers' own pipeline. They fit networks whose first block attends to words."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import MultiAdapter, StableDiffusionAdapterPipeline, T2IAdapter, UNet2DConditionModel

from engine.errors import Refusal
from engine.models.loading import load_stable_diffusion
from engine.wire import Control, GenerationRequest, Schedule
from engine.worker.device import Device
from tests.engine.tiny_controls import make_t2i_adapter
from tests.engine.tiny_model import make_tiny_model
from tests.engine.worker.steered import Steerer, by_pipeline, parts_of, pattern

Ask = Callable[..., GenerationRequest]
WIDTHS = (16, 32)
pytestmark = pytest.mark.filterwarnings(
    "ignore:The decode_latents method:FutureWarning"
)  # of the pipeline's own


@pytest.fixture(scope="module")
def sd1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "sd1"
    make_tiny_model(folder, width=16, latent_side=8)
    blocks = {"down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D")}
    blocks |= {"up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D")}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        config = UNet2DConditionModel.load_config(folder / "unet") | blocks
        UNet2DConditionModel.from_config(config).save_pretrained(folder / "unet")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("controlnets")
    make_t2i_adapter(folder / "sketch", widths=WIDTHS)
    make_t2i_adapter(folder / "lines", widths=WIDTHS, in_channels=1)
    make_t2i_adapter(folder / "wide", widths=(8, 8))
    return folder


@pytest.fixture(scope="module")
def steerer(sd1: Path, folder: Path, exact: Device) -> Steerer:
    return Steerer(load_stable_diffusion("sd1", sd1, exact), folder)


def steered(ask: Ask, *controls: Control, **changes: object) -> GenerationRequest:
    return ask(**({"controls": controls, "schedule": Schedule.NORMAL} | changes))


def adapter_pipeline(model_folder: Path, adapter: Any) -> Any:
    parts = parts_of(model_folder)
    del parts["image_encoder"]
    return StableDiffusionAdapterPipeline(**parts, adapter=adapter, requires_safety_checker=False)


@pytest.mark.parametrize(("name", "grey"), [("sketch", False), ("lines", True)])
def test_a_picture_with_a_t2i_adapter_equals_the_pipelines(
    steerer: Steerer, sd1: Path, folder: Path, ask: Ask, name: str, grey: bool
) -> None:
    request = steered(ask, Control(name=name, weight=0.8))
    adapter = T2IAdapter.from_pretrained(folder / name)
    pipeline = adapter_pipeline(sd1, adapter)
    shown = pattern(1).convert("L") if grey else pattern(1)
    theirs = by_pipeline(pipeline, request, image=shown, adapter_conditioning_scale=0.8)
    ours = steerer.draw_one(request, [pattern(1)])
    assert np.abs(ours - theirs).max() <= 1e-4
    assert np.abs(ours - steerer.draw_one(steered(ask))).max() > 0.01


def test_a_picture_with_two_t2i_adapters_equals_the_pipelines(
    steerer: Steerer, sd1: Path, folder: Path, ask: Ask
) -> None:
    request = steered(ask, Control(name="sketch", weight=0.8), Control(name="sketch", weight=0.3))
    adapters = MultiAdapter([T2IAdapter.from_pretrained(folder / "sketch") for _ in range(2)])
    pipeline = adapter_pipeline(sd1, adapters)
    shown = [pattern(1), pattern(2)]
    theirs = by_pipeline(pipeline, request, image=shown, adapter_conditioning_scale=[0.8, 0.3])
    assert np.abs(steerer.draw_one(request, shown) - theirs).max() <= 1e-4


def test_t2i_adapters_and_plain_pictures_in_flight_together_equal_those_drawn_alone(
    steerer: Steerer, ask: Ask
) -> None:
    requests = [
        (steered(ask, Control(name="sketch", start=0.5), seed=5), [pattern(1)]),
        (steered(ask, seed=2), []),
        (steered(ask, Control(name="sketch", weight=0.4, start=0.5), seed=6), [pattern(3)]),
    ]
    images = [image for request, shown in requests for image in steerer.start(request, shown)]
    for drawn, (request, shown) in zip(steerer.draw(*images), requests, strict=True):
        assert np.abs(drawn - steerer.draw_one(request, shown)).max() <= 1e-4


def test_a_picture_without_an_adapter_is_the_same_to_the_last_bit_before_and_after_one_with_it(
    steerer: Steerer, ask: Ask
) -> None:
    before = steerer.draw_one(steered(ask))
    assert not np.array_equal(steerer.draw_one(steered(ask, Control(name="sketch")), [pattern(1)]), before)
    assert np.array_equal(steerer.draw_one(steered(ask)), before)


def test_an_adapter_for_a_network_of_another_size_is_refused(steerer: Steerer, ask: Ask) -> None:
    with pytest.raises(Refusal) as refused:
        steerer.start(steered(ask, Control(name="wide")), [pattern(1)])
    assert refused.value.body.code == "control_incompatible"
