"""A tiny untrained ×4 upscaler: the classes and the folder layout of Stable Diffusion's, random weights."""

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, DDPMScheduler, UNet2DConditionModel

from tests.engine.tiny_model import make_tiny_model

_SEED = 1839
NOISE = {
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "beta_schedule": "scaled_linear",
}  # Stability's x4-upscaling.yaml
INDEX = {
    "_class_name": "StableDiffusionUpscalePipeline",
    "low_res_scheduler": ["diffusers", "DDPMScheduler"],
    "max_noise_level": 350,
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def make_tiny_upscaler(folder: Path) -> None:
    """Write the model to `folder`: it predicts v, takes seven channels and a noise level."""
    make_tiny_model(folder, width=16, latent_side=8)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        UNet2DConditionModel(
            sample_size=64,
            in_channels=7,
            out_channels=4,
            num_class_embeds=1000,
            layers_per_block=1,
            block_out_channels=(16, 32),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=16,
            attention_head_dim=8,
            norm_num_groups=8,
            only_cross_attention=True,
        ).save_pretrained(folder / "unet")
        AutoencoderKL(
            sample_size=64,
            latent_channels=4,
            layers_per_block=1,
            block_out_channels=(8, 16, 16),
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            norm_num_groups=8,
            scaling_factor=0.08333,
        ).save_pretrained(folder / "vae")
    DDIMScheduler(
        **NOISE, prediction_type="v_prediction", clip_sample=False, set_alpha_to_one=False, steps_offset=1
    ).save_pretrained(folder / "scheduler")
    DDPMScheduler(**NOISE).save_pretrained(folder / "low_res_scheduler")
    (folder / "model_index.json").write_text(json.dumps(INDEX))
