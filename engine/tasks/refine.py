"""The refiner: a second SDXL that draws the last steps of a picture, on the latents of the first.

diffusers' ensemble of experts (`denoising_end` of the base's pipeline, `denoising_start` of the refiner's), and
AUTOMATIC1111's "Refiner" with "Switch at". After Podell et al. 2023, "SDXL" (arXiv 2307.01952).
"""

from collections.abc import Sequence
from typing import Any

from engine.errors import Refusal
from engine.models.loading import StableDiffusion
from engine.prompts.wildcards import Words
from engine.tasks.conditioning import condition
from engine.wire import GenerationRequest, Refiner
from engine.worker.flight import ImageInFlight
from engine.worker.schedulers import make_scheduler


def leave_to_refiner(images: Sequence[ImageInFlight], refiner: Refiner | None) -> None:
    """Take the last steps from images that have just started. Raises Refusal where no step would be left to one of
    the two models.
    """
    if refiner is not None:
        for image in images:
            _shorten(image, refiner)


def _shorten(image: ImageInFlight, refiner: Refiner) -> None:
    first = int((image.timesteps >= _last_of_base(image.scheduler, refiner.switch_at)).sum())
    if not 0 < first < image.steps:
        left = "the refiner" if first else "the model itself"
        message = (
            f"switch_at must leave a step to {left}; of {image.steps} steps, {refiner.switch_at} leaves none."
        )
        raise Refusal("invalid_field", message, field="refiner", hint="more steps")
    image.after = image.steps - first
    image.timesteps = image.timesteps[:first]


def start_refinement(
    model: StableDiffusion, request: GenerationRequest, image: ImageInFlight
) -> ImageInFlight:
    """The image that goes on where `image` has stopped, as diffusers' `StableDiffusionXLImg2ImgPipeline` would go on
    with its latents: without new noise, and with a scheduler that knows nothing of the steps before. It is drawn
    from the same words. Raises Refusal.
    """
    assert request.refiner is not None
    scheduler = make_scheduler(model.scheduler_config, request.sampler, request.schedule)
    scheduler.set_timesteps(request.steps, device="cpu")  # as timesteps_from
    last = _last_of_base(scheduler, request.refiner.switch_at)
    count = int((scheduler.timesteps < last).sum())
    if count == 0:  # its noise schedule is another one than the base's
        message = (
            f"switch_at must leave a step to {request.refiner.model}; it was {request.refiner.switch_at}."
        )
        raise Refusal("invalid_field", message, field="refiner", hint="more steps")
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(len(scheduler.timesteps) - count)
    words = Words(image.conditioning.prompt, image.conditioning.negative_prompt)
    return ImageInFlight(
        job_id=image.job_id,
        index=image.index,
        seed=image.seed,
        latents=image.latents,
        scheduler=scheduler,
        timesteps=scheduler.timesteps[-count:],
        generator=image.generator,
        guidance_scale=image.guidance_scale,
        conditioning=condition(model, request, words),
        before=image.before + image.steps,
        seamless=image.seamless,
    )


def _last_of_base(scheduler: Any, switch_at: float) -> int:
    """The timestep up to which the base draws: diffusers counts the share on the timesteps of training."""
    trained = int(scheduler.config.num_train_timesteps)
    return round(trained - switch_at * trained)
