"""A tiny untrained Stable Diffusion: the classes and the folder layout of Stable Diffusion 1.5, random weights.

Two orders of magnitude smaller, and the same on every machine.
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from engine.models.tokenizer import TOKENS, VOCABULARY, clip_tokenizer
from engine.wire import Defaults, ModelInfo, Sampler, Schedule, Task

_SEED = 1839  # the year of the first photographs that could be kept


def make_tiny_model(
    folder: Path,
    *,
    prediction_type: str = "epsilon",
    width: int = 32,
    latent_side: int = 32,
    channels: int = 4,
) -> None:
    """Write the model to `folder`, aside first and then renamed, so that a half-written one is never seen.

    `prediction_type` is "epsilon" (SD 1.x) or "v_prediction" (SD 2.x at 768). Pictures are
    8 × `latent_side` pixels wide. About 12 MB with the default width. With nine `channels` it is an inpainting model.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".making-"))
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_SEED)
            _write_parts(aside, prediction_type, width, latent_side, channels)
        index = _INDEX | ({"_class_name": "StableDiffusionInpaintPipeline"} if channels == 9 else {})
        (aside / "model_index.json").write_text(json.dumps(index, indent=2))
        aside.replace(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


_INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "feature_extractor": [None, None],
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "PNDMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "requires_safety_checker": False,
}


def _write_parts(folder: Path, prediction_type: str, width: int, latent_side: int, channels: int) -> None:
    clip_tokenizer().save_pretrained(folder / "tokenizer")
    _text_encoder(width).save_pretrained(folder / "text_encoder")
    _unet(width, latent_side, channels).save_pretrained(folder / "unet")
    _vae(width, latent_side).save_pretrained(folder / "vae")
    scheduler = PNDMScheduler(  # Stable Diffusion's own noise schedule
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        skip_prk_steps=True,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type=prediction_type,
    )
    scheduler.save_pretrained(folder / "scheduler")


def _text_encoder(width: int) -> Any:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=VOCABULARY,
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=TOKENS,
            projection_dim=width,
            bos_token_id=VOCABULARY - 2,
            eos_token_id=VOCABULARY - 1,
            pad_token_id=VOCABULARY - 1,
        )
    )


def _unet(width: int, latent_side: int, channels: int) -> Any:
    return UNet2DConditionModel(
        sample_size=latent_side,
        in_channels=channels,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(width, 2 * width),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=width,
        attention_head_dim=8,
        norm_num_groups=8,
    )


def _vae(width: int, latent_side: int) -> Any:
    return AutoencoderKL(
        sample_size=8 * latent_side,
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        layers_per_block=1,
        block_out_channels=(width // 2, width // 2, width, width),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=8,
    )


def tiny_info() -> ModelInfo:
    """What the catalogue says of such a model."""
    defaults = Defaults(
        width=64,
        height=64,
        steps=4,
        guidance_scale=7.5,
        strength=0.7,
        sampler=Sampler.EULER,
        schedule=Schedule.AUTOMATIC,
    )
    return ModelInfo(name="tiny", title="Tiny", family="sd1", tasks=(Task.TXT2IMG,), defaults=defaults)
