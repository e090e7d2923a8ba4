"""The ×4 upscaler in a single file enlarges as diffusers' pipeline does with the folder of the same weights."""

import json
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMScheduler,
    StableDiffusionUpscalePipeline,
    UNet2DConditionModel,
)
from safetensors.torch import save_file

from engine.models.checkpoint import read_checkpoint
from engine.models.fault import Corrupt
from engine.models.registry import Registry
from engine.wire import GenerationRequest, Sampler, Schedule, Task
from tests.engine.models import headers
from tests.engine.models.drawing import load
from tests.engine.models.original_layout import Tensors, make_pair, original_unet, original_vae
from tests.engine.tiny_upscaler import INDEX, NOISE
from tests.engine.worker.equality import drawn
from tests.engine.worker.test_upscale import by_diffusers, gradient, start

WIDTH = 32
LEVELS = "model.diffusion_model.label_emb.weight"  # of noise
ASKED = GenerationRequest(
    model="file",
    task=Task.UPSCALE,
    prompt="a hamster",
    negative_prompt="blurry",
    width=64,
    height=64,
    steps=2,
    guidance_scale=9.0,
    sampler=Sampler.DDIM,
    schedule=Schedule.NORMAL,
    noise_level=20,
    seed=1,
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same random weights as a folder and as a file."""
    root = tmp_path_factory.mktemp("models")
    text = {
        name: tensor
        for name, tensor in make_pair(root / "folder", "sd2", "v_prediction").items()
        if name.startswith("cond_stage_model.")
    }
    save_file(text | networks(root / "folder"), root / "file.safetensors")
    return root


def networks(folder: Path) -> Tensors:
    """Put an upscaler's networks and schedules into a folder; returns the networks in the original layout."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1839)
        unet = UNet2DConditionModel(
            sample_size=128,
            in_channels=7,
            out_channels=4,
            block_out_channels=(WIDTH, 2 * WIDTH, 2 * WIDTH, 2 * WIDTH),
            down_block_types=("DownBlock2D", *["CrossAttnDownBlock2D"] * 3),
            up_block_types=(*["CrossAttnUpBlock2D"] * 3, "UpBlock2D"),
            cross_attention_dim=WIDTH,
            attention_head_dim=8,
            num_class_embeds=400,
            only_cross_attention=(True, True, True, False),
            use_linear_projection=True,
        )
        vae = AutoencoderKL(
            sample_size=64,
            block_out_channels=(WIDTH, WIDTH, 2 * WIDTH),
            layers_per_block=2,
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            latent_channels=4,
            scaling_factor=0.08333,
        )
    unet.save_pretrained(folder / "unet")
    vae.save_pretrained(folder / "vae")
    steps = {"set_alpha_to_one": False, "steps_offset": 1, "clip_sample": False}
    DDIMScheduler(**NOISE, **steps, prediction_type="v_prediction").save_pretrained(folder / "scheduler")
    DDPMScheduler(**NOISE).save_pretrained(folder / "low_res_scheduler")
    (folder / "model_index.json").write_text(json.dumps(INDEX))
    # buffers that the published file has, and that nobody needs
    return original_unet(unet) | original_vae(vae) | {"low_scale_model.betas": torch.zeros(1000)}


def test_it_enlarges_as_the_pipeline_of_its_folder_does_and_asks_no_network(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(socket, "getaddrinfo")
    model, picture = load(root / "file.safetensors"), gradient(16, 16)
    (ours,) = drawn(model, start(model, ASKED, picture))
    pipeline = StableDiffusionUpscalePipeline.from_pretrained(root / "folder", local_files_only=True)
    theirs = by_diffusers(dict(pipeline.components), ASKED, picture)
    assert ours.shape == (64, 64, 3)
    assert np.abs(ours - theirs).max() <= 1e-4


def test_it_is_offered_as_its_folder_is(root: Path) -> None:
    offered = {model.name: model for model in Registry(root).models()}
    file, folder = offered["file"], offered["folder"]
    assert (file.family, file.tasks, file.defaults.width) == ("sd-x4", (Task.UPSCALE,), 128)
    nameless = {"name": "", "title": "", "weights": None}  # the file has a layer more of its text encoder
    assert file.model_copy(update=nameless) == folder.model_copy(update=nameless)


def test_it_predicts_v_whatever_its_name_says(root: Path, tmp_path: Path) -> None:
    (tmp_path / "x4-upscaler-512-base-ema.safetensors").symlink_to(root / "file.safetensors")
    checkpoint = read_checkpoint(tmp_path / "x4-upscaler-512-base-ema.safetensors")
    assert (checkpoint.predicts, checkpoint.told) == ("v_prediction", "v")
    assert checkpoint.config["unet"]["num_class_embeds"] == 400


def test_seven_channels_without_levels_of_noise_are_no_upscaler(tmp_path: Path) -> None:
    shapes = headers.checkpoint("sd2", in_channels=7)
    attention = "model.diffusion_model.input_blocks.4.1."
    shapes |= {
        f"{attention}transformer_blocks.0.attn2.to_k.weight": (640, 1024),
        f"{attention}proj_in.weight": (640, 640),
    }
    with pytest.raises(Corrupt, match=f"its tensor {LEVELS} is missing"):
        read_checkpoint(headers.write(tmp_path / "m.safetensors", shapes))
