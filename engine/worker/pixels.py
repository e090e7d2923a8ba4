"""Between latents and pixels."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from diffusers.image_processor import VaeImageProcessor
from PIL import Image

from engine.models.loading import StableDiffusion
from engine.worker.noise import Noise
from engine.worker.precision import Precision, computing


class NotANumber(Exception):
    """A picture came out as NaN, infinity or all black: never shown."""


def pixels_of(picture: Image.Image) -> torch.Tensor:
    """An RGB picture as the autoencoder takes it, [1, 3, H, W] in [-1, 1]."""
    pixels: torch.Tensor = VaeImageProcessor().preprocess(picture)
    return pixels


@torch.inference_mode()
def encode_pixels(model: StableDiffusion, pixels: torch.Tensor, noise: Noise) -> torch.Tensor:
    """Latents [1, 4, h, w] in float32 of pixels [1, 3, H, W], scaled as the network expects them.

    Sampled with the next draw of `noise`, as diffusers' `DiagonalGaussianDistribution.sample` does. Raises NotANumber.
    """
    taken = pixels.to(model.device.place, model.vae.dtype)
    mean, deviation = _numbers(model, lambda: _posterior(model, taken))
    drawn = noise.draw(mean.shape, model.device.place, model.vae.dtype)
    latents: torch.Tensor = (mean + deviation * drawn).float() * model.vae.config.scaling_factor
    return latents


@torch.inference_mode()
def decode_latents(model: StableDiffusion, latents: torch.Tensor) -> npt.NDArray[np.uint8]:
    """Pixels [H, W, 3] of latents [1, 4, h, w], rounded as diffusers' `VaeImageProcessor`. Raises NotANumber."""
    scaled = (latents / model.vae.config.scaling_factor).to(model.vae.dtype)
    (pixels,) = _numbers(model, lambda: model.vae.decode(scaled, return_dict=False))
    unit = (pixels[0].float() / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).cpu().numpy()
    rounded: npt.NDArray[np.uint8] = (unit * 255).round().astype(np.uint8)
    if not rounded.any():  # nobody draws it, but half precision's NaN often ends as this
        raise NotANumber
    return rounded


def _posterior(model: StableDiffusion, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
    posterior = model.vae.encode(pixels).latent_dist
    return posterior.mean, posterior.std


def _numbers(
    model: StableDiffusion, compute: Callable[[], tuple[torch.Tensor, ...]]
) -> tuple[torch.Tensor, ...]:
    """What the autoencoder computes; in float32 where half precision could not hold it. Raises NotANumber."""
    for precision in (Precision.USUAL, Precision.FULL):
        with computing(precision):
            result = compute()
        if all(bool(torch.isfinite(each).all()) for each in result):
            return result
        if precision.next_of(model.vae.dtype) is None:
            break
    raise NotANumber
