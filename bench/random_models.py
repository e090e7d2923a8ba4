"""Folders in diffusers' layout with random weights: what is drawn with them is noise, what it costs is the truth."""

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from accelerate import init_empty_weights

from engine.models.tokenizer import clip_tokenizer

SIDES = {"sd1": 512, "sd2": 768, "sdxl": 1024}
TEXT_ENCODERS = {"text_encoder": "CLIPTextModel", "text_encoder_2": "CLIPTextModelWithProjection"}
SPREAD = 0.02  # of the weights: small enough for the numbers to stay finite
SEED = 1839  # the year of the first photographs that could be kept

# Stable Diffusion 1.5 with 0.3 of its channels: a UNet of 78 million parameters, and an autoencoder that is as small a
# part of a picture's cost as the real one.
MID_SIZE: dict[str, dict[str, Any]] = {
    "unet": {
        "sample_size": 32,
        "block_out_channels": [96, 192, 384, 384],
        "cross_attention_dim": 256,
        "attention_head_dim": 4,
    },
    "vae": {"sample_size": 256, "block_out_channels": [32, 64, 128, 128]},
    "text_encoder": {
        "hidden_size": 256,
        "intermediate_size": 1024,
        "num_attention_heads": 4,
        "projection_dim": 256,
    },
}


def write_full_size(family: str, folder: Path) -> None:
    """Stable Diffusion 1.5 ("sd1"), 2.1 ("sd2") or XL ("sdxl") at true size."""
    write_model(configuration(family), folder)


def write_mid_size(folder: Path) -> None:
    """A small Stable Diffusion 1.5 for a CPU."""
    write_model(configuration("sd1", MID_SIZE), folder)


def configuration(family: str, changes: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Any]:
    """The family's parts at true size, but for `changes` by part."""
    config: dict[str, Any] = json.loads(
        files("engine.models").joinpath(f"configs/{family}.json").read_bytes()
    )
    return config | {part: config[part] | new for part, new in (changes or {}).items()}


def write_model(config: dict[str, Any], folder: Path) -> None:
    """The parts of `config`, as in `engine/models/configs/`, in bfloat16, the same for the same configuration."""
    texts = {name: kind for name, kind in TEXT_ENCODERS.items() if name in config}
    tokenizers = [name.replace("text_encoder", "tokenizer") for name in texts]
    for name in tokenizers:
        clip_tokenizer(**config[name]).save_pretrained(folder / name)
    with init_empty_weights():
        parts = {
            "unet": diffusers.UNet2DConditionModel.from_config(config["unet"]),
            "vae": diffusers.AutoencoderKL.from_config(config["vae"]),
            **{
                name: getattr(transformers, kind)(transformers.CLIPTextConfig(**config[name]))
                for name, kind in texts.items()
            },
        }
    dice = torch.Generator().manual_seed(SEED)
    for name, network in parts.items():
        _filled(network, dice).save_pretrained(folder / name, safe_serialization=True)
    scheduler = getattr(diffusers, config["scheduler"]["_class_name"]).from_config(config["scheduler"])
    scheduler.save_pretrained(folder / "scheduler")
    index: dict[str, Any] = {
        "_class_name": "StableDiffusionXLPipeline"
        if "text_encoder_2" in texts
        else "StableDiffusionPipeline",
        **{name: [type(part).__module__.split(".")[0], type(part).__name__] for name, part in parts.items()},
        **{key: ["transformers", "CLIPTokenizer"] for key in tokenizers},
        "scheduler": ["diffusers", type(scheduler).__name__],
    }
    if "text_encoder_2" not in texts:
        index |= {key: [None, None] for key in ("safety_checker", "feature_extractor")}
    (folder / "model_index.json").write_text(json.dumps(index))


def _filled(network: Any, dice: torch.Generator) -> Any:
    network = network.to_empty(device="cpu").to(torch.bfloat16)
    for parameter in network.parameters():
        if parameter.ndim > 1:
            parameter.data.normal_(std=SPREAD, generator=dice)
        else:
            parameter.data.fill_(0.0)
    for module in network.modules():
        if isinstance(module, torch.nn.GroupNorm | torch.nn.LayerNorm):
            module.weight.data.fill_(1.0)
    return network
