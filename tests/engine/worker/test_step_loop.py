"""Joining, leaving and failing inside the step loop never touches the others."""

import gc
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers import LatentConsistencyModelPipeline
from PIL import Image

from engine.images.canvas import Canvas
from engine.models.loading import StableDiffusion
from engine.tasks.text_to_image import start_text_to_image
from engine.wire import GenerationRequest, Sampler
from engine.worker.batching import RowCap
from engine.worker.bucketed import Bucketed
from engine.worker.flight import ImageInFlight
from engine.worker.pixels import NotANumber
from engine.worker.policy import MemoryPolicy
from engine.worker.room import Room
from engine.worker.step_loop import SHAPES, StepLoop, guidance_embedding

Ask = Callable[..., GenerationRequest]


def start(model: StableDiffusion, request: GenerationRequest, job_id: str) -> ImageInFlight:
    conditioning = model.prompts.encode(request.prompt, request.negative_prompt, guided=True)
    return start_text_to_image(model, job_id, request, 0, conditioning)


def finish(loop: StepLoop) -> None:
    while loop.images:
        loop.tick()


def alone(model: StableDiffusion, request: GenerationRequest) -> torch.Tensor:
    image = start(model, request, "alone")
    loop = StepLoop(model=model, cap=RowCap(fixed=2))
    loop.join(image)
    finish(loop)
    return image.latents


def test_a_request_joins_at_the_next_step(model: StableDiffusion, ask: Ask) -> None:
    loop = StepLoop(model=model, cap=RowCap(fixed=8))
    first, second = start(model, ask(seed=1), "first"), start(model, ask(seed=2), "second")
    loop.join(first)
    loop.tick()
    loop.join(second)
    loop.tick()
    assert (first.position, second.position) == (2, 1)
    finish(loop)
    torch.testing.assert_close(second.latents, alone(model, ask(seed=2)), atol=1e-4, rtol=0)


def test_a_cancelled_job_leaves_at_the_next_step_and_the_others_do_not_notice(
    model: StableDiffusion, ask: Ask
) -> None:
    loop = StepLoop(model=model, cap=RowCap(fixed=8))
    stays, leaves = start(model, ask(seed=3), "stays"), start(model, ask(seed=4), "leaves")
    loop.join(leaves)
    loop.join(stays)
    loop.tick()
    loop.leave("leaves")
    finish(loop)
    assert leaves.position == 1
    torch.testing.assert_close(stays.latents, alone(model, ask(seed=3)), atol=1e-4, rtol=0)


def test_a_row_of_nan_does_not_touch_the_other_rows(model: StableDiffusion, ask: Ask) -> None:
    loop = StepLoop(model=model, cap=RowCap(fixed=8))
    sick, well = start(model, ask(seed=5), "sick"), start(model, ask(seed=6), "well")
    sick.latents = torch.full_like(sick.latents, torch.nan)
    loop.join(sick)
    loop.join(well)
    (failed,) = loop.tick().failed
    assert failed[0] is sick
    assert isinstance(failed[1], NotANumber)
    finish(loop)
    torch.testing.assert_close(well.latents, alone(model, ask(seed=6)), atol=1e-4, rtol=0)


def test_one_images_broken_scheduler_fails_that_image_alone(model: StableDiffusion, ask: Ask) -> None:
    loop = StepLoop(model=model, cap=RowCap(fixed=8))
    broken, well = start(model, ask(seed=7), "broken"), start(model, ask(seed=8), "well")
    broken.scheduler.sigmas = None
    broken.scheduler.is_scale_input_called = True
    broken.model_input = lambda: well.model_input()  # type: ignore[method-assign]  # only its step is to break
    loop.join(broken)
    loop.join(well)
    tick = loop.tick()
    assert [image.job_id for image, _ in tick.failed] == ["broken"]
    assert loop.images == [well]


