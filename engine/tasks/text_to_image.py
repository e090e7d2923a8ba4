"""Text-to-image: an image in flight that starts from noise."""

from engine.models.loading import StableDiffusion
from engine.prompts.conditioning import Conditioning
from engine.wire import GenerationRequest
from engine.worker.flight import ImageInFlight
from engine.worker.noise import Noise
from engine.worker.schedulers import make_scheduler, timesteps_from


def start_text_to_image(
    model: StableDiffusion,
    job_id: str,
    request: GenerationRequest,
    index: int,
    conditioning: Conditioning,
) -> ImageInFlight:
    """Image `index` of the request, as diffusers' `StableDiffusionPipeline` would start it alone."""
    noise = Noise(request, index)
    scheduler = make_scheduler(model.scheduler_config, request.sampler, request.schedule)
    timesteps = timesteps_from(scheduler, request.steps, 1.0)
    shape = (1, 4, request.height // model.vae_factor, request.width // model.vae_factor)
    return ImageInFlight(
        job_id=job_id,
        index=index,
        seed=noise.seed,
        latents=noise.draw(shape, model.device.place) * scheduler.init_noise_sigma,
        scheduler=scheduler,
        timesteps=timesteps,
        generator=noise.generator,
        guidance_scale=request.guidance_scale,
        conditioning=conditioning,
        hires=request.hires,
        seamless=model.tiling,
    )
