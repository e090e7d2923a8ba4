"""Random models for the benchmarks: what is written is a model, and always the same."""

import hashlib
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from accelerate import init_empty_weights

from bench.random_models import MID_SIZE, configuration, write_model
from bench.serving.gate import drawn_by_step_loop, fixed_requests
from bench.serving.stock import load_stock
from engine.models.loading import load_stable_diffusion
from engine.worker.device import Device

SMALL: dict[str, dict[str, Any]] = {
    "unet": {"block_out_channels": [32, 32, 64, 64], "cross_attention_dim": 32, "attention_head_dim": 2},
    "vae": {"block_out_channels": [32, 32, 32, 32]},
    "text_encoder": {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    },
}


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "unet/diffusion_pytorch_model.safetensors").read_bytes()).hexdigest()


def test_what_is_written_draws_in_the_engine_and_in_diffusers_and_is_the_same_again(tmp_path: Path) -> None:
    config = configuration("sd1", SMALL)
    for name in ("once", "again"):
        write_model(config, tmp_path / name)
    assert digest(tmp_path / "once") == digest(tmp_path / "again")
    device = Device(place=torch.device("cpu"), dtype=torch.float32, reason="")
    request = fixed_requests("small", 64)[0].model_copy(update={"steps": 2})
    (ours,) = drawn_by_step_loop(load_stable_diffusion("small", tmp_path / "once", device), [request])
    (theirs,) = load_stock(tmp_path / "once", torch.float32).draw([request])
    assert abs(ours.astype(int) - theirs.astype(int)).max() <= 1
    assert ours.std() > 0


@pytest.mark.parametrize(("changes", "least", "most"), [(MID_SIZE, 60e6, 120e6), ({}, 850e6, 870e6)])
def test_the_mid_size_network_is_a_tenth_of_the_full_one(
    changes: dict[str, dict[str, Any]], least: float, most: float
) -> None:
    with init_empty_weights():
        unet = diffusers.UNet2DConditionModel.from_config(configuration("sd1", changes)["unet"])
    assert least < sum(parameter.numel() for parameter in unet.parameters()) < most
