"""Pictures without a seam, and that nobody else notices."""

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from engine.errors import Refusal
from engine.images.infotext import infotext, parse
from engine.models.loading import StableDiffusion
from engine.prompts.conditioning import Conditioning
from engine.tasks.hires import second_pass
from engine.tasks.image_to_image import start_image_to_image
from engine.tasks.text_to_image import start_text_to_image
from engine.validation import validate
from engine.wire import GenerationRequest, Seamless, Task
from engine.worker.batching import RowCap
from engine.worker.flight import ImageInFlight
from engine.worker.pixels import decode_latents
from engine.worker.seamless import cropped, seamless, wrapped
from engine.worker.step_loop import StepLoop
from tests.engine.test_validation import capabilities
from tests.engine.worker.equality import decoded_by

Ask = Callable[..., GenerationRequest]
Pixels = npt.NDArray[np.uint8]
SMOOTH = 1.5  # times the step between neighbours inside that the one over the edge may be


def words(model: StableDiffusion, request: GenerationRequest) -> Conditioning:
    return model.prompts.encode(request.prompt, request.negative_prompt, guided=True)


def start(model: StableDiffusion, request: GenerationRequest, job: str = "job") -> ImageInFlight:
    conditioning = words(model, request)
    return start_text_to_image(model.with_tiling(request.tiling), job, request, 0, conditioning)


def drawn(model: StableDiffusion, *images: ImageInFlight, cap: int = 8) -> list[Pixels]:
    loop = StepLoop(model=model, cap=RowCap(fixed=cap))
    for image in images:
        loop.join(image)
    while loop.images:
        tick = loop.tick()
        assert not tick.failed
    return [decoded_by(loop, image) for image in images]


def seam(pixels: npt.NDArray[Any], axis: int) -> float:
    """The step over the edge, in mean steps between neighbours inside."""
    values = np.moveaxis(pixels.astype(float), axis, 0)
    inside = np.abs(np.diff(values, axis=0)).mean()
    return float(np.abs(values[0] - values[-1]).mean() / inside)


def test_convolutions_see_the_opposite_edge_as_torchs_circular_ones_do() -> None:
    picture = torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(1))
    for stride, padding in ((1, 1), (2, 1), (1, (2, 0))):
        plain = nn.Conv2d(3, 2, 3, stride, padding)
        circular = nn.Conv2d(3, 2, 3, stride, padding, padding_mode="circular")
        circular.load_state_dict(plain.state_dict())
        with seamless(Seamless.BOTH):
            torch.testing.assert_close(plain(picture), circular(picture))
        assert not torch.allclose(plain(picture), circular(picture))  # outside of the block it is as it was


def test_along_one_axis_the_other_keeps_its_zeros() -> None:
    plain = nn.Conv2d(1, 1, 3, padding=1)
    picture = torch.rand(1, 1, 5, 5, generator=torch.Generator().manual_seed(1))
    with seamless(Seamless.X):
        along = plain(picture)
    expected = functional.pad(picture, (1, 1, 0, 0), mode="circular")
    expected = functional.conv2d(functional.pad(expected, (0, 0, 1, 1)), plain.weight, plain.bias)
    torch.testing.assert_close(along, expected)


def test_what_was_wrapped_is_cropped_to_itself() -> None:
    picture = torch.rand(1, 2, 6, 9)
    for axes in Seamless:
        assert torch.equal(cropped(wrapped(picture, axes, (3,) * 4), axes, 3), picture)


@pytest.mark.parametrize("axes", list(Seamless))
def test_a_picture_can_be_moved_around_the_edges_that_are_seamless(
    model: StableDiffusion, ask: Ask, axes: Seamless
) -> None:
    """Noise that is rolled draws the same picture, rolled: for the network there is no edge. Elsewhere there is."""
    request = ask(tiling=axes, steps=2)
    for dimension, along in ((3, axes.across), (2, axes.down)):
        plain, rolled = start(model, request), start(model, request)
        rolled.latents = torch.roll(rolled.latents, 4, dims=dimension)
        one, other = drawn(model, plain, rolled)
        moved = np.roll(one, 4 * model.vae_factor, axis=1 if dimension == 3 else 0)
        difference = np.abs(moved.astype(int) - other.astype(int)).max()
        assert (difference <= 1) == along, (dimension, difference)


