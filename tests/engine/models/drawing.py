"""One small picture of a model, on the CPU in float32, for comparison with that of another."""

from pathlib import Path

import torch

from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.models.registry import Registry
from engine.tasks.text_to_image import start_text_to_image
from engine.wire import GenerationRequest, Sampler
from engine.worker.batching import RowCap
from engine.worker.step_loop import StepLoop
from tests.engine.worker.equality import EXACT


def load(path: Path) -> StableDiffusion:
    place = Registry(path.parent).lookup(path.stem)
    return load_stable_diffusion(path.stem, place, EXACT)


def draw(model: StableDiffusion) -> torch.Tensor:
    """Pixels in about [-1, 1], [1, 3, 64, 64]."""
    request = GenerationRequest(
        model="tiny",
        prompt="a hamster with a brush",
        width=64,
        height=64,
        steps=3,
        guidance_scale=7.5,
        sampler=Sampler.EULER,
        seed=42,
    )
    conditioning = model.prompts.encode(request.prompt, "blurry", guided=True)
    image = start_text_to_image(model, "job", request, 0, conditioning)
    loop = StepLoop(model=model, cap=RowCap(fixed=2))
    loop.join(image)
    while loop.images:
        loop.tick()
    with torch.inference_mode():
        pixels: torch.Tensor = model.vae.decode(image.latents / model.vae.config.scaling_factor).sample
    return pixels
