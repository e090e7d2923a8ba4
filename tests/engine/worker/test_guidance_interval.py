"""Guidance on some of the steps: as diffusers' pipeline draws when a callback changes it half way."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from engine.models.loading import StableDiffusion
from engine.prompts.wildcards import Words
from engine.tasks.conditioning import condition
from engine.tasks.text_to_image import start_text_to_image
from engine.wire import GenerationRequest, Sampler, Schedule
from engine.worker.flight import ImageInFlight
from tests.engine.worker.equality import Reals, drawn, plain_scheduler, run, told

Ask = Callable[..., GenerationRequest]


def start(model: StableDiffusion, request: GenerationRequest) -> ImageInFlight:
    words = Words(request.prompt, request.negative_prompt)
    return start_text_to_image(model, f"job-{request.seed}", request, 0, condition(model, request, words))


def by_pipeline(folder: Path, request: GenerationRequest) -> Reals:
    """diffusers' recipe for dynamic guidance: the callback changes the scale, and for 1 leaves the conditional rows."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.scheduler = plain_scheduler(request.sampler, of=pipeline.scheduler)
    pipeline.set_progress_bar_config(disable=True)
    last, after = round(request.guidance_interval[1] * request.steps), request.guidance_after or 1.0

    def changed(pipe: Any, index: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        if index + 1 == last:
            if after == 1:
                tensors["prompt_embeds"] = tensors["prompt_embeds"].chunk(2)[-1]
            pipe._guidance_scale = after
        return tensors

    pixels = pipeline(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        width=request.width,
        height=request.height,
        **told(request),
        output_type="np",
        callback_on_step_end=changed,
        callback_on_step_end_tensor_inputs=["prompt_embeds"],
    ).images[0]
    return np.asarray(pixels)


@pytest.mark.parametrize("sampler", [Sampler.EULER, Sampler.DPMPP_2M, Sampler.UNIPC])
@pytest.mark.parametrize("after", [None, 2.0])
def test_guidance_that_ends_early_equals_diffusers(
    model: StableDiffusion, model_folder: Path, ask: Ask, sampler: Sampler, after: float | None
) -> None:
    request = ask(sampler=sampler, schedule=Schedule.NORMAL, guidance_end=0.5, guidance_after=after)
    (ours,) = drawn(model, start(model, request))
    np.testing.assert_allclose(ours, by_pipeline(model_folder, request), atol=1e-4)
    (always,) = drawn(model, start(model, ask(sampler=sampler, schedule=Schedule.NORMAL)))
    assert np.abs(ours - always).max() > 5e-3


def test_images_inside_and_outside_their_intervals_share_ticks(model: StableDiffusion, ask: Ask) -> None:
    requests = [ask(), ask(seed=1, guidance_end=0.5), ask(seed=2, guidance_start=0.4, steps=5)]
    alone = [drawn(model, start(model, request))[0] for request in requests]
    for one, other in zip(drawn(model, *(start(model, each) for each in requests)), alone, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    assert run(model, *(start(model, request) for request in requests)) == 6


def test_what_an_image_still_needs_counts_the_rows_to_come(model: StableDiffusion, ask: Ask) -> None:
    assert start(model, ask()).left == 12
    assert start(model, ask(guidance_end=0.5)).left == 9
    assert start(model, ask(guidance_end=0.5, guidance_after=2.0)).left == 12
