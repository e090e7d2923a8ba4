"""The second pass of "Hires. fix" is judged by diffusers: txt2img, then img2img at the larger size, same seed."""

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from diffusers import (
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
)
from PIL import Image

from engine.hires import second_request
from engine.models.loading import StableDiffusion
from engine.tasks.hires import second_pass
from engine.tasks.text_to_image import start_text_to_image
from engine.upscalers import LATENT_UPSCALERS
from engine.wire import GenerationRequest, Sampler, Schedule
from engine.worker.batching import RowCap
from engine.worker.flight import ImageInFlight
from engine.worker.postprocessing import Postprocessor, no_upscaler
from engine.worker.step_loop import StepLoop
from tests.engine.tiny_controls import make_controlnet
from tests.engine.worker.steered import Steerer, pattern
from tests.engine.worker.test_sdxl import Tiny

Ask = Callable[..., GenerationRequest]
Unit = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

SCHEDULERS = {Sampler.EULER: EulerDiscreteScheduler, Sampler.EULER_A: EulerAncestralDiscreteScheduler}


@pytest.fixture(scope="module")
def parts(model_folder: Path) -> dict[str, Any]:
    """The pipelines' parts, loaded by diffusers and independently of the engine."""
    return dict(StableDiffusionPipeline.from_pretrained(model_folder, dtype=torch.float32).components)


def pipeline(kind: Any, parts: dict[str, Any], request: GenerationRequest) -> Any:
    scheduler = SCHEDULERS[request.sampler].from_config(parts["scheduler"].config)
    made = kind(**(parts | {"scheduler": scheduler}), requires_safety_checker=False)
    made.set_progress_bar_config(disable=True)
    return made


def options(request: GenerationRequest) -> dict[str, Any]:
    return {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "guidance_scale": request.guidance_scale,
        "generator": torch.Generator("cpu").manual_seed(request.seed),
    }


def first_pass(parts: dict[str, Any], request: GenerationRequest, kind: str) -> Any:
    drawn = pipeline(StableDiffusionPipeline, parts, request)(
        width=request.width,
        height=request.height,
        num_inference_steps=request.steps,
        output_type=kind,
        **options(request),
    )
    return drawn.images[0]


def through(loop: StepLoop, image: ImageInFlight) -> ImageInFlight:
    loop.join(image)
    while loop.images:
        assert not loop.tick().failed
    return image


def ours(
    model: StableDiffusion, request: GenerationRequest, seen: list[Pixels]
) -> tuple[ImageInFlight, Unit]:
    """The image of the second pass and its picture, [H, W, 3] in [0, 1]. `seen` gets the first pass' pixels."""
    assert request.hires is not None
    loop = StepLoop(model=model, cap=RowCap())
    words = model.prompts.encode(request.prompt, request.negative_prompt, guided=True)
    first = through(loop, start_text_to_image(model, "job", request, 0, words))
    post = Postprocessor(load=no_upscaler, aside=_at_once)

    def enlarge(name: str, pixels: Pixels, size: tuple[int, int]) -> Any:
        seen.append(pixels)
        return post.enlarged(name, pixels, size)

    again = second_pass(model, request, request.hires, first, enlarge)
    second = through(loop, _result(again))
    with torch.inference_mode():
        decoded = model.vae.decode(second.latents / model.vae.config.scaling_factor).sample[0]
    return second, (decoded / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).numpy()


def _at_once(work: Callable[[], Any]) -> Any:
    future: Future[Any] = Future()
    future.set_result(work())
    return future


def _result(work: Any) -> Any:
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


@pytest.mark.parametrize("sampler", [Sampler.EULER, Sampler.EULER_A])
@pytest.mark.parametrize(
    "hires",
    [
        {"scale": 2, "strength": 0.75, "upscaler": "lanczos"},
        {"width": 96, "height": 128, "strength": 0.5, "steps": 3, "upscaler": "lanczos"},
    ],
)
def test_pixels_enlarged_and_drawn_again_equal_diffusers_two_pipelines(
    model: StableDiffusion, parts: dict[str, Any], ask: Ask, sampler: Sampler, hires: dict[str, Any]
) -> None:
    request = ask(sampler=sampler, schedule=Schedule.NORMAL, hires=hires)
    assert request.hires is not None
    size = request.hires.size((64, 64))
    seen: list[Pixels] = []
    image, drawn = ours(model, request, seen)
    # Stored pixels have 256 levels: a rounding in the last bit may tip one of them over, never more. What follows is
    # judged from the same pixels.
    levels = np.abs(np.asarray(first_pass(parts, request, "pil")).astype(int) - seen[0])
    assert levels.max() <= 1
    assert (levels != 0).mean() < 0.001
    larger = Image.fromarray(seen[0]).resize(size, Image.Resampling.LANCZOS)
    second = second_request(request, request.hires)
    expected = pipeline(StableDiffusionImg2ImgPipeline, parts, request)(
        image=larger,
        strength=second.strength,
        num_inference_steps=second.steps,
        output_type="np",
        **options(request),
    ).images[0]
    assert image.steps == (request.hires.steps or request.steps)
    assert drawn.shape == expected.shape == (size[1], size[0], 3)
    assert np.abs(drawn - expected).max() <= 1e-4


