"""The step loop is judged by diffusers: same weights, same seed, same settings, same picture."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import numpy.typing as npt
import pytest
import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionPipeline
from PIL import Image

from engine.models.loading import StableDiffusion
from engine.samplers import SAMPLERS
from engine.tasks.image_to_image import start_image_to_image
from engine.tasks.text_to_image import start_text_to_image
from engine.wire import GenerationRequest, Sampler, Schedule, Task
from engine.worker.batching import RowCap
from engine.worker.flight import ImageInFlight
from engine.worker.pixels import decode_latents
from engine.worker.step_loop import StepLoop
from tests.engine.worker.equality import drawn, told

Ask = Callable[..., GenerationRequest]
Pixels = npt.NDArray[np.uint8]

# What the pipeline of each sampler and schedule is in diffusers' own words, written out a second time on purpose.
PIPELINE_SCHEDULERS: dict[tuple[Sampler, Schedule], tuple[str, dict[str, Any]]] = {
    (Sampler.EULER, Schedule.NORMAL): ("EulerDiscreteScheduler", {}),
    (Sampler.EULER, Schedule.KARRAS): ("EulerDiscreteScheduler", {"use_karras_sigmas": True}),
    (Sampler.EULER, Schedule.EXPONENTIAL): ("EulerDiscreteScheduler", {"use_exponential_sigmas": True}),
    (Sampler.EULER, Schedule.SGM_UNIFORM): ("EulerDiscreteScheduler", {"timestep_spacing": "trailing"}),
    (Sampler.EULER_A, Schedule.NORMAL): ("EulerAncestralDiscreteScheduler", {}),
    (Sampler.EULER_A, Schedule.SGM_UNIFORM): (
        "EulerAncestralDiscreteScheduler",
        {"timestep_spacing": "trailing"},
    ),
    (Sampler.DPMPP_2M, Schedule.NORMAL): ("DPMSolverMultistepScheduler", {}),
    (Sampler.DPMPP_2M, Schedule.KARRAS): ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    (Sampler.DPMPP_2M, Schedule.EXPONENTIAL): (
        "DPMSolverMultistepScheduler",
        {"use_exponential_sigmas": True},
    ),
    (Sampler.DPMPP_2M, Schedule.SGM_UNIFORM): (
        "DPMSolverMultistepScheduler",
        {"timestep_spacing": "trailing"},
    ),
    (Sampler.DPMPP_2M_SDE, Schedule.NORMAL): (
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "sde-dpmsolver++"},
    ),
    (Sampler.DPMPP_2M_SDE, Schedule.KARRAS): (
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True},
    ),
    (Sampler.DPMPP_2M_SDE, Schedule.EXPONENTIAL): (
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "sde-dpmsolver++", "use_exponential_sigmas": True},
    ),
    (Sampler.DPMPP_2M_SDE, Schedule.SGM_UNIFORM): (
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "sde-dpmsolver++", "timestep_spacing": "trailing"},
    ),
    (Sampler.DDIM, Schedule.NORMAL): ("DDIMScheduler", {"clip_sample": False}),
    (Sampler.DDIM, Schedule.SGM_UNIFORM): (
        "DDIMScheduler",
        {"clip_sample": False, "timestep_spacing": "trailing"},
    ),
    (Sampler.PLMS, Schedule.NORMAL): ("PNDMScheduler", {"skip_prk_steps": True}),
    (Sampler.PLMS, Schedule.SGM_UNIFORM): (
        "PNDMScheduler",
        {"skip_prk_steps": True, "timestep_spacing": "trailing"},
    ),
    (Sampler.UNIPC, Schedule.NORMAL): ("UniPCMultistepScheduler", {}),
    (Sampler.UNIPC, Schedule.KARRAS): ("UniPCMultistepScheduler", {"use_karras_sigmas": True}),
    (Sampler.UNIPC, Schedule.EXPONENTIAL): ("UniPCMultistepScheduler", {"use_exponential_sigmas": True}),
    (Sampler.UNIPC, Schedule.SGM_UNIFORM): ("UniPCMultistepScheduler", {"timestep_spacing": "trailing"}),
    (Sampler.LCM, Schedule.NORMAL): ("LCMScheduler", {}),
    (Sampler.TCD, Schedule.NORMAL): ("TCDScheduler", {}),
}
COMBINATIONS = [pytest.param(*pair, id="-".join(pair)) for pair in PIPELINE_SCHEDULERS]
BOTH_PREDICTIONS = pytest.mark.parametrize("model_folder", ["epsilon", "v_prediction"], indirect=True)


@pytest.fixture(scope="module")
def parts(model_folder: Path) -> dict[str, Any]:
    """The pipeline's parts, loaded by diffusers and independently of the engine."""
    pipeline = StableDiffusionPipeline.from_pretrained(model_folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return dict(pipeline.components)


def by_diffusers(parts: dict[str, Any], request: GenerationRequest, picture: Image.Image | None) -> Pixels:
    """The picture that diffusers' pipeline draws, as pixels in [0, 1]."""
    name, options = PIPELINE_SCHEDULERS[request.sampler, request.schedule]
    scheduler = getattr(diffusers, name).from_config(parts["scheduler"].config, **options)
    kind = StableDiffusionPipeline if picture is None else StableDiffusionImg2ImgPipeline
    pipeline = kind(**(parts | {"scheduler": scheduler}), requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    special = (
        {"width": request.width, "height": request.height}
        if picture is None
        else {"image": picture, "strength": request.strength}
    )
    pixels = pipeline(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        **told(request),
        output_type="np",
        eta=0.3 if request.sampler is Sampler.TCD else 0.0,  # its authors' gamma
        **special,
    ).images[0]
    return np.asarray(pixels)


def start(model: StableDiffusion, request: GenerationRequest, picture: Image.Image | None) -> ImageInFlight:
    conditioning = model.prompts.encode(
        request.prompt, request.negative_prompt, guided=request.guidance_scale > 1
    )
    if picture is None:
        return start_text_to_image(model, f"job-{request.seed}", request, 0, conditioning)
    return start_image_to_image(model, f"job-{request.seed}", request, 0, conditioning, picture)


def by_step_loop(model: StableDiffusion, images: list[ImageInFlight], cap: int = 16) -> list[Any]:
    """The pictures that the step loop draws together, as pixels in [0, 1]."""
    loop = StepLoop(model=model, cap=RowCap(fixed=cap))
    for image in images:
        loop.join(image)
    while loop.images:
        tick = loop.tick()
        assert not tick.failed
    return [decode_latents(model, image.latents).astype(np.float64) / 255 for image in images]


@BOTH_PREDICTIONS
@pytest.mark.parametrize(("sampler", "schedule"), COMBINATIONS)
def test_a_text_to_image_picture_equals_the_pipelines(
    model: StableDiffusion, parts: dict[str, Any], ask: Ask, sampler: Sampler, schedule: Schedule
) -> None:
    request = ask(sampler=sampler, schedule=schedule)
    assert_same(model, start(model, request, None), by_diffusers(parts, request, None))


@BOTH_PREDICTIONS
@pytest.mark.parametrize(("sampler", "schedule"), COMBINATIONS)
def test_an_image_to_image_picture_equals_the_pipelines(
    model: StableDiffusion,
    parts: dict[str, Any],
    ask: Ask,
    picture: Image.Image,
    sampler: Sampler,
    schedule: Schedule,
) -> None:
    request = ask(task=Task.IMG2IMG, strength=0.7, sampler=sampler, schedule=schedule)
    assert_same(model, start(model, request, picture), by_diffusers(parts, request, picture))


def assert_same(model: StableDiffusion, image: ImageInFlight, expected: Any) -> None:
    (ours,) = drawn(model, image)
    assert np.abs(ours - expected).max() <= 1e-4


def test_every_sampler_with_every_schedule_it_takes_is_compared() -> None:
    offered = {(name, schedule) for name, spec in SAMPLERS.items() for schedule in spec.schedules}
    assert offered == set(PIPELINE_SCHEDULERS)


@BOTH_PREDICTIONS
def test_a_picture_without_guidance_equals_the_pipelines(
    model: StableDiffusion, parts: dict[str, Any], ask: Ask
) -> None:
    request = ask(guidance_scale=1.0, schedule=Schedule.NORMAL)
    assert_same(model, start(model, request, None), by_diffusers(parts, request, None))


@pytest.mark.parametrize(("width", "height"), [(72, 104), (64, 200)])
def test_a_size_that_the_network_cannot_halve_evenly_equals_the_pipelines(
    model: StableDiffusion, parts: dict[str, Any], ask: Ask, width: int, height: int
) -> None:
    request = ask(width=width, height=height, schedule=Schedule.NORMAL)
    assert_same(model, start(model, request, None), by_diffusers(parts, request, None))


def test_four_pictures_drawn_together_equal_the_four_drawn_alone(
    model: StableDiffusion, ask: Ask, picture: Image.Image
) -> None:
    requests = [
        (ask(seed=1, steps=4, sampler=Sampler.EULER_A), None),
        (ask(seed=2, steps=9, sampler=Sampler.DPMPP_2M_SDE, guidance_scale=3.0), None),
        (ask(seed=3, steps=7, sampler=Sampler.PLMS, guidance_scale=1.0, prompt="a bird"), None),
        (ask(seed=4, steps=6, sampler=Sampler.UNIPC, task=Task.IMG2IMG, strength=0.5), picture),
    ]
    together = by_step_loop(model, [start(model, *each) for each in requests])
    alone = [by_step_loop(model, [start(model, *each)])[0] for each in requests]
    for a, b in zip(together, alone, strict=True):
        # Stored pixels have 256 levels: a rounding in the last bit may tip one of them over, never more.
        assert np.abs(a - b).max() <= 1 / 255 + 1e-9
        assert (a != b).mean() < 0.001


def test_image_i_of_a_request_is_the_image_of_seed_plus_i(model: StableDiffusion, ask: Ask) -> None:
    request = ask(seed=7, count=3, sampler=Sampler.EULER_A)
    conditioning = model.prompts.encode(request.prompt, request.negative_prompt, guided=True)
    third = start_text_to_image(model, "batch", request, 2, conditioning)
    single = start(model, ask(seed=9, sampler=Sampler.EULER_A), None)
    drawn, expected = by_step_loop(model, [third])[0], by_step_loop(model, [single])[0]
    assert np.array_equal(drawn, expected)
