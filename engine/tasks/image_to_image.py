"""Image-to-image: an image in flight that starts from a picture with noise on it."""

import torch
from PIL import Image, ImageOps

from engine.models.loading import StableDiffusion
from engine.prompts.conditioning import Conditioning
from engine.wire import GenerationRequest
from engine.worker.flight import ImageInFlight
from engine.worker.noise import Noise
from engine.worker.pixels import encode_pixels, pixels_of
from engine.worker.schedulers import make_scheduler, timesteps_from


@torch.inference_mode()
def start_image_to_image(
    model: StableDiffusion,
    job_id: str,
    request: GenerationRequest,
    index: int,
    conditioning: Conditioning,
    picture: Image.Image,
) -> ImageInFlight:
    """Image `index` of the request, as diffusers' `StableDiffusionImg2ImgPipeline` would start it alone.

    The picture fills the request's size: scaled and, where its shape differs, cropped around the middle.
    The generator draws in the pipeline's order: first the encoder's sample, then the noise.
    """
    noise = Noise(request, index)
    pixels = pixels_of(ImageOps.fit(picture, (request.width, request.height)))
    clean = encode_pixels(model, pixels, noise)
    return start_from_latents(model, job_id, request, index, conditioning, clean, noise)


@torch.inference_mode()
def start_from_latents(
    model: StableDiffusion,
    job_id: str,
    request: GenerationRequest,
    index: int,
    conditioning: Conditioning,
    clean: torch.Tensor,
    noise: Noise,
) -> ImageInFlight:
    """The same from a picture's latents, [1, 4, h, w] as the network expects them; `noise` draws what comes next."""
    assert request.strength is not None  # the front refuses img2img without it
    scheduler = make_scheduler(model.scheduler_config, request.sampler, request.schedule)
    timesteps = timesteps_from(scheduler, request.steps, request.strength)
    drawn = noise.draw(clean.shape, model.device.place)
    return ImageInFlight(
        job_id=job_id,
        index=index,
        seed=noise.seed,
        latents=scheduler.add_noise(clean, drawn, timesteps[:1]),
        scheduler=scheduler,
        timesteps=timesteps,
        generator=noise.generator,
        guidance_scale=request.guidance_scale,
        conditioning=conditioning,
        seamless=model.tiling,
    )
