"""A tiny SDXL or refiner, as a diffusers folder and as the tensors of an original single-file checkpoint."""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import EulerDiscreteScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from engine.models.tokenizer import VOCABULARY, clip_tokenizer
from tests.engine.models.original_layout import (
    WIDTH,
    Tensors,
    clip,
    openclip,
    original_unet,
    original_vae,
    tiny_vae,
)

SECOND_WIDTH = 64  # of the second text encoder; the first is WIDTH wide
PROJECTION = 48
TIME_WIDTH = 8


def make_sdxl_pair(folder: Path, *, refiner: bool = False, channels: int = 4) -> Tensors:
    """Write the diffusers folder of a random one; returns the same in the original layout."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1839)
        first = None if refiner else _first_text_encoder()
        second = _second_text_encoder()
        unet = _refiner_unet() if refiner else _base_unet(channels)
        vae = tiny_vae(scaling_factor=0.13025)
    parts = {"unet": unet, "vae": vae, "text_encoder_2": second}
    parts |= {"tokenizer_2": clip_tokenizer(pad_token="!")}
    parts |= {} if refiner else {"text_encoder": first, "tokenizer": clip_tokenizer()}
    parts["scheduler"] = EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        steps_offset=1,
        timestep_spacing="leading",
    )
    for name, part in parts.items():
        part.save_pretrained(folder / name)
    kind = "StableDiffusionXLImg2ImgPipeline" if refiner else "StableDiffusionXLPipeline"
    index: dict[str, object] = {name: ["", ""] for name in parts}
    index |= {"force_zeros_for_empty_prompt": not refiner, "requires_aesthetics_score": refiner}
    (folder / "model_index.json").write_text(json.dumps(index | {"_class_name": kind}))
    networks = original_unet(unet) | original_vae(vae)
    if refiner:
        return networks | openclip(second, "conditioner.embedders.0.")
    return networks | clip(first, "conditioner.embedders.0.") | openclip(second, "conditioner.embedders.1.")


def _first_text_encoder() -> Any:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=VOCABULARY,
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            num_hidden_layers=3,
            num_attention_heads=1,
            hidden_act="quick_gelu",
            eos_token_id=2,
        )
    )


def _second_text_encoder() -> Any:
    return CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=VOCABULARY,
            hidden_size=SECOND_WIDTH,
            intermediate_size=2 * WIDTH,
            num_hidden_layers=4,
            num_attention_heads=1,
            hidden_act="gelu",
            projection_dim=PROJECTION,
            eos_token_id=2,
        )
    )


def _base_unet(channels: int) -> Any:
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=channels,
        block_out_channels=(WIDTH, 2 * WIDTH, 2 * WIDTH),
        layers_per_block=2,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 1, 2),
        cross_attention_dim=WIDTH + SECOND_WIDTH,
        attention_head_dim=1,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=TIME_WIDTH,
        projection_class_embeddings_input_dim=PROJECTION + 6 * TIME_WIDTH,
    )


def _refiner_unet() -> Any:
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(WIDTH, 2 * WIDTH, 2 * WIDTH, 2 * WIDTH),
        layers_per_block=2,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=2,
        cross_attention_dim=SECOND_WIDTH,
        attention_head_dim=1,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=TIME_WIDTH,
        projection_class_embeddings_input_dim=PROJECTION + 5 * TIME_WIDTH,
    )
