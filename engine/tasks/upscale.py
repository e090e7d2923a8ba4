"""Upscale: an image in flight that draws a picture anew, four times as large, by Stable Diffusion's ×4 upscaler."""

import torch
from diffusers import DDPMScheduler
from diffusers.image_processor import VaeImageProcessor
from PIL import Image

from engine.images.original import Original
from engine.models.loading import StableDiffusion
from engine.prompts.conditioning import Conditioning
from engine.wire import GenerationRequest
from engine.worker.flight import ImageInFlight
from engine.worker.noise import Noise
from engine.worker.schedulers import make_scheduler, timesteps_from
from engine.worker.tiling import Tiling

MAX_TILE = 512  # pixels of the small picture along a side; memory grows with their number


@torch.inference_mode()
def start_upscale(
    model: StableDiffusion,
    job_id: str,
    request: GenerationRequest,
    index: int,
    conditioning: Conditioning,
    picture: Image.Image,
    *,
    max_tile: int = MAX_TILE,
) -> ImageInFlight:
    """Image `index` of the request, as diffusers' `StableDiffusionUpscalePipeline` would start it alone.

    The latents have a cell for each pixel of the picture, which the network sees beside them with noise on it. Where
    a side has more than `max_tile` pixels the network sees it in tiles; the noise is that of the whole.
    The generator draws in the pipeline's order: first the picture's noise, then the start. A model whose card says so
    has the picture's colours given back to what it drew, and sees a margin around it, which the pipeline does not do.
    """
    original = Original(picture) if model.card.keeps_colours else None
    seen = picture if original is None else original.seen
    noise, place = Noise(request, index), model.device.place
    scheduler = make_scheduler(model.scheduler_config, request.sampler, request.schedule)
    timesteps = timesteps_from(scheduler, request.steps, 1.0)
    pixels = VaeImageProcessor(do_resize=False).preprocess(seen).to(place)
    low_res = DDPMScheduler.from_config(model.low_res_config)
    grain = noise.draw(pixels.shape, place)
    shown = low_res.add_noise(pixels, grain, torch.tensor([request.noise_level], device=place))
    cells = (seen.height, seen.width)
    return ImageInFlight(
        job_id=job_id,
        index=index,
        seed=noise.seed,
        latents=noise.draw((1, 4, *cells), place) * scheduler.init_noise_sigma,
        scheduler=scheduler,
        timesteps=timesteps,
        generator=noise.generator,
        guidance_scale=request.guidance_scale,
        conditioning=conditioning,
        shown=shown,
        class_label=request.noise_level,
        canvas=original,
        tiling=Tiling(cells, max_tile) if max(picture.size) > max_tile else None,
    )
