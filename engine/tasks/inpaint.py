"""Inpaint and outpaint: an image in flight that draws the masked part of a picture anew."""

from typing import Any

import numpy as np
import torch
from PIL import Image

from engine.images.canvas import Canvas
from engine.models.loading import StableDiffusion
from engine.prompts.conditioning import Conditioning
from engine.wire import Fill, GenerationRequest
from engine.worker.flight import ImageInFlight
from engine.worker.held import Held
from engine.worker.noise import Noise
from engine.worker.pixels import encode_pixels, pixels_of
from engine.worker.schedulers import make_scheduler, timesteps_from

SEES_MASK = 9  # channels of an inpainting network: latents, mask, and latents of the known part


@torch.inference_mode()
def start_inpaint(
    model: StableDiffusion,
    job_id: str,
    request: GenerationRequest,
    index: int,
    conditioning: Conditioning,
    canvas: Canvas,
) -> ImageInFlight:
    """Image `index` of the request, as diffusers' `StableDiffusionInpaintPipeline` would start it alone.

    A plain network has the known part put back after every step; an inpainting one is shown it instead.
    """
    assert request.strength is not None  # the front refuses inpaint without it
    noise = Noise(request, index)
    scheduler = make_scheduler(model.scheduler_config, request.sampler, request.schedule)
    timesteps = timesteps_from(scheduler, request.steps, request.strength)
    latents, held, shown = _begin(model, request, canvas, noise, scheduler, timesteps[:1])
    return ImageInFlight(
        job_id=job_id,
        index=index,
        seed=noise.seed,
        latents=latents,
        scheduler=scheduler,
        timesteps=timesteps,
        generator=noise.generator,
        guidance_scale=request.guidance_scale,
        conditioning=conditioning,
        held=held,
        shown=shown,
        canvas=canvas,
    )


def _begin(
    model: StableDiffusion,
    request: GenerationRequest,
    canvas: Canvas,
    noise: Noise,
    scheduler: Any,
    first: torch.Tensor,
) -> tuple[torch.Tensor, Held | None, torch.Tensor | None]:
    """The latents that drawing starts from, what a plain network holds, and what an inpainting one is shown.

    The noise is drawn in the pipeline's order: the encoder's sample, the start, the sample of the known part.
    """
    place, sees_mask = model.device.place, model.unet.config.in_channels == SEES_MASK
    picture, begin, mask = canvas.piece((request.width, request.height), request.fill)
    cells = latent_mask(mask, model.vae_factor).to(place)
    from_noise = request.strength == 1
    held = None
    if sees_mask and from_noise:
        drawn = noise.draw((1, 4, *cells.shape[2:]), place)
    else:
        encoded = encode_pixels(model, pixels_of(begin), noise)
        drawn = noise.draw(encoded.shape, place)
        held = Held(mask=cells, clean=masked_content(encoded, cells, drawn, request.fill), noise=drawn)
    latents = drawn * scheduler.init_noise_sigma
    if held is not None and not from_noise:
        latents = held.noisy(scheduler, first)
    if not sees_mask:
        noise.draw(drawn.shape, place, model.vae.dtype)  # the pipeline encodes the known part for nothing
        return latents, held, None
    known = encode_pixels(model, pixels_of(picture) * (1 - _pixels_of_mask(mask)), noise)
    return latents, None, torch.cat([cells, known], dim=1)


def masked_content(
    latents: torch.Tensor, mask: torch.Tensor, noise: torch.Tensor, fill: Fill
) -> torch.Tensor:
    """Latents [1, 4, h, w] with A1111's "latent noise" or "latent nothing" where the mask [1, 1, h, w] is 1."""
    if fill is Fill.NOISE:
        return latents * (1 - mask) + noise * mask
    return latents * (1 - mask) if fill is Fill.NOTHING else latents


def latent_mask(mask: Image.Image, factor: int) -> torch.Tensor:
    """The mask as the network's cells, [1, 1, h, w] of 0 and 1: each as the first of its `factor` × `factor` pixels.

    As diffusers does it. A mask so thin that it falls between these has every cell that it touches.
    """
    pixels = _pixels_of_mask(mask)
    cells = pixels[..., ::factor, ::factor]
    if not bool(cells.any()):
        cells = torch.nn.functional.max_pool2d(pixels, factor)
    return cells


def _pixels_of_mask(mask: Image.Image) -> torch.Tensor:
    """[1, 1, H, W] of 0 and 1."""
    return torch.from_numpy(np.asarray(mask) >= 128).float()[None, None]
