"""A tiny untrained SDXL: the classes and the folder layout of Stable Diffusion XL 1.0, random weights."""

import json
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from engine.models.tokenizer import TOKENS, VOCABULARY, clip_tokenizer

Kind = Literal["base", "refiner", "inpainting"]
_SEED = 1839
WIDTHS = 16, 24  # of the two text encoders
PROJECTION = 20  # of what the second one pools
TIME_WIDTH = 8  # of each number that the network is told besides

_CLASSES = {
    "base": "StableDiffusionXLPipeline",
    "refiner": "StableDiffusionXLImg2ImgPipeline",
    "inpainting": "StableDiffusionXLInpaintPipeline",
}


def make_tiny_sdxl(folder: Path, kind: Kind = "base", *, zeroes_empty: bool = True) -> None:
    """Write the model to `folder`. Pictures are 64 pixels wide; inpainting models take nine channels.

    A refiner has only the second text encoder, and is told an aesthetic score.
    """
    refiner = kind == "refiner"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED + list(_CLASSES).index(kind))
        parts = {
            "text_encoder": None if refiner else _first_text_encoder(),
            "text_encoder_2": _second_text_encoder(),
            "unet": _unet(refiner, 9 if kind == "inpainting" else 4),
            "vae": _vae(),
            "tokenizer": None if refiner else clip_tokenizer(),
            "tokenizer_2": clip_tokenizer(pad_token="!"),
            "scheduler": EulerDiscreteScheduler(
                beta_start=0.00085,
                beta_end=0.012,
                beta_schedule="scaled_linear",
                steps_offset=1,
                timestep_spacing="leading",
            ),
        }
    for name, part in parts.items():
        if part is not None:
            part.save_pretrained(folder / name)
    index: dict[str, object] = {name: _entry(part) for name, part in parts.items()}
    index |= {"_class_name": _CLASSES[kind], "force_zeros_for_empty_prompt": zeroes_empty}
    index |= {"requires_aesthetics_score": True} if refiner else {}
    (folder / "model_index.json").write_text(json.dumps(index, indent=2))


def _entry(part: Any) -> list[str | None]:
    if part is None:
        return [None, None]
    return [type(part).__module__.partition(".")[0], type(part).__name__]


def _first_text_encoder() -> Any:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=VOCABULARY,
            hidden_size=WIDTHS[0],
            intermediate_size=32,
            num_hidden_layers=4,
            num_attention_heads=2,
            max_position_embeddings=TOKENS,
            hidden_act="quick_gelu",
            projection_dim=WIDTHS[0],
            eos_token_id=2,
        )
    )


def _second_text_encoder() -> Any:
    return CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=VOCABULARY,
            hidden_size=WIDTHS[1],
            intermediate_size=32,
            num_hidden_layers=5,
            num_attention_heads=2,
            max_position_embeddings=TOKENS,
            hidden_act="gelu",
            projection_dim=PROJECTION,
            eos_token_id=2,
        )
    )


def _unet(refiner: bool, channels: int) -> Any:
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=channels,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2),
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=TIME_WIDTH,
        projection_class_embeddings_input_dim=PROJECTION + TIME_WIDTH * (5 if refiner else 6),
        cross_attention_dim=WIDTHS[1] if refiner else sum(WIDTHS),
        norm_num_groups=8,
    )


def _vae() -> Any:
    return AutoencoderKL(
        sample_size=64,
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        layers_per_block=1,
        block_out_channels=(8, 8, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=8,
        scaling_factor=0.13025,
    )
