"""Tiny untrained pipelines of families that the step loop does not know: real classes and layouts, random weights."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from engine.models.tokenizer import TOKENS, VOCABULARY, clip_tokenizer

WIDTH = 32
_SEED = 1826  # the year of the oldest photograph that is left
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def make_tiny_pipeline(kind: str, folder: Path) -> None:
    """Write a model to `folder`. `kind` is "sd3", "flux", "schnell" or "pixart"; sides are multiples of 16 pixels."""
    makers: dict[str, Callable[[], Any]] = {
        "sd3": _sd3,
        "flux": _flux,
        "schnell": partial(_flux, guided=False),
        "pixart": _pixart,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        makers[kind]().save_pretrained(folder)


def _flux_transformer(*, guided: bool) -> Any:
    return FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=guided,
    )


def _sd3() -> Any:
    transformer = SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=16,  # diffusers' inpainting takes no other number
        out_channels=16,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        joint_attention_dim=2 * WIDTH,
        caption_projection_dim=WIDTH,
        pooled_projection_dim=2 * WIDTH,
        pos_embed_max_size=16,
    )
    return StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=_vae(latent_channels=16),
        text_encoder=_clip(CLIPTextModelWithProjection),
        tokenizer=clip_tokenizer(),
        text_encoder_2=_clip(CLIPTextModelWithProjection),
        tokenizer_2=clip_tokenizer(),
        text_encoder_3=None,
        tokenizer_3=None,
    )


def _flux(*, guided: bool = True) -> Any:
    return FluxPipeline(
        transformer=_flux_transformer(guided=guided),
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=_vae(),
        text_encoder=_clip(CLIPTextModel),
        tokenizer=clip_tokenizer(),
        text_encoder_2=_t5(),
        tokenizer_2=_t5_tokenizer(),
    )


def _pixart() -> Any:
    transformer = PixArtTransformer2DModel(
        sample_size=8,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        cross_attention_dim=WIDTH,
        caption_channels=WIDTH,
        in_channels=4,
        out_channels=8,
        use_additional_conditions=False,
    )
    return PixArtSigmaPipeline(
        transformer=transformer,
        scheduler=DPMSolverMultistepScheduler(),
        vae=_vae(),
        text_encoder=_t5(),
        tokenizer=_t5_tokenizer(),
    )


def _vae(*, latent_channels: int = 4) -> Any:
    return AutoencoderKL(
        sample_size=64,
        latent_channels=latent_channels,
        layers_per_block=1,
        block_out_channels=(WIDTH // 2, WIDTH // 2, WIDTH, WIDTH),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=8,
        shift_factor=0.06,
        scaling_factor=1.5,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def _clip(kind: Any) -> Any:
    config = CLIPTextConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=TOKENS,
        projection_dim=WIDTH,
        bos_token_id=VOCABULARY - 2,
        eos_token_id=VOCABULARY - 1,
        pad_token_id=VOCABULARY - 1,
    )
    return kind(config).eval()


def _t5() -> Any:
    config = T5Config(
        vocab_size=64, d_model=WIDTH, d_kv=8, d_ff=4 * WIDTH, num_layers=2, num_heads=4, is_gated_act=True
    )
    return T5EncoderModel(config).eval()


def _t5_tokenizer() -> Any:
    """A unigram vocabulary of letters: T5's own is in no package."""
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    return T5Tokenizer(vocab=[*special, *((letter, -3.0) for letter in LETTERS)], extra_ids=0)