def test_the_step_over_the_edge_is_like_those_inside(model: StableDiffusion, ask: Ask) -> None:
    (picture,) = drawn(model, start(model, ask(tiling=True)))
    assert max(seam(picture, axis) for axis in (0, 1)) < SMOOTH


def test_what_is_smooth_around_the_edge_is_decoded_so(model: StableDiffusion) -> None:
    waves = torch.cos(torch.arange(16) / 16 * 2 * torch.pi).expand(1, 4, 8, 16)
    assert seam(decode_latents(model.with_tiling(Seamless.X), waves), 1) < SMOOTH
    assert seam(decode_latents(model, waves), 1) > SMOOTH


def test_in_tiles_the_autoencoder_leaves_no_seam_at_the_edge(model: StableDiffusion, ask: Ask) -> None:
    image = start(model, ask(width=128, height=64, tiling="x", steps=1))
    tiling = model.with_tiling(Seamless.X)
    whole = decode_latents(tiling, image.latents)
    model.vae.tile_latent_min_size, model.vae.tile_sample_min_size = 8, 8 * model.vae_factor
    model.vae.enable_tiling()
    try:
        parts = decode_latents(tiling, image.latents)
    finally:
        model.vae.disable_tiling()
    assert parts.shape == whole.shape
    assert seam(parts, 1) < SMOOTH


def test_others_in_flight_draw_the_bits_that_they_draw_alone(model: StableDiffusion, ask: Ask) -> None:
    alone = drawn(model, start(model, ask(seed=5)))[0]
    tiled_alone = drawn(model, start(model, ask(seed=6, tiling=True)))[0]
    mixed = drawn(model, start(model, ask(seed=6, tiling=True), "a"), start(model, ask(seed=5), "b"))
    assert np.array_equal(mixed[1], alone)
    assert np.array_equal(mixed[0], tiled_alone)
    assert start(model, ask(tiling=True)).key != start(model, ask()).key
    assert start(model, ask(tiling="x")).key != start(model, ask(tiling="y")).key


def test_a_picture_to_start_from_is_seen_around_its_edges(model: StableDiffusion, ask: Ask) -> None:
    request = ask(task=Task.IMG2IMG, strength=0.5, tiling=True)
    photo = Image.fromarray(np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    around = start_image_to_image(
        model.with_tiling(request.tiling), "job", request, 0, words(model, request), photo
    )
    plain = start_image_to_image(model, "job", request, 0, words(model, request), photo)
    assert (around.seamless, plain.seamless) == (Seamless.BOTH, Seamless.NONE)
    assert not torch.equal(around.latents, plain.latents)


def test_the_second_pass_is_seamless_too(model: StableDiffusion, ask: Ask) -> None:
    request = ask(tiling=True, hires={"scale": 2, "upscaler": "latent", "steps": 2}, steps=2)
    image = start(model, request)
    assert image.hires is not None
    drawn(model, image)
    work = second_pass(model.with_tiling(request.tiling), request, image.hires, image, _no_pixels)
    with pytest.raises(StopIteration) as end:
        next(work)
    again = end.value.value
    assert again.seamless is Seamless.BOTH
    assert seam(drawn(model, again)[0], 1) < SMOOTH


def _no_pixels(*_: Any) -> Generator[Any, None, Any]:
    raise AssertionError
    yield


def test_a_job_says_tiling_as_a1111_does_and_reads_it_back(ask: Ask) -> None:
    for said, settings in (
        (True, {"Tiling": "True"}),
        ("y", {"Tiling": "True", "Tiling axes": "y"}),
        (False, {}),
    ):
        text = infotext(ask(tiling=said), seed=1, model_hash="ab", version="1")
        recipe = parse(text)
        assert recipe is not None
        assert {key: value for key, value in recipe.settings.items() if "Tiling" in key} == settings
    assert ", RNG: CPU, Tiling: True, Version" in infotext(
        ask(tiling=True), seed=1, model_hash="ab", version="1"
    )


def test_where_edges_belong_to_a_picture_that_is_there_it_is_refused(ask: Ask) -> None:
    request = ask(task=Task.INPAINT, strength=0.5, tiling="both", model="anime", guidance_scale=7.0)
    everything = capabilities()
    model = everything.models[0].model_copy(update={"tasks": tuple(Task)})
    everything = everything.model_copy(update={"models": (model,)})
    with pytest.raises(Refusal, match="tiling belongs to txt2img, img2img, depth2img; the task was inpaint"):
        validate(request, everything, has_image=True, has_mask=True)
