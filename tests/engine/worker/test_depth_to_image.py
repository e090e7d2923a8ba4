"""Depth-to-image is judged by diffusers: with the depth that the model estimates, and with one that is given."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionDepth2ImgPipeline
from PIL import Image

from engine.frames import Start
from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.tasks.depth_to_image import depth_cells, normalised, start_depth_to_image
from engine.tasks.starting import start_images
from engine.wire import GenerationRequest, Sampler, Schedule, Task
from engine.worker.device import Device
from engine.worker.flight import ImageInFlight
from engine.worker.pixels import NotANumber
from tests.engine.tiny_depth_model import make_tiny_depth_model
from tests.engine.worker.equality import Reals, drawn, plain_scheduler, told

Ask = Callable[..., GenerationRequest]

COMPARED = (Sampler.EULER, Sampler.EULER_A, Sampler.DPMPP_2M, Sampler.DDIM, Sampler.PLMS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "depth"
    make_tiny_depth_model(folder)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path, exact: Device) -> StableDiffusion:
    return load_stable_diffusion("depth", folder, exact)


@pytest.fixture(scope="module")
def parts(folder: Path) -> dict[str, Any]:
    """The pipeline's parts, loaded by diffusers and independently of the engine."""
    return dict(StableDiffusionDepth2ImgPipeline.from_pretrained(folder, dtype=torch.float32).components)


@pytest.fixture(scope="module")
def depth() -> Image.Image:
    """A bright disc before a grey wall."""
    down, across = np.mgrid[:64, :64]
    return Image.fromarray(np.where((down - 20) ** 2 + (across - 40) ** 2 < 200, 230, 60).astype(np.uint8))


def over(ask: Ask, **changes: object) -> GenerationRequest:
    return ask(**({"task": Task.DEPTH2IMG, "strength": 0.7, "schedule": Schedule.NORMAL} | changes))


def start(
    model: StableDiffusion,
    request: GenerationRequest,
    picture: Image.Image | None,
    depth: Image.Image | None = None,
) -> ImageInFlight:
    conditioning = model.prompts.encode(
        request.prompt, request.negative_prompt, guided=request.guidance_scale > 1
    )
    cells = depth_cells(model, request, picture, depth)
    return start_depth_to_image(model, f"job-{request.seed}", request, 0, conditioning, picture, cells)


def by_diffusers(
    parts: dict[str, Any], request: GenerationRequest, picture: Image.Image, depth: Image.Image | None = None
) -> Reals:
    scheduler = plain_scheduler(request.sampler, parts["scheduler"])
    pipeline = StableDiffusionDepth2ImgPipeline(**(parts | {"scheduler": scheduler}))
    pipeline.set_progress_bar_config(disable=True)
    pixels = pipeline(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        image=picture,
        depth_map=None if depth is None else torch.from_numpy(np.array(depth, np.float32))[None],
        strength=request.strength,
        **told(request),
        output_type="np",
    ).images[0]
    return np.asarray(pixels)


@pytest.mark.filterwarnings("ignore:In CPU autocast, but the target dtype is not supported")  # the pipeline's
@pytest.mark.parametrize(
    ("sampler", "strength"), [*((sampler, 0.7) for sampler in COMPARED), (Sampler.EULER, 1.0)]
)
def test_a_picture_over_its_estimated_depth_equals_the_pipelines(
    model: StableDiffusion,
    parts: dict[str, Any],
    ask: Ask,
    picture: Image.Image,
    sampler: Sampler,
    strength: float,
) -> None:
    request = over(ask, sampler=sampler, strength=strength)
    (ours,) = drawn(model, start(model, request, picture))
    assert np.abs(ours - by_diffusers(parts, request, picture)).max() <= 1e-4


