"""The ×4 upscaler is judged by diffusers, and its tiles by their seams."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from diffusers import StableDiffusionUpscalePipeline
from PIL import Image

from engine.frames import Failed, Finished, Stop
from engine.models.card import Card
from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.tasks.upscale import start_upscale
from engine.wire import Crop, GenerationRequest, Sampler, Schedule, Task, upscaled_size
from engine.worker.batching import RowCap
from engine.worker.device import Device
from engine.worker.flight import ImageInFlight
from engine.worker.step_loop import StepLoop
from tests.engine.tiny_upscaler import make_tiny_upscaler
from tests.engine.worker.equality import Reals, decoded_by, drawn, plain_scheduler, run, told
from tests.engine.worker.test_process import DEADLINE_S, Front

Ask = Callable[..., GenerationRequest]

COMPARED = (Sampler.EULER, Sampler.EULER_A, Sampler.DPMPP_2M, Sampler.DDIM)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "x4"
    make_tiny_upscaler(folder)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path, exact: Device) -> StableDiffusion:
    return load_stable_diffusion("x4", folder, exact)


@pytest.fixture(scope="module")
def parts(folder: Path) -> dict[str, Any]:
    """The pipeline's parts, loaded by diffusers and independently of the engine."""
    return dict(StableDiffusionUpscalePipeline.from_pretrained(folder, dtype=torch.float32).components)


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return gradient(40, 32)


def gradient(width: int, height: int) -> Image.Image:
    across = np.tile(np.linspace(0, 255, width), (height, 1))
    down = np.tile(np.linspace(0, 255, height), (width, 1)).T
    return Image.fromarray(np.stack([across, down, np.full_like(across, 90)], -1).astype(np.uint8))


def enlarge(ask: Ask, **changes: object) -> GenerationRequest:
    return ask(**({"task": Task.UPSCALE, "schedule": Schedule.NORMAL, "guidance_scale": 9.0} | changes))


def start(
    model: StableDiffusion, request: GenerationRequest, picture: Image.Image, max_tile: int = 512
) -> ImageInFlight:
    conditioning = model.prompts.encode(
        request.prompt, request.negative_prompt, guided=request.guidance_scale > 1
    )
    return start_upscale(model, f"job-{request.seed}", request, 0, conditioning, picture, max_tile=max_tile)


def by_diffusers(parts: dict[str, Any], request: GenerationRequest, picture: Image.Image) -> Reals:
    scheduler = plain_scheduler(request.sampler, parts["scheduler"])
    pipeline = StableDiffusionUpscalePipeline(**(parts | {"scheduler": scheduler}))
    pipeline.set_progress_bar_config(disable=True)
    pixels = pipeline(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        image=picture,
        noise_level=request.noise_level,
        **told(request),
        output_type="np",
    ).images[0]
    return np.asarray(pixels)


@pytest.mark.parametrize(
    ("sampler", "noise_level"),
    [*((sampler, 20) for sampler in COMPARED), (Sampler.EULER, 0), (Sampler.EULER, 350)],
)
def test_an_enlarged_picture_equals_the_pipelines(
    model: StableDiffusion,
    parts: dict[str, Any],
    ask: Ask,
    picture: Image.Image,
    sampler: Sampler,
    noise_level: int,
) -> None:
    request = enlarge(ask, sampler=sampler, noise_level=noise_level)
    (ours,) = drawn(model, start(model, request, picture))
    assert ours.shape == (128, 160, 3)
    assert np.abs(ours - by_diffusers(parts, request, picture)).max() <= 1e-4


def test_without_guidance_it_equals_the_pipelines(
    model: StableDiffusion, parts: dict[str, Any], ask: Ask, picture: Image.Image
) -> None:
    request = enlarge(ask, guidance_scale=1.0)
    (ours,) = drawn(model, start(model, request, picture))
    assert np.abs(ours - by_diffusers(parts, request, picture)).max() <= 1e-4


@pytest.mark.parametrize("change", [{"negative_prompt": "sharp"}, {"prompt": "a bird"}, {"noise_level": 300}])
def test_words_and_noise_level_change_the_picture(
    model: StableDiffusion, ask: Ask, picture: Image.Image, change: dict[str, Any]
) -> None:
    one, two = (drawn(model, start(model, enlarge(ask, **each), picture))[0] for each in ({}, change))
    assert np.abs(one - two).max() > 1e-3


def test_the_result_is_four_times_as_large_to_the_pixel_whatever_the_size(
    model: StableDiffusion, ask: Ask
) -> None:
    image = start(model, enlarge(ask, steps=2), gradient(33, 21))
    run(model, image)
    assert decoded_by(StepLoop(model=model, cap=RowCap()), image).shape == (84, 132, 3)


