"""Pictures steer SDXL too: ControlNets and IP-Adapters, judged by diffusers' pipelines."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    ControlNetModel,
    DiffusionPipeline,
    StableDiffusionXLControlNetPipeline,
    StableDiffusionXLPipeline,
)

from engine.models.loading import load_stable_diffusion
from engine.wire import Control, GenerationRequest, Schedule
from engine.worker.device import Device
from tests.engine.tiny_controls import make_controlnet, make_ip_adapter
from tests.engine.tiny_sdxl import make_tiny_sdxl
from tests.engine.worker.steered import Steerer, by_pipeline, pattern

Ask = Callable[..., GenerationRequest]


@pytest.fixture(scope="module")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "sdxl"
    make_tiny_sdxl(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, sdxl: Path) -> Path:
    folder = tmp_path_factory.mktemp("controlnets")
    make_controlnet(folder / "edges", sdxl)
    make_ip_adapter(folder / "style.safetensors", sdxl)
    return folder


@pytest.fixture(scope="module")
def steerer(sdxl: Path, folder: Path, exact: Device) -> Steerer:
    return Steerer(load_stable_diffusion("sdxl", sdxl, exact), folder)


def pipeline_of(kind: Any, sdxl: Path, **more: Any) -> Any:
    """With parts loaded anew: an IP-Adapter changes them."""
    parts = dict(DiffusionPipeline.from_pretrained(sdxl, dtype=torch.float32).components)
    return kind(**parts, **more, add_watermarker=False)


def test_sdxl_with_a_controlnet_equals_the_pipelines(
    steerer: Steerer, sdxl: Path, folder: Path, ask: Ask
) -> None:
    request = ask(controls=[Control(name="edges", weight=0.7, end=0.8)], schedule=Schedule.NORMAL)
    network = ControlNetModel.from_pretrained(folder / "edges")
    theirs = by_pipeline(
        pipeline_of(StableDiffusionXLControlNetPipeline, sdxl, controlnet=network),
        request,
        image=pattern(1),
        controlnet_conditioning_scale=0.7,
        control_guidance_end=0.8,
    )
    ours = steerer.draw_one(request, [pattern(1)])
    assert np.abs(ours - theirs).max() <= 1e-4
    assert np.abs(ours - steerer.draw_one(ask(schedule=Schedule.NORMAL))).max() > 0.01


def test_sdxl_with_an_ip_adapter_equals_the_pipelines(
    steerer: Steerer, sdxl: Path, folder: Path, ask: Ask
) -> None:
    request = ask(controls=[Control(name="style", weight=0.7)], schedule=Schedule.NORMAL)
    pipeline = pipeline_of(StableDiffusionXLPipeline, sdxl)
    pipeline.load_ip_adapter(str(folder), subfolder="", weight_name="style.safetensors")
    pipeline.set_ip_adapter_scale(0.7)
    theirs = by_pipeline(pipeline, request, ip_adapter_image=pattern(1))
    ours = steerer.draw_one(request, [pattern(1)])
    assert np.abs(ours - theirs).max() <= 1e-4
    assert np.abs(ours - steerer.draw_one(ask(schedule=Schedule.NORMAL))).max() > 0.01
