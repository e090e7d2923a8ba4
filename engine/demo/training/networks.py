"""The demo model's networks: diffusers' and transformers' own classes, sized for a laptop."""

from typing import Any

from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from engine.demo.training.scenes import PICTURE

WIDTH = 192  # of the text
TOKENS = 77  # as CLIP
LATENT_CHANNELS = 4
UPSCALER_WIDTH = 64  # of the text of the upscaler, to which the picture says most
CHANNELS = (16, 32, 64, 96)  # of the autoencoder, from the pixels to the latents
UPSCALER_CHANNELS = (32, 48, 64)


def make_autoencoder(channels: tuple[int, ...] = CHANNELS) -> Any:
    """Pictures [n, 3, H, W] in [-1, 1] to latents [n, 4, H/8, W/8] and back. Convolutions only: any size.

    Each number of `channels` is a level, and each but the first halves the sides.
    """
    return AutoencoderKL(
        sample_size=PICTURE,
        in_channels=3,
        out_channels=3,
        latent_channels=LATENT_CHANNELS,
        layers_per_block=1,
        block_out_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * len(channels),
        up_block_types=("UpDecoderBlock2D",) * len(channels),
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


def make_upscaling_unet() -> Any:
    """Noisy latents beside a picture [n, 4 + 3, h, w], timesteps, text [n, 77, 64] and noise levels to v [n, 4, h, w].

    No cell attends to another: a picture has as many cells as pixels, and edges are a matter of neighbours.
    """
    return UNet2DConditionModel(
        sample_size=PICTURE,
        in_channels=LATENT_CHANNELS + 3,
        out_channels=LATENT_CHANNELS,
        layers_per_block=1,
        block_out_channels=(32, 64, 128),
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2D",
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        only_cross_attention=True,
        cross_attention_dim=UPSCALER_WIDTH,
        attention_head_dim=4,  # diffusers' name for the number of heads
        num_class_embeds=1000,
        norm_num_groups=4,  # many channels each, or a colour that is everywhere is lost
    )


def make_text_encoder(vocabulary: int) -> Any:
    """Token ids [n, 77] to states [n, 77, 64]: one layer. The last id is the end of a text."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary,
            hidden_size=UPSCALER_WIDTH,
            intermediate_size=4 * UPSCALER_WIDTH,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=TOKENS,
            bos_token_id=vocabulary - 2,
            eos_token_id=vocabulary - 1,
            pad_token_id=vocabulary - 1,
        )
    )
