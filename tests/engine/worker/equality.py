"""What the tests share that compare our pictures with those of diffusers' pipelines."""

from collections.abc import Generator
from typing import Any

import diffusers
import numpy as np
import numpy.typing as npt
import torch

from engine.models.loading import StableDiffusion
from engine.models.vae import Vae
from engine.wire import Sampler
from engine.worker.batching import RowCap
from engine.worker.device import Device
from engine.worker.flight import ImageInFlight
from engine.worker.pixels import Pixels
from engine.worker.step_loop import StepLoop

Reals = npt.NDArray[np.float32]

EXACT = Device(place=torch.device("cpu"), dtype=torch.float32, reason="equality is proved in float32")

# The pipelines' scheduler for each sampler with its plain schedule; the others are compared in test_equality.py.
PLAIN_SCHEDULERS: dict[Sampler, tuple[str, dict[str, Any]]] = {
    Sampler.EULER: ("EulerDiscreteScheduler", {}),
    Sampler.EULER_A: ("EulerAncestralDiscreteScheduler", {}),
    Sampler.DPMPP_2M: ("DPMSolverMultistepScheduler", {}),
    Sampler.DPMPP_2M_SDE: ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    Sampler.DDIM: ("DDIMScheduler", {"clip_sample": False}),
    Sampler.PLMS: ("PNDMScheduler", {"skip_prk_steps": True}),
    Sampler.UNIPC: ("UniPCMultistepScheduler", {}),
    Sampler.LCM: ("LCMScheduler", {}),
    Sampler.TCD: ("TCDScheduler", {}),
}


def plain_scheduler(sampler: Sampler, of: Any) -> Any:
    """Diffusers' scheduler for `sampler`, with the noise of the model's own scheduler `of`."""
    name, options = PLAIN_SCHEDULERS[sampler]
    return getattr(diffusers, name).from_config(of.config, **options)


def run(model: StableDiffusion, *images: ImageInFlight) -> int:
    """Draw together to the end; returns how many ticks it took."""
    loop = StepLoop(model=model, cap=RowCap(fixed=16))
    for image in images:
        loop.join(image)
    ticks = 0
    while loop.images:
        ticks += 1
        assert not loop.tick().failed
    return ticks


def drawn(model: StableDiffusion, *images: ImageInFlight) -> list[Reals]:
    """What the step loop draws together, as pixels in [0, 1] before anything is put back."""
    run(model, *images)
    with torch.inference_mode():
        factor = model.vae.config.scaling_factor
        decoded = [model.vae.decode(image.latents / factor).sample[0] for image in images]
    return [(each / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).numpy() for each in decoded]


def decoded_by(loop: StepLoop, image: ImageInFlight, vae: Vae | None = None) -> Pixels:
    """A finished image's pixels as the worker gets them, from the first tile to the last."""
    return result_of(loop.decode(image, vae))


def result_of(work: Generator[None, None, Pixels]) -> Pixels:
    while True:
        try:
            next(work)
        except StopIteration as end:
            pixels: Pixels = end.value
            return pixels
