"""Between latents and pixels."""

import numpy as np
import numpy.typing as npt
import torch
from diffusers.image_processor import VaeImageProcessor
from PIL import Image

from engine.models.loading import StableDiffusion
from engine.worker.noise import Noise
from engine.worker.tiling import Tiling


class NotANumber(Exception):
    """A picture came out as NaN or infinity: never shown as a black image."""


def pixels_of(picture: Image.Image) -> torch.Tensor:
    """An RGB picture as the autoencoder takes it, [1, 3, H, W] in [-1, 1]."""
    pixels: torch.Tensor = VaeImageProcessor().preprocess(picture)
    return pixels


@torch.inference_mode()
def encode_pixels(model: StableDiffusion, pixels: torch.Tensor, noise: Noise) -> torch.Tensor:
    """Latents [1, 4, h, w] in float32 of pixels [1, 3, H, W], scaled as the network expects them.

    Sampled with the next draw of `noise`, as diffusers' `DiagonalGaussianDistribution.sample` does.
    """
    posterior = model.vae.encode(pixels.to(model.device.place, model.vae.dtype)).latent_dist
    drawn = noise.draw(posterior.mean.shape, model.device.place, model.vae.dtype)
    shift, scale = _statistics(model, drawn.device)
    latents: torch.Tensor = ((posterior.mean + posterior.std * drawn).float() - shift) / scale
    return latents


@torch.inference_mode()
def decode_latents(
    model: StableDiffusion, latents: torch.Tensor, tiling: Tiling | None = None
) -> npt.NDArray[np.uint8]:
    """Pixels [H, W, 3] of latents [1, 4, h, w], rounded as diffusers' `VaeImageProcessor`. Raises NotANumber.

    With a `tiling` one tile after the other.
    """
    shift, scale = _statistics(model, latents.device)
    scaled = (latents * scale + shift).to(model.vae.dtype)

    def decode(part: torch.Tensor) -> torch.Tensor:
        pixels: torch.Tensor = model.vae.decode(part, return_dict=False)[0].float()
        return pixels

    pixels = (decode(scaled) if tiling is None else tiling.mapped(scaled, decode, model.vae_factor))[0]
    if not bool(torch.isfinite(pixels).all()):
        raise NotANumber
    unit = (pixels / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).cpu().numpy()
    rounded: npt.NDArray[np.uint8] = (unit * 255).round().astype(np.uint8)
    return rounded


def _statistics(
    model: StableDiffusion, place: torch.device
) -> tuple[torch.Tensor | float, torch.Tensor | float]:
    """What to subtract from the autoencoder's latents and what to divide them by, as the network expects them.

    One number for all channels, or (some SDXL) a mean and a deviation for each, [1, 4, 1, 1].
    """
    config = model.vae.config
    if config.latents_mean is None or config.latents_std is None:
        return 0.0, 1 / config.scaling_factor
    mean, deviation = (
        torch.tensor(values, device=place).view(1, -1, 1, 1)
        for values in (config.latents_mean, config.latents_std)
    )
    return mean, deviation / config.scaling_factor