class Scarce:
    """A network that runs out of memory above a number of rows."""

    def __init__(self, unet: Any, rows: int) -> None:
        self._unet, self._rows, self.config = unet, rows, unet.config
        self.refused = 0

    def __call__(self, sample: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if len(sample) > self._rows:
            self.refused += 1
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self._unet(sample, *args, **kwargs)


def scarce(model: StableDiffusion, rows: int) -> tuple[StableDiffusion, Scarce]:
    unet = Scarce(model.unet, rows)
    return replace(model, unet=unet), unet


def test_a_tick_that_does_not_fit_is_split_and_every_picture_is_drawn(
    model: StableDiffusion, ask: Ask
) -> None:
    small, unet = scarce(model, rows=2)
    images = [start(small, ask(seed=n), f"job-{n}") for n in range(4)]
    cap = RowCap()
    for rows in (2, 4):
        for _ in range(4):
            cap.record(images[0].key, rows, 1.0)
    assert cap.rows(images[0].key) > 2
    loop = StepLoop(model=small, cap=cap)
    for image in images:
        loop.join(image)
    finish(loop)
    assert all(image.done for image in images)
    assert unet.refused >= 1


def test_the_rows_of_one_picture_run_one_after_another_where_they_do_not_fit_together(
    model: StableDiffusion, ask: Ask
) -> None:
    request = ask(prompt=" AND ".join(f"thing {n}" for n in range(8)), guidance_scale=1.5)
    whole = alone(model, request)
    small, unet = scarce(model, rows=1)
    image = start(small, request, "nine rows")
    assert image.rows == 9
    loop = StepLoop(model=small, cap=RowCap())
    loop.join(image)
    finish(loop)
    assert unet.refused == 3  # 9, 4 and 2 rows
    torch.testing.assert_close(image.latents, whole, atol=1e-4, rtol=0)


def test_one_picture_that_does_not_fit_alone_fails_and_the_loop_goes_on(
    model: StableDiffusion, ask: Ask
) -> None:
    small, _ = scarce(model, rows=0)
    loop = StepLoop(model=small, cap=RowCap(), room=Room(small, MemoryPolicy(rungs=())))
    loop.join(start(small, ask(), "too large"))
    failed = [each for _ in range(2) for each in loop.tick().failed]  # the first one only makes it smaller
    assert [(image.job_id, type(error)) for image, error in failed] == [("too large", torch.OutOfMemoryError)]
    assert loop.images == []


@pytest.mark.parametrize("model_folder", ["epsilon", "v_prediction"], indirect=True)
def test_previews_show_the_samplers_guess_of_the_finished_picture(model: StableDiffusion, ask: Ask) -> None:
    for sampler in Sampler:
        image = start(model, ask(sampler=sampler, steps=4), "job")
        loop = StepLoop(model=model, cap=RowCap())
        loop.join(image)
        loop.tick()
        assert image.estimate is not None
        assert image.estimate.shape == image.latents.shape


def test_embedded_guidance_equals_the_distilled_models_own_pipeline() -> None:
    guidance = torch.tensor([0.0, 3.5, 7.0])
    for width in (256, 255):
        theirs = LatentConsistencyModelPipeline.get_guidance_scale_embedding(None, guidance, width)
        torch.testing.assert_close(guidance_embedding(guidance, width), theirs, atol=1e-3, rtol=0)


def test_idle_moments_are_used_to_measure_until_nothing_is_left_to_learn(
    model: StableDiffusion, ask: Ask
) -> None:
    cap = RowCap()
    loop = StepLoop(model=model, cap=cap)
    assert not loop.probe()
    image = start(model, ask(seed=9), "measured")
    loop.join(image)
    expected = alone(model, ask(seed=9))
    while loop.probe():
        pass
    assert cap.unknown(image.key) is None
    finish(loop)
    assert torch.equal(image.latents, expected)


def test_what_a_pass_had_to_be_compiled_for_says_nothing_of_what_it_costs(
    model: StableDiffusion, ask: Ask
) -> None:
    class Compiling:
        compilations = 0
        fails_to_keep = True

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            self.compilations += self.fails_to_keep
            return model.unet(*args, **kwargs)

    compiling, cap = Compiling(), RowCap()
    loop = StepLoop(model=replace(model, unet=Bucketed(model.unet, compiling)), cap=cap)
    image = start(model, ask(seed=9, steps=9), "compiled anew")
    loop.join(image)
    for _ in range(4):
        loop.tick()
    assert cap.estimate(image.shape, 2) == 0.0
    compiling.fails_to_keep = False
    for _ in range(4):
        loop.tick()
    assert cap.estimate(image.shape, 2) > 0.0


def test_a_persons_picture_is_not_kept_to_measure_with(model: StableDiffusion, ask: Ask) -> None:
    image, picture = start(model, ask(seed=9), "inpaint"), Image.new("RGB", (64, 64))
    image.canvas = Canvas(picture, picture.convert("L"), (0, 0, 64, 64))
    seen = weakref.ref(picture)
    loop = StepLoop(model=model, cap=RowCap())
    loop.join(image)
    loop.leave("inpaint")
    del image, picture
    gc.collect()
    assert seen() is None


def test_what_would_take_long_is_not_measured_while_nobody_draws(model: StableDiffusion, ask: Ask) -> None:
    seconds = iter(range(1000))
    loop = StepLoop(model=model, cap=RowCap(), clock=lambda: 10.0 * next(seconds))
    loop.join(start(model, ask(seed=9), "slow"))
    for _ in range(5):
        loop.probe()
    assert not loop.probe()


class Narrow:
    """A network that cannot be compiled for more than a number of rows."""

    def __init__(self, unet: Any, rows: int, error: type[Exception] = ValueError) -> None:
        self._unet, self._rows, self._error, self.config = unet, rows, error, unet.config

    def __call__(self, sample: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if len(sample) > self._rows:
            raise self._error("no kernel for so many rows")
        return self._unet(sample, *args, **kwargs)


@pytest.mark.parametrize("rows", [0, 2])
def test_what_cannot_be_measured_is_left_alone_and_never_tried_with_a_picture(
    model: StableDiffusion, ask: Ask, rows: int
) -> None:
    cap = RowCap()
    loop = StepLoop(model=replace(model, unet=Narrow(model.unet, rows)), cap=cap)
    image = start(model, ask(seed=9), "measured")
    loop.join(image)
    while loop.probe():
        pass
    assert cap.rows(image.shape) == 2


def test_a_device_that_is_lost_while_it_is_measured_is_told(model: StableDiffusion, ask: Ask) -> None:
    lost = Narrow(model.unet, 0, torch.AcceleratorError)
    loop = StepLoop(model=replace(model, unet=lost), cap=RowCap())
    loop.join(start(model, ask(seed=9), "measured"))
    with pytest.raises(torch.AcceleratorError):
        loop.probe()


def test_of_all_the_sizes_that_people_ask_for_only_a_few_stay_in_memory(
    model: StableDiffusion, ask: Ask
) -> None:
    loop = StepLoop(model=model, cap=RowCap())
    kept = []
    for side in range(64, 64 + 8 * (SHAPES + 4), 8):
        image = start(model, ask(width=side), "job")
        loop.join(image)
        loop.leave("job")
        kept.append(weakref.ref(image.latents))
        del image
    gc.collect()
    assert sum(each() is not None for each in kept) <= SHAPES


def test_the_one_with_the_least_to_do_is_drawn_first(model: StableDiffusion, ask: Ask) -> None:
    loop = StepLoop(model=model, cap=RowCap(fixed=2))
    long, short = start(model, ask(seed=1, steps=9), "long"), start(model, ask(seed=2, steps=3), "short")
    loop.join(long, "somebody")
    loop.join(short, "somebody else")
    for _ in range(3):
        loop.tick()
    assert (long.position, short.done) == (0, True)