@pytest.mark.parametrize("upscaler", LATENT_UPSCALERS)
def test_latents_enlarged_and_drawn_again_equal_the_same_with_diffusers_pieces(
    model: StableDiffusion, parts: dict[str, Any], ask: Ask, upscaler: str
) -> None:
    request = ask(schedule=Schedule.NORMAL, hires={"scale": 1.5, "strength": 0.6, "upscaler": upscaler})
    assert request.hires is not None
    mode, antialias = {  # A1111's table, written out a second time on purpose
        "latent": ("bilinear", False),
        "latent (antialiased)": ("bilinear", True),
        "latent (bicubic)": ("bicubic", False),
        "latent (bicubic antialiased)": ("bicubic", True),
        "latent (nearest)": ("nearest", False),
        "latent (nearest-exact)": ("nearest-exact", False),
    }[upscaler]
    latents = first_pass(parts, request, "latent")[None]
    larger = torch.nn.functional.interpolate(latents, size=(12, 12), mode=mode, antialias=antialias)
    second = second_request(request, request.hires)
    assert (second.steps, second.strength) == (10, 0.6)
    img2img = pipeline(StableDiffusionImg2ImgPipeline, parts, request)
    expected = img2img(  # four channels: taken as latents, which the pipeline does not encode again
        image=larger, strength=0.6, num_inference_steps=10, output_type="np", **options(request)
    ).images[0]
    image, drawn = ours(model, request, [])
    assert image.steps == request.steps
    assert np.abs(drawn - expected).max() <= 1e-4


def test_the_second_pass_starts_from_the_same_seed_and_shares_no_tick_with_the_first(
    model: StableDiffusion, ask: Ask
) -> None:
    request = ask(seed=7, hires={"scale": 2, "upscaler": "latent"})
    second, _ = ours(model, request, [])
    words = model.prompts.encode("", "", guided=True)
    first = start_text_to_image(model, "job", request, 0, words)
    assert (first.seed, second.seed) == (7, 7)
    assert first.hires is not None
    assert second.hires is None
    assert first.key != second.key


def test_sdxl_is_told_the_size_of_the_second_pass(tmp_path: Path, ask: Ask) -> None:
    tiny = Tiny(tmp_path / "base", "base")
    request = ask(schedule=Schedule.NORMAL, hires={"scale": 2, "strength": 0.5, "upscaler": "latent"})
    latents = tiny.pipeline(StableDiffusionXLPipeline)(
        width=64, height=64, num_inference_steps=6, output_type="latent", **options(request)
    ).images
    larger = torch.nn.functional.interpolate(latents, size=(16, 16), mode="bilinear")
    expected = tiny.pipeline(StableDiffusionXLImg2ImgPipeline)(
        image=larger, strength=0.5, num_inference_steps=12, output_type="np", **options(request)
    ).images[0]
    _, drawn = ours(tiny.model, request, [])
    assert drawn.shape == expected.shape == (128, 128, 3)
    assert np.abs(drawn - expected).max() <= 1e-4


def test_the_second_pass_is_steered_by_the_same_pictures_in_its_own_size(
    model: StableDiffusion, model_folder: Path, tmp_path: Path, ask: Ask
) -> None:
    make_controlnet(tmp_path / "edges", model_folder)
    request = ask(controls=[{"name": "edges", "end": 0.5}], hires={"scale": 2, "upscaler": "latent"})
    steerer, shown = Steerer(model, tmp_path), pattern(1, side=200)
    (first,) = steerer.start(request, [shown])
    assert request.hires is not None
    second = _result(second_pass(model, request, request.hires, first, no_enlarging))
    (expected,) = steerer.start(ask(width=128, height=128, controls=request.controls), [shown])
    (ours,), (theirs,) = (image.steering[0].shown for image in (second, expected))
    assert ours.shape == (1, 3, 128, 128)
    assert torch.equal(ours, theirs)
    assert [each.steers(position, 6) for each in second.steering for position in (0, 5)] == [True, False]


def no_enlarging(*_: object) -> Any:
    raise AssertionError("latents are enlarged without an upscaler")
