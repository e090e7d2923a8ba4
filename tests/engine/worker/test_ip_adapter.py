"""IP-Adapters are judged by diffusers' own pipelines, and leave nothing behind in the network."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import (
    ControlNetModel,
    StableDiffusionControlNetPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)

from engine.errors import Refusal
from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.wire import Control, GenerationRequest, Sampler, Schedule
from engine.worker.bucketed import Bucketed
from engine.worker.device import Device
from tests.engine.tiny_controls import make_controlnet, make_ip_adapter
from tests.engine.tiny_model import make_tiny_model
from tests.engine.worker.steered import Steerer, by_pipeline, parts_of, pattern

Ask = Callable[..., GenerationRequest]
IP_ADAPTERS = ("style", "style-plus")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("controlnets")
    make_controlnet(folder / "edges", model_folder)
    make_ip_adapter(folder / "style.safetensors", model_folder)
    make_ip_adapter(folder / "style-plus.safetensors", model_folder, plus=True)
    return folder


@pytest.fixture(scope="module")
def steerer(model: StableDiffusion, folder: Path) -> Steerer:
    return Steerer(model, folder)


def steered(ask: Ask, *controls: Control, **changes: object) -> GenerationRequest:
    return ask(**({"controls": controls, "schedule": Schedule.NORMAL} | changes))


@pytest.mark.parametrize("guidance", [7.5, 1.0])
@pytest.mark.parametrize("name", IP_ADAPTERS)
def test_a_picture_with_an_ip_adapter_equals_the_pipelines(
    steerer: Steerer, model_folder: Path, folder: Path, ask: Ask, name: str, guidance: float
) -> None:
    request = steered(ask, Control(name=name, weight=0.7), guidance_scale=guidance)
    pipeline = StableDiffusionPipeline(**parts_of(model_folder), requires_safety_checker=False)
    pipeline.load_ip_adapter(str(folder), subfolder="", weight_name=f"{name}.safetensors")
    pipeline.set_ip_adapter_scale(0.7)
    theirs = by_pipeline(pipeline, request, ip_adapter_image=pattern(1))
    ours = steerer.draw_one(request, [pattern(1)])
    assert np.abs(ours - theirs).max() <= 1e-4
    assert np.abs(ours - steerer.draw_one(steered(ask, guidance_scale=guidance))).max() > 0.01


def test_a_controlnet_and_an_ip_adapter_together_equal_the_pipelines(
    steerer: Steerer, model_folder: Path, folder: Path, ask: Ask
) -> None:
    request = steered(ask, Control(name="style", weight=0.5), Control(name="edges"))
    pipeline = StableDiffusionControlNetPipeline(
        **parts_of(model_folder),
        controlnet=ControlNetModel.from_pretrained(folder / "edges"),
        requires_safety_checker=False,
    )
    pipeline.load_ip_adapter(str(folder), subfolder="", weight_name="style.safetensors")
    pipeline.set_ip_adapter_scale(0.5)
    theirs = by_pipeline(pipeline, request, image=pattern(2), ip_adapter_image=pattern(1))
    assert np.abs(steerer.draw_one(request, [pattern(1), pattern(2)]) - theirs).max() <= 1e-4


@pytest.mark.parametrize("name", IP_ADAPTERS)
def test_a_picture_without_an_adapter_is_the_same_to_the_last_bit_before_and_after_one_with_it(
    steerer: Steerer, ask: Ask, name: str
) -> None:
    before = steerer.draw_one(steered(ask))
    assert not np.array_equal(steerer.draw_one(steered(ask, Control(name=name)), [pattern(1)]), before)
    assert np.array_equal(steerer.draw_one(steered(ask)), before)


def test_the_network_has_its_own_attention_back_also_after_a_pass_that_failed(
    steerer: Steerer, ask: Ask
) -> None:
    unet = steerer.model.unet
    own, kind = dict(unet.attn_processors), unet.config.encoder_hid_dim_type
    (image,) = steerer.start(steered(ask, Control(name="style")), [pattern(1)])
    image.embedding = image.embedding[..., :1]
    with pytest.raises(RuntimeError):
        steerer.draw(image)
    assert {name: id(it) for name, it in unet.attn_processors.items()} == {n: id(it) for n, it in own.items()}
    assert (unet.encoder_hid_proj, unet.config.encoder_hid_dim_type) == (None, kind)


def test_ip_adapters_and_plain_pictures_in_flight_together_equal_those_drawn_alone(
    steerer: Steerer, ask: Ask
) -> None:
    requests = [
        (steered(ask, Control(name="style"), seed=1), [pattern(1)]),
        (steered(ask, seed=2, sampler=Sampler.EULER_A), []),
        (steered(ask, Control(name="style"), seed=3, guidance_scale=1.0), [pattern(2)]),
        (steered(ask, Control(name="style", weight=0.2), seed=4), [pattern(1)]),
        (steered(ask, Control(name="style", start=0.5), seed=5), [pattern(1)]),
    ]
    images = [image for request, shown in requests for image in steerer.start(request, shown)]
    for drawn, (request, shown) in zip(steerer.draw(*images), requests, strict=True):
        assert np.abs(drawn - steerer.draw_one(request, shown)).max() <= 1e-4


def test_a_network_with_buckets_of_rows_is_steered_as_one_without(
    steerer: Steerer, folder: Path, ask: Ask
) -> None:
    unet = steerer.model.unet
    bucketed = Steerer(replace(steerer.model, unet=Bucketed(unet, unet)), folder)
    prompt = "a cat AND a dog"  # three rows, in a bucket of four
    for controls in ([Control(name="edges")], [Control(name="style")]):
        request = steered(ask, *controls, prompt=prompt)
        plain = steerer.draw_one(request, [pattern(1)])
        assert np.abs(bucketed.draw_one(request, [pattern(1)]) - plain).max() <= 1e-4


def test_an_ip_adapter_for_a_network_that_adds_the_words_to_the_time_equals_the_pipelines(
    tmp_path: Path, exact: Device, ask: Ask
) -> None:
    folder = tmp_path / "model"
    make_tiny_model(folder, width=16, latent_side=8)
    changes = {"addition_embed_type": "text", "addition_embed_type_num_heads": 4}  # as the demo's
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        config = UNet2DConditionModel.load_config(folder / "unet") | changes
        UNet2DConditionModel.from_config(config).save_pretrained(folder / "unet")
    make_ip_adapter(tmp_path / "controls" / "style.safetensors", folder)
    steerer = Steerer(load_stable_diffusion("words", folder, exact), tmp_path / "controls")
    request = steered(ask, Control(name="style"))
    pipeline = StableDiffusionPipeline(**parts_of(folder), requires_safety_checker=False)
    pipeline.load_ip_adapter(str(tmp_path / "controls"), subfolder="", weight_name="style.safetensors")
    theirs = by_pipeline(pipeline, request, ip_adapter_image=pattern(1))
    assert np.abs(steerer.draw_one(request, [pattern(1)]) - theirs).max() <= 1e-4


def test_an_adapter_for_a_network_of_another_size_is_refused(
    tmp_path: Path, steerer: Steerer, ask: Ask
) -> None:
    make_tiny_model(tmp_path / "wide", width=32, latent_side=8)
    make_ip_adapter(tmp_path / "controls" / "wide.safetensors", tmp_path / "wide")
    other = Steerer(steerer.model, tmp_path / "controls")
    with pytest.raises(Refusal) as refused:
        other.start(steered(ask, Control(name="wide")), [pattern(1)])
    assert refused.value.body.code == "control_incompatible"
