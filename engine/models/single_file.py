"""The networks of a single-file checkpoint in the original layout of Stable Diffusion. Offline.

diffusers translates the tensors' names; every tensor that a network needs must be there, in its shape.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from accelerate import init_empty_weights
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders.single_file_utils import (
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
)
from safetensors import safe_open
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from engine.models.checkpoint import Checkpoint
from engine.models.configuration import Config
from engine.models.damage import note_damage
from engine.models.detection import DEPTH, UNET, VAE
from engine.models.fault import Corrupt
from engine.models.midas import dpt_tensors
from engine.models.text_parts import TextPart, text_parts
from engine.models.tokenizer import clip_tokenizer

log = logging.getLogger(__name__)
Tensors = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A checkpoint's networks, on the CPU. SDXL has two tokenizers and text encoders."""

    tokenizers: tuple[Any, ...]
    text_encoders: tuple[Any, ...]
    unet: Any
    vae: Any
    depth_estimator: Any = None


def load_parts(checkpoint: Checkpoint, dtype: torch.dtype) -> Parts:
    """The networks in `dtype`, what estimates depth in float32. Raises Corrupt naming the part that is damaged."""
    file, config = _File(checkpoint.path, dtype), checkpoint.config
    texts = text_parts(checkpoint.header, checkpoint.found)
    exact = _File(checkpoint.path, torch.float32)
    return Parts(
        tokenizers=tuple(clip_tokenizer(**config[part.tokenizer]) for part in texts),
        text_encoders=tuple(
            _part(part.name.replace("_", " "), partial(_text_encoder, file, part, config[part.name]))
            for part in texts
        ),
        unet=_part("network", lambda: _unet(file, config["unet"])),
        vae=_part("VAE", lambda: _vae(file, config["vae"])),
        depth_estimator=_part("depth estimator", lambda: _depth_estimator(exact, config["depth_estimator"]))
        if "depth_estimator" in config
        else None,
    )


@dataclass(frozen=True)
class _File:
    path: Path
    dtype: torch.dtype

    def tensors(self, prefix: str) -> Tensors:
        with safe_open(self.path, framework="pt", device="cpu") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 it is no mapping
            return {name: file.get_tensor(name).to(self.dtype) for name in names}


def _part(name: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except Exception as error:  # whatever a broken file provokes in three libraries
        note_damage(f"a checkpoint's {name}", error)
        raise Corrupt(f"its {name} is damaged or incomplete") from error


def _unet(file: _File, config: Config) -> Any:
    with init_empty_weights():
        unet = UNet2DConditionModel.from_config(config)
    return _filled(unet, convert_ldm_unet_checkpoint(file.tensors(UNET), unet.config))


def _vae(file: _File, config: Config) -> Any:
    with init_empty_weights():
        vae = AutoencoderKL.from_config(config)
    return _filled(vae, convert_ldm_vae_checkpoint(file.tensors(VAE), vae.config))


def _depth_estimator(file: _File, config: Config) -> Any:
    with init_empty_weights():
        estimator = transformers.DPTForDepthEstimation(transformers.DPTConfig(**config))
    bare = {name.removeprefix(DEPTH): tensor for name, tensor in file.tensors(DEPTH).items()}
    return _filled(estimator, dpt_tensors(bare))


def _text_encoder(file: _File, part: TextPart, config: Config) -> Any:
    kind = CLIPTextModelWithProjection if part.pools else CLIPTextModel
    with init_empty_weights():
        encoder = kind(CLIPTextConfig(**config))
    tensors, prefix = file.tensors(part.prefix), part.prefix
    if part.is_open_clip:
        tensors = convert_open_clip_checkpoint(encoder, tensors, prefix=prefix)
        prefix = "text_model."
    bare = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    outer = "text_model." if hasattr(encoder, "text_model") else ""  # older transformers: one level deeper
    kept = {f"{outer}{name}": tensor for name, tensor in bare.items() if _is_used(name, config)}
    if part.pools:
        kept["text_projection.weight"] = bare["text_projection.weight"]
    return _filled(encoder, kept)


def _is_used(name: str, config: Config) -> bool:
    """Not the layers after the last that is used, what projects, and counters."""
    first, *rest = name.split(".")
    if first == "encoder" and int(rest[1]) >= config["num_hidden_layers"]:
        return False
    return first in ("embeddings", "encoder", "final_layer_norm") and not name.endswith("position_ids")


def _filled(network: Any, tensors: Tensors) -> Any:
    """The network with these weights: all that it has, and no others."""
    # A transposed view would be multiplied by another kernel: the last bits would not be those of the folder.
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    network.load_state_dict(contiguous, strict=True, assign=True)
    return network
