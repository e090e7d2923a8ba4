"""LoRAs, embeddings and VAEs of random numbers, in the layouts in which people pass them around."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

Tensors = dict[str, torch.Tensor]
RANK, ALPHA = 4, 2.0
TRAINED = ("attn", "ff", "mlp", "proj_")  # the layers that trainers adapt


def kohya(
    unet: Any, *text_encoders: Any, seed: int = 0, alpha: float = ALPHA, convolutions: bool = False
) -> Tensors:
    """As kohya's trainer writes it, for two text encoders as for SDXL; with convolutions it is a LoCon."""
    tensors: Tensors = {}
    first = "te1" if len(text_encoders) > 1 else "te"
    short = {"unet": "unet", "text_encoder": f"{first}_text_model", "text_encoder_2": "te2_text_model"}
    for part, name, layer in _layers(unet, text_encoders, convolutions):
        down, up = _pair(layer, seed, name)
        key = f"lora_{short[part]}_{name.replace('.', '_')}"
        tensors[f"{key}.lora_down.weight"], tensors[f"{key}.lora_up.weight"] = down, up
        tensors[f"{key}.alpha"] = torch.tensor(alpha)
    return tensors


def diffusers(unet: Any, *text_encoders: Any, seed: int = 0) -> Tensors:
    """As diffusers' `save_lora_weights` writes it."""
    tensors: Tensors = {}
    for part, name, layer in _layers(unet, text_encoders, convolutions=False):
        inner = name if part == "unet" else f"text_model.{name}"
        down, up = _pair(layer, seed, name)
        tensors[f"{part}.{inner}.lora_A.weight"], tensors[f"{part}.{inner}.lora_B.weight"] = down, up
    return tensors


def settings(tensors: Tensors, *, alpha: float) -> dict[str, str]:
    """peft's settings in the metadata, as diffusers' trainers write them beside the tensors."""
    noted: dict[str, object] = {}
    for part in dict.fromkeys(name.partition(".")[0] for name in tensors):
        layers = {name.split(".lora_")[0] for name in tensors if name.startswith(f"{part}.")}
        targets = sorted(name.removeprefix(f"{part}.").removeprefix("text_model.") for name in layers)
        noted |= {f"{part}.r": RANK, f"{part}.lora_alpha": alpha, f"{part}.target_modules": targets}
    return {"lora_adapter_metadata": json.dumps(noted)}


def write(path: Path, tensors: Tensors, metadata: dict[str, str] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata)
    return path


def _layers(unet: Any, text_encoders: Sequence[Any], convolutions: bool) -> Iterator[tuple[str, str, Any]]:
    """The network's name in diffusers, the layer's without `text_model`, and the layer."""
    parts = ("unet", "text_encoder", "text_encoder_2")
    for part, network in zip(parts, (unet, *text_encoders), strict=False):
        for name, layer in network.named_modules():
            is_linear = isinstance(layer, torch.nn.Linear) and any(word in name for word in TRAINED)
            if is_linear or (convolutions and isinstance(layer, torch.nn.Conv2d) and "resnets" in name):
                yield part, name.removeprefix("text_model."), layer


def _pair(layer: Any, seed: int, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed * 1000 + sum(name.encode()))
    shape = layer.weight.shape
    down = torch.randn(RANK, *shape[1:], generator=generator) * 0.2
    up = torch.randn(shape[0], RANK, *[1] * (len(shape) - 2), generator=generator) * 0.2
    return down, up