@pytest.mark.parametrize("guidance_scale", [7.5, 1.0])
def test_a_picture_over_a_given_depth_equals_the_pipelines(
    model: StableDiffusion,
    parts: dict[str, Any],
    ask: Ask,
    picture: Image.Image,
    depth: Image.Image,
    guidance_scale: float,
) -> None:
    request = over(ask, guidance_scale=guidance_scale)
    (ours,) = drawn(model, start(model, request, picture, depth))
    assert np.abs(ours - by_diffusers(parts, request, picture, depth)).max() <= 1e-4


def test_the_depth_changes_the_picture(
    model: StableDiffusion, ask: Ask, picture: Image.Image, depth: Image.Image
) -> None:
    other = depth.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    one, two = (drawn(model, start(model, over(ask), picture, each))[0] for each in (depth, other))
    assert np.abs(one - two).max() > 1e-3


def test_depth_alone_starts_from_noise(model: StableDiffusion, ask: Ask, depth: Image.Image) -> None:
    request = over(ask, strength=1.0)
    image = start(model, request, None, depth)
    noise = torch.randn((1, 4, 8, 8), generator=torch.Generator("cpu").manual_seed(request.seed))
    assert torch.equal(image.latents, noise * image.scheduler.init_noise_sigma)
    assert image.steps == request.steps
    assert np.isfinite(drawn(model, image)[0]).all()


def test_depth_fills_the_size_as_the_picture_does_and_near_is_white(
    model: StableDiffusion, ask: Ask, depth: Image.Image
) -> None:
    large = depth.resize((256, 256), Image.Resampling.NEAREST)
    request = over(ask, width=64, height=128)
    cells = depth_cells(model, request, None, large)
    assert cells.shape == (1, 1, 16, 8)
    assert [float(cells.min()), float(cells.max())] == [-1, 1]
    assert cells[0, 0, 5, 6] > 0.9  # in the disc
    assert cells[0, 0, 14, 1] < -0.9


def test_a_flat_depth_is_flat_and_no_division_by_zero(
    model: StableDiffusion, ask: Ask, picture: Image.Image
) -> None:
    wall = Image.new("L", (64, 64), 77)
    assert depth_cells(model, over(ask), picture, wall).count_nonzero() == 0
    (ours,) = drawn(model, start(model, over(ask), picture, wall))
    assert np.isfinite(ours).all()


def test_an_estimator_that_finds_no_number_is_told_and_draws_nothing() -> None:
    with pytest.raises(NotANumber):
        normalised(torch.tensor([[[[1.0, float("nan")]]]]))


def test_pictures_over_different_depths_share_ticks_without_touching_each_other(
    model: StableDiffusion, ask: Ask, picture: Image.Image, depth: Image.Image
) -> None:
    requests = [
        (over(ask, seed=1, steps=4, sampler=Sampler.EULER_A), picture, None),
        (over(ask, seed=2, steps=7, strength=0.5), picture, depth),
        (over(ask, seed=3, steps=5, guidance_scale=1.0, strength=1.0), None, depth),
    ]
    together = drawn(model, *(start(model, *each) for each in requests))
    for ours, each in zip(together, requests, strict=True):
        (alone,) = drawn(model, start(model, *each))
        assert np.abs(ours - alone).max() <= 1e-4


@pytest.mark.parametrize("task", [Task.DEPTH2IMG, Task.IMG2IMG])
def test_a_job_estimates_the_depth_once_for_all_its_pictures(
    model: StableDiffusion, ask: Ask, picture: Image.Image, tmp_path: Path, task: Task
) -> None:
    picture.save(tmp_path / "input.png")
    request = over(ask, count=3, task=task)
    command = Start(job="job", request=request, input=tmp_path / "input.png", folder=tmp_path)
    encode = functools.partial(model.prompts.encode, request.prompt, "", guided=True)
    images = start_images(model, command, [encode() for _ in range(3)])
    assert len({id(image.shown) for image in images}) == 1
    expected = start(model, request, picture)
    assert expected.shown is not None
    assert images[0].shown is not None
    assert torch.equal(images[0].shown, expected.shown)
    assert torch.equal(images[0].latents, expected.latents)
