"""The demo model's networks: diffusers' and transformers' own classes, sized for a laptop."""

from typing import Any

from diffusers import AutoencoderKL, UNet2DConditionModel

from engine.demo.training.scenes import PICTURE

WIDTH = 192  # of the text
TOKENS = 77  # as CLIP
LATENT_CHANNELS = 4


def make_autoencoder() -> Any:
    """Pictures [n, 3, H, W] in [-1, 1] to latents [n, 4, H/8, W/8] and back. Convolutions only: any size."""
    return AutoencoderKL(
        sample_size=PICTURE,
        in_channels=3,
        out_channels=3,
        latent_channels=LATENT_CHANNELS,
        layers_per_block=1,
        block_out_channels=(16, 32, 64, 96),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=8,
        mid_block_add_attention=False,
    )


def make_unet() -> Any:
    """Latents, timesteps and text [n, 77, 192] to v [n, 4, h, w].

    Attention works on the coarsest level alone, where a cell is 32 pixels: on a CPU it costs too much above. What
    the text says as a whole also reaches every block, pooled and added to the timestep's embedding.
    """
    return UNet2DConditionModel(
        sample_size=PICTURE // 8,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        layers_per_block=1,
        block_out_channels=(32, 96, 192),
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=(1, 3, 6),  # diffusers' name for the number of heads
        addition_embed_type="text",
        addition_embed_type_num_heads=6,
        norm_num_groups=16,
    )
