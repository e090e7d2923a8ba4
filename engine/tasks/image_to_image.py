"""Image-to-image: an image in flight that starts from a picture with noise on it."""

import torch
from diffusers.image_processor import VaeImageProcessor
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image, ImageOps

from engine.models.loading import StableDiffusion
from engine.prompts.conditioning import Conditioning
from engine.wire import GenerationRequest
from engine.worker.flight import ImageInFlight
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
    assert request.strength is not None  # the front refuses img2img without it
    seed = request.image_seed(index)
    generator = torch.Generator("cpu").manual_seed(seed)
    scheduler = make_scheduler(model.scheduler_config, request.sampler, request.schedule)
    timesteps = timesteps_from(scheduler, request.steps, request.strength, model.device.place)
    clean = _encode(model, ImageOps.fit(picture, (request.width, request.height)), generator)
    noise = randn_tensor(clean.shape, generator=generator, device=model.device.place, dtype=torch.float32)
    return ImageInFlight(
        job_id=job_id,
        index=index,
        seed=seed,
        latents=scheduler.add_noise(clean, noise, timesteps[:1]),
        scheduler=scheduler,
        timesteps=timesteps,
        generator=generator,
        guidance_scale=request.guidance_scale,
        conditioning=conditioning,
    )


def _encode(model: StableDiffusion, picture: Image.Image, generator: torch.Generator) -> torch.Tensor:
    """Latents of a picture, [1, 4, h, w] in float32, scaled as the network expects them."""
    pixels = VaeImageProcessor(vae_scale_factor=model.vae_factor).preprocess(
        picture
    )  # [1, 3, H, W] in [-1, 1]
    posterior = model.vae.encode(pixels.to(model.device.place, model.device.dtype)).latent_dist
    latents: torch.Tensor = posterior.sample(generator).float() * model.vae.config.scaling_factor
    return latents
