"""The second pass of A1111's "Hires. fix": a finished image in flight starts again, larger."""

from collections.abc import Callable, Generator
from typing import Any

import torch
from PIL import Image

from engine.hires import second_request
from engine.models.loading import StableDiffusion
from engine.tasks.image_to_image import start_from_latents, start_image_to_image
from engine.tasks.steering import refitted
from engine.upscalers import LATENT_UPSCALERS
from engine.wire import GenerationRequest, Hires
from engine.worker.flight import ImageInFlight
from engine.worker.noise import Noise
from engine.worker.pixels import decode_latents
from engine.worker.seamless import seamless

Enlarge = Callable[..., Generator[Any, None, Any]]


def second_pass(
    model: StableDiffusion, request: GenerationRequest, hires: Hires, image: ImageInFlight, enlarge: Enlarge
) -> Generator[Any, None, ImageInFlight]:
    """The image of the second pass, in pieces, from the finished one of the first.

    It is image-to-image at the larger size, with the seed's noise from the beginning. `enlarge` makes pixels larger
    with an upscaler, given its name, the pixels and the size; latents are enlarged without leaving the latent space.
    """
    second = second_request(request, hires)
    start = (model, image.job_id, second, image.index, image.conditioning)
    if (latent := LATENT_UPSCALERS.get(hires.upscaler)) is not None:
        size = second.height // model.vae_factor, second.width // model.vae_factor
        larger = enlarged_latents(image.latents, size, *latent)
        return _steered_as(image, start_from_latents(*start, larger, Noise(second, image.index)), second)
    pixels = decode_latents(model, image.latents)
    yield 1.0
    pixels = yield from enlarge(hires.upscaler, pixels, (second.width, second.height))
    return _steered_as(image, start_image_to_image(*start, Image.fromarray(pixels)), second)


def _steered_as(first: ImageInFlight, image: ImageInFlight, request: GenerationRequest) -> ImageInFlight:
    """As A1111's ControlNet extension: the second pass is steered by the same pictures, fitted to its size."""
    with seamless(request.tiling):
        image.steering = refitted(first.steering, (request.width, request.height))
    return image


def enlarged_latents(
    latents: torch.Tensor, size: tuple[int, int], mode: str, antialias: bool
) -> torch.Tensor:
    """Latents [1, 4, h, w] at another `size` (h, w), as A1111's `latent_upscale_modes` do it."""
    return torch.nn.functional.interpolate(latents, size=size, mode=mode, antialias=antialias)
