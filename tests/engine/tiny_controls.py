"""Tiny untrained networks by which pictures steer, for the tiny model of `tiny_model.py`; the same on every machine."""

from pathlib import Path
from typing import Any

import torch
from diffusers import ControlNetModel, T2IAdapter, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from tests.engine.models.original_layout import unet_name

_SEED = 1826  # the year of the first photograph
STRENGTH = 0.3  # of random residuals: they are to be seen in the picture, and not to drown it
VISION = 32  # pixels a side that the image encoder sees


def make_controlnet(folder: Path, model: Path, *, seed: int = _SEED, **changes: Any) -> None:
    """A ControlNet for the model in the folder `model`, whose zero convolutions are not zero as if it were trained."""
    unet = UNet2DConditionModel.from_pretrained(model / "unet")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 8, 8, 8))
        for name, weight in network.named_parameters():
            if "controlnet_" in name:
                torch.nn.init.normal_(weight, std=STRENGTH)
    network.register_to_config(**changes)
    network.save_pretrained(folder)


def make_t2i_adapter(folder: Path, *, widths: tuple[int, ...], in_channels: int = 3) -> None:
    """A full T2I-Adapter for a network with blocks of these widths."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        network = T2IAdapter(in_channels=in_channels, channels=list(widths), num_res_blocks=1)
    network.save_pretrained(folder)


def make_ip_adapter(file: Path, model: Path, *, plus: bool = False) -> None:
    """An IP-Adapter for the model in the folder `model`, and the image encoder beside it."""
    unet: Any = UNet2DConditionModel.from_pretrained(model / "unet")
    width = unet.config.cross_attention_dim
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        encoder = _vision(width)
        tensors = _resampler(width) if plus else _projection(width)
        crosses = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
        for place, name in enumerate(crosses):
            size = unet.get_submodule(name.removesuffix(".processor")).to_k.out_features
            for letter in "kv":
                tensors[f"ip_adapter.{2 * place + 1}.to_{letter}_ip.weight"] = torch.randn(size, width)
    file.parent.mkdir(parents=True, exist_ok=True)
    encoder.save_pretrained(file.parent / "image_encoder")
    save_file(tensors, file)


def original_layout(folder: Path, prefix: str = "control_model.") -> dict[str, torch.Tensor]:
    """The tensors of a ControlNet of four blocks, written by diffusers, under their original names."""
    state: dict[str, torch.Tensor] = ControlNetModel.from_pretrained(folder).state_dict()
    return {f"{prefix}{_original(name)}": tensor.clone() for name, tensor in state.items()}


def _original(name: str) -> str:
    for new, old in (
        ("controlnet_mid_block.", "middle_block_out.0."),
        (f"{_HINT}conv_in.", "input_hint_block.0."),
    ):
        if name.startswith(new):
            return name.replace(new, old)
    if name.startswith(f"{_HINT}conv_out."):
        return name.replace(f"{_HINT}conv_out.", "input_hint_block.14.")
    if name.startswith(f"{_HINT}blocks."):
        number, rest = name.removeprefix(f"{_HINT}blocks.").split(".")
        return f"input_hint_block.{2 * int(number) + 2}.{rest}"
    if name.startswith("controlnet_down_blocks."):
        number, rest = name.removeprefix("controlnet_down_blocks.").split(".")
        return f"zero_convs.{number}.0.{rest}"
    return unet_name(name)


_HINT = "controlnet_cond_embedding."


def _vision(width: int) -> Any:
    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=width,
            intermediate_size=2 * width,
            projection_dim=width,
            num_hidden_layers=3,
            num_attention_heads=2,
            image_size=VISION,
            patch_size=8,
        )
    )


def _projection(width: int) -> dict[str, torch.Tensor]:
    """Four tokens of a picture's embedding."""
    return {
        "image_proj.proj.weight": torch.randn(4 * width, width),
        "image_proj.proj.bias": torch.randn(4 * width),
        "image_proj.norm.weight": torch.ones(width),
        "image_proj.norm.bias": torch.zeros(width),
    }


def _resampler(width: int) -> dict[str, torch.Tensor]:
    """IP-Adapter "plus": sixteen queries that attend to the patches of a picture, through four layers of 64."""
    inner = 64
    shapes: dict[str, tuple[int, ...]] = {
        "latents": (1, 16, inner),
        "proj_in.weight": (inner, width),
        "proj_in.bias": (inner,),
        "proj_out.weight": (width, inner),
        "proj_out.bias": (width,),
        "norm_out.weight": (width,),
        "norm_out.bias": (width,),
    }
    for layer in range(4):
        shapes |= {f"layers.{layer}.{name}": shape for name, shape in _resampler_layer(inner).items()}
    return {f"image_proj.{name}": 0.3 * torch.randn(shape) for name, shape in shapes.items()}


def _resampler_layer(inner: int) -> dict[str, tuple[int, ...]]:
    norms = {f"0.{norm}.{part}": (inner,) for norm in ("norm1", "norm2") for part in ("weight", "bias")}
    return norms | {
        "0.to_q.weight": (inner, inner),
        "0.to_kv.weight": (2 * inner, inner),
        "0.to_out.weight": (inner, inner),
        "1.0.weight": (inner,),
        "1.0.bias": (inner,),
        "1.1.weight": (4 * inner, inner),
        "1.3.weight": (inner, 4 * inner),
    }
