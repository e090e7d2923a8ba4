"""Inpaint is judged by diffusers too: plain networks and inpainting ones, before pixels are put back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionInpaintPipeline, StableDiffusionPipeline
from PIL import Image

from engine.images.canvas import Canvas
from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.tasks.inpaint import latent_mask, start_inpaint
from engine.tasks.text_to_image import start_text_to_image
from engine.wire import Fill, GenerationRequest, Sampler, Schedule, Task
from engine.worker.device import Device
from engine.worker.flight import ImageInFlight
from tests.engine.tiny_model import make_tiny_model
from tests.engine.worker.equality import PLAIN_SCHEDULERS, Reals, drawn, plain_scheduler, told

Ask = Callable[..., GenerationRequest]


@pytest.fixture(scope="module", params=[4, 9], ids=["4 channels", "9 channels"])
def inpainting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / f"tiny-{request.param}"
    make_tiny_model(folder, width=16, latent_side=8, channels=request.param)
    return folder


@pytest.fixture(scope="module")
def network(inpainting: Path, exact: Device) -> StableDiffusion:
    return load_stable_diffusion(inpainting.name, inpainting, exact)


@pytest.fixture(scope="module")
def parts(inpainting: Path) -> dict[str, Any]:
    """The pipeline's parts, loaded by diffusers and independently of the engine."""
    return dict(StableDiffusionPipeline.from_pretrained(inpainting, dtype=torch.float32).components)


def redraw(ask: Ask, **changes: object) -> GenerationRequest:
    return ask(**({"task": Task.INPAINT, "strength": 1.0, "schedule": Schedule.NORMAL} | changes))


def start(
    model: StableDiffusion, request: GenerationRequest, picture: Image.Image, mask: Image.Image
) -> ImageInFlight:
    conditioning = model.prompts.encode(
        request.prompt, request.negative_prompt, guided=request.guidance_scale > 1
    )
    canvas = Canvas.of(request, picture, mask)
    return start_inpaint(model, f"job-{request.seed}", request, 0, conditioning, canvas)


def by_diffusers(
    parts: dict[str, Any], request: GenerationRequest, picture: Image.Image, mask: Image.Image
) -> Reals:
    scheduler = plain_scheduler(request.sampler, parts["scheduler"])
    pipeline = StableDiffusionInpaintPipeline(
        **(parts | {"scheduler": scheduler}), requires_safety_checker=False
    )
    pipeline.set_progress_bar_config(disable=True)
    pixels = pipeline(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        image=picture,
        mask_image=mask,
        width=request.width,
        height=request.height,
        strength=request.strength,
        **told(request),
        output_type="np",
        eta=0.3 if request.sampler is Sampler.TCD else 0.0,  # its authors' gamma
    ).images[0]
    return np.asarray(pixels)


def test_every_sampler_is_compared() -> None:
    assert set(PLAIN_SCHEDULERS) == set(Sampler)


@pytest.mark.parametrize("strength", [1.0, 0.7])
@pytest.mark.parametrize("sampler", Sampler)
def test_an_inpainted_picture_equals_the_pipelines(
    network: StableDiffusion,
    parts: dict[str, Any],
    ask: Ask,
    picture: Image.Image,
    mask: Image.Image,
    sampler: Sampler,
    strength: float,
) -> None:
    request = redraw(ask, sampler=sampler, strength=strength)
    (ours,) = drawn(network, start(network, request, picture, mask))
    assert np.abs(ours - by_diffusers(parts, request, picture, mask)).max() <= 1e-4


def test_without_guidance_and_at_another_size_it_equals_the_pipelines(
    network: StableDiffusion, parts: dict[str, Any], ask: Ask, picture: Image.Image, mask: Image.Image
) -> None:
    request = redraw(ask, guidance_scale=1.0, width=72, height=88, strength=0.8)
    (ours,) = drawn(network, start(network, request, picture, mask))
    assert np.abs(ours - by_diffusers(parts, request, picture, mask)).max() <= 1e-4


def test_a_mask_never_touches_another_picture_of_its_ticks(
    network: StableDiffusion, ask: Ask, picture: Image.Image, mask: Image.Image
) -> None:
    other = mask.transpose(Image.Transpose.ROTATE_90)
    requests = [
        (redraw(ask, seed=1, steps=4, sampler=Sampler.EULER_A), mask),
        (redraw(ask, seed=2, steps=7, sampler=Sampler.DPMPP_2M, strength=0.6), other),
        (redraw(ask, seed=3, steps=5, sampler=Sampler.PLMS, guidance_scale=1.0), mask),
    ]
    together = drawn(network, *(start(network, request, picture, each) for request, each in requests))
    for ours, (request, each) in zip(together, requests, strict=True):
        (alone,) = drawn(network, start(network, request, picture, each))
        assert np.abs(ours - alone).max() <= 1e-4


def test_a_picture_from_words_is_the_same_beside_one_that_is_inpainted(
    model: StableDiffusion, ask: Ask, picture: Image.Image, mask: Image.Image
) -> None:
    words = ask(seed=5)
    conditioning = model.prompts.encode(words.prompt, words.negative_prompt, guided=True)
    plain = [start_text_to_image(model, "words", words, 0, conditioning) for _ in range(2)]
    (alone,) = drawn(model, plain[0])
    together, _ = drawn(model, plain[1], start(model, redraw(ask), picture, mask))
    assert np.abs(together - alone).max() <= 1e-4


def test_the_four_contents_of_the_mask_start_from_different_latents_and_hold_the_same_surroundings(
    model: StableDiffusion, ask: Ask, picture: Image.Image, mask: Image.Image
) -> None:
    starts = {
        fill: start(model, redraw(ask, strength=0.5, fill=fill), picture, mask).latents for fill in Fill
    }
    inside = latent_mask(mask, 8)[0, 0].bool()
    for fill in (Fill.FILL, Fill.NOISE, Fill.NOTHING):
        assert not torch.allclose(starts[fill][..., inside], starts[Fill.ORIGINAL][..., inside])
    for fill in (Fill.NOISE, Fill.NOTHING):
        filled = starts[Fill.FILL][..., ~inside]
        assert torch.equal(starts[fill][..., ~inside], filled)
    assert not torch.equal(starts[Fill.NOISE], starts[Fill.NOTHING])


def test_a_mask_between_the_cells_still_has_the_cells_that_it_touches() -> None:
    thin = Image.new("L", (64, 64), 0)
    thin.paste(255, (17, 3, 20, 60))
    cells = latent_mask(thin, 8)[0, 0]
    assert cells[:, 2].sum() == 8
    assert cells.sum() == 8