def test_each_row_has_its_own_noise_level(model: StableDiffusion, ask: Ask, picture: Image.Image) -> None:
    requests = [
        enlarge(ask, seed=1, steps=4, noise_level=0),
        enlarge(ask, seed=2, steps=6, noise_level=350, sampler=Sampler.DDIM),
        enlarge(ask, seed=3, steps=5, noise_level=90, guidance_scale=1.0),
    ]
    together = drawn(model, *(start(model, each, picture) for each in requests))
    for ours, request in zip(together, requests, strict=True):
        (alone,) = drawn(model, start(model, request, picture))
        assert np.abs(ours - alone).max() <= 1e-4


def test_beyond_the_longest_tile_a_picture_is_drawn_in_tiles_and_up_to_it_whole(
    model: StableDiffusion, ask: Ask
) -> None:
    request = enlarge(ask, steps=3)
    whole = start(model, request, gradient(128, 16), max_tile=128)
    assert whole.tiling is None
    assert run(model, whole) == 3
    tiled = start(model, request, gradient(136, 16), max_tile=128)
    assert tiled.tiling is not None
    assert len(tiled.tiling.corners) == 2
    assert tiled.left == 2 * 6
    assert tiled.model_input().shape[2:] == tiled.tiling.tile == (16, 104)
    assert run(model, tiled) == 6
    assert tiled.position == tiled.steps == 3


def test_tiles_of_several_pictures_share_ticks_without_touching_each_other(
    model: StableDiffusion, ask: Ask
) -> None:
    pictures = [gradient(136, 16), gradient(136, 16).transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    requests = [enlarge(ask, seed=1, steps=2), enlarge(ask, seed=2, steps=3, noise_level=200)]
    pairs = list(zip(requests, pictures, strict=True))
    images = [start(model, *pair, max_tile=128) for pair in pairs]
    assert run(model, *images) == 6
    for image, pair in zip(images, pairs, strict=True):
        alone = start(model, *pair, max_tile=128)
        run(model, alone)
        torch.testing.assert_close(image.latents, alone.latents, atol=1e-4, rtol=0)


def steps_between_columns(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """How much each column of pixels differs from its left neighbour, on average."""
    across: npt.NDArray[np.float64] = np.abs(np.diff(pixels.astype(np.float64), axis=1)).mean(axis=(0, 2))
    return across


def test_a_picture_drawn_in_tiles_has_no_seams(model: StableDiffusion, ask: Ask) -> None:
    request = enlarge(ask, steps=4, guidance_scale=3.0)
    image = start(model, request, gradient(232, 16), max_tile=128)
    run(model, image)
    tiling = image.tiling
    assert tiling is not None
    edges = {left for _, left in tiling.corners if left} | {
        left + tiling.tile[1] for _, left in tiling.corners if left + tiling.tile[1] < 232
    }
    assert len(edges) == 4
    steps = steps_between_columns(decoded_by(StepLoop(model=model, cap=RowCap()), image))
    at_edges = [steps[4 * edge - 1] for edge in edges]
    ordinary = np.percentile(steps, 99)
    assert max(at_edges) <= ordinary


@pytest.mark.parametrize("size", [(33, 21), (520, 8)])
def test_a_job_is_written_four_times_as_large_as_its_picture(
    model: StableDiffusion, ask: Ask, tmp_path: Path, size: tuple[int, int]
) -> None:
    front = Front(tmp_path, model)
    front.thread.start()
    gradient(*size).save(tmp_path / "input.png")
    width, height = upscaled_size(size)
    request = enlarge(ask, model=model.name, steps=1, width=width, height=height)
    front.start("job", request, tmp_path / "input.png")
    finished = front.until(Finished, Failed)
    front.inbox.put(Stop())
    front.thread.join(DEADLINE_S)
    assert isinstance(finished, Finished)
    (image,) = finished.images
    assert (image.width, image.height) == (4 * size[0], 4 * size[1])
    assert "Upscaled by: 4, Noise level: 20" in image.infotext
    with Image.open(tmp_path / "job" / "0.png") as written:
        assert written.size == (image.width, image.height)


@pytest.mark.parametrize("post", [(), (Crop(width=160, height=64),)])
def test_where_the_models_card_says_so_the_result_has_the_small_pictures_colours(
    model: StableDiffusion, ask: Ask, tmp_path: Path, post: tuple[Crop, ...]
) -> None:
    front = Front(tmp_path, replace(model, card=Card(keeps_colours=True)))
    front.thread.start()
    picture = gradient(40, 24)
    picture.save(tmp_path / "input.png")
    request = enlarge(ask, model=model.name, steps=1, width=160, height=96, post=post)
    front.start("job", request, tmp_path / "input.png")
    finished = front.until(Finished, Failed)
    front.inbox.put(Stop())
    front.thread.join(DEADLINE_S)
    assert isinstance(finished, Finished)
    with Image.open(tmp_path / "job" / "0.png") as written:
        small = np.asarray(written.convert("RGB").reduce(16)).astype(float)
    coarse = np.asarray(picture.reduce(4)).astype(float)[: len(small)]
    assert np.abs(small - coarse).mean() < 4  # what an untrained network draws has other colours


def test_another_models_result_is_as_it_was_drawn(model: StableDiffusion, ask: Ask) -> None:
    assert start(model, enlarge(ask), gradient(40, 24)).canvas is None
