"""Between latents and pixels."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from diffusers.image_processor import VaeImageProcessor
from PIL import Image

from engine.models.loading import StableDiffusion
from engine.wire import Seamless
from engine.worker.noise import Noise
from engine.worker.precision import Precision, computing
from engine.worker.seamless import cropped, seamless, wrapped

Pixels = npt.NDArray[np.uint8]  # [H, W, 3]
Numbers = tuple[torch.Tensor, torch.Tensor]  # what was computed, and whether all of it are numbers
Result = TypeVar("Result")

MARGIN = 16  # cells around the picture, which is farther than the autoencoder sees sharply


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
    mean, deviation = _numbers(model, partial(_posterior, model, pixels))
    drawn = noise.draw(mean.shape, model.device.place, model.vae.dtype)
    shift, scale = _statistics(model, drawn.device)
    latents: torch.Tensor = ((mean + deviation * drawn).float() - shift) / scale
    return latents


def decode_latents(model: StableDiffusion, latents: torch.Tensor) -> Pixels:
    """Pixels of latents [1, 4, h, w], rounded as diffusers' `VaeImageProcessor`. Raises NotANumber."""
    return to_picture(_numbers(model, partial(decoded, model, latents)))


@torch.inference_mode()
def decoded(model: StableDiffusion, latents: torch.Tensor, precision: Precision) -> Numbers:
    """Pixels [1, 3, H, W] around [-1, 1] of latents [1, 4, h, w]. It does not wait for the device."""
    shift, scale = _statistics(model, latents.device)
    scaled = (latents * scale + shift).to(model.vae.dtype)
    decode = partial(model.vae.decode, return_dict=False)
    with computing(precision):
        (pixels,) = _around(model, scaled, model.vae_factor, decode)
    return pixels.float(), torch.isfinite(pixels).all()


@torch.inference_mode()
def to_picture(pixels: torch.Tensor) -> Pixels:
    """Pixels [1, 3, H, W] around [-1, 1] as those of a file. Raises NotANumber."""
    unit = (pixels[0] / 2 + 0.5).clamp(0, 1).permute(1, 2, 0)
    rounded: Pixels = (unit * 255).round().to(torch.uint8).cpu().numpy()
    if not rounded.any():  # nobody draws it, but half precision's NaN often ends as this
        raise NotANumber
    return rounded


def _around(
    model: StableDiffusion,
    given: torch.Tensor,
    factor: float,
    compute: Callable[[torch.Tensor], tuple[torch.Tensor, ...]],
) -> tuple[torch.Tensor, ...]:
    """What the autoencoder makes of pixels or latents, `factor` times as large, over the edges that are seamless.

    An autoencoder that works on parts of the picture would close each part in itself: it is given a wider picture.
    """
    axes = model.tiling
    if axes is Seamless.NONE or not getattr(model.vae, "use_tiling", False):
        with seamless(axes):
            return compute(given)
    cells = min(MARGIN, *(side if factor > 1 else side // model.vae_factor for side in given.shape[-2:]))
    margin = cells if factor > 1 else cells * model.vae_factor
    wider = wrapped(given, axes, (margin,) * 4)
    return tuple(cropped(each, axes, round(margin * factor)) for each in compute(wider))


def _posterior(
    model: StableDiffusion, pixels: torch.Tensor, precision: Precision
) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
    """The mean and the deviation of the latents."""

    def encode(taken: torch.Tensor) -> tuple[torch.Tensor, ...]:
        posterior = model.vae.encode(taken).latent_dist
        return posterior.mean, posterior.std

    taken = pixels.to(model.device.place, model.vae.dtype)
    with computing(precision):
        result = _around(model, taken, 1 / model.vae_factor, encode)
    return result, torch.stack([torch.isfinite(each).all() for each in result]).all()


def _numbers(model: StableDiffusion, compute: Callable[[Precision], tuple[Result, torch.Tensor]]) -> Result:
    """What the autoencoder computes; in float32 where half precision could not hold it. Raises NotANumber."""
    for precision in (Precision.USUAL, Precision.FULL):
        result, finite = compute(precision)
        if bool(finite):
            return result
        if precision.next_of(model.vae.dtype) is None:
            break
    raise NotANumber


def _statistics(
    model: StableDiffusion, place: torch.device
) -> tuple[torch.Tensor | float, torch.Tensor | float]:
    """What to subtract from the autoencoder's latents and what to divide them by, as the network expects them.

    One number for all channels, or (some SDXL) a mean and a deviation for each, [1, 4, 1, 1].
    """
    config = model.vae.config
    known = (config.get("latents_mean"), config.get("latents_std"))  # a tiny autoencoder knows of neither
    if None in known:
        return 0.0, 1 / config.scaling_factor
    mean, deviation = (torch.tensor(values, device=place).view(1, -1, 1, 1) for values in known)
    return mean, deviation / config.scaling_factor
