"""What is done to a finished picture without a network."""

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageFilter

from engine.images.filters import denoised, filtered
from engine.wire import Colour, Crop, Denoise, PostStep, Resize, Resizing, Sharpen, Upscale

Pixels = npt.NDArray[np.uint8]


@pytest.fixture
def photo() -> Pixels:
    return np.random.default_rng(5).integers(0, 256, (48, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "step",
    [
        Sharpen(amount=0),
        Denoise(strength=0),
        Colour(),
        Crop(width=64, height=48),
        Resize(width=64, height=48),
        Upscale(upscaler="lanczos", scale=1),
    ],
    ids=lambda step: step.type,
)
def test_a_step_that_asks_for_nothing_changes_nothing(photo: Pixels, step: PostStep) -> None:
    assert np.array_equal(filtered(step, photo), photo)


def test_sharpening_is_pillows_unsharp_mask(photo: Pixels) -> None:
    expected = Image.fromarray(photo).filter(ImageFilter.UnsharpMask(radius=2, percent=150, threshold=0))
    assert np.array_equal(filtered(Sharpen(amount=1.5, radius=2), photo), np.asarray(expected))


def test_denoising_smooths_what_is_flat_and_keeps_the_edge() -> None:
    noise = np.random.default_rng(2).normal(0, 6, (64, 64, 3))
    clean = np.full((64, 64, 3), 60.0)
    clean[:, 32:] = 190
    noisy = (clean + noise).clip(0, 255).round().astype(np.uint8)
    smooth = denoised(noisy, 0.3)
    assert smooth[8:56, 4:28].std() < 0.5 * noisy[8:56, 4:28].std()
    assert smooth[:, 33:].mean() - smooth[:, :31].mean() > 125
    assert smooth[:, 32].mean() - smooth[:, 31].mean() > 115  # no slope where the edge was


def test_denoising_leaves_an_even_picture_as_it_is() -> None:
    even = np.full((16, 16, 3), 77, np.uint8)
    assert np.array_equal(denoised(even, 1.0), even)


def test_colour_moves_what_it_says(photo: Pixels) -> None:
    grey = filtered(Colour(saturation=0), photo)
    assert np.ptp(grey.astype(int), axis=2).max() == 0
    assert filtered(Colour(brightness=0), photo).max() == 0
    assert filtered(Colour(contrast=0), photo).std() == 0
    warm, cold = filtered(Colour(temperature=1), photo), filtered(Colour(temperature=-1), photo)
    assert warm[..., 0].mean() > photo[..., 0].mean() > cold[..., 0].mean()
    assert warm[..., 2].mean() < photo[..., 2].mean() < cold[..., 2].mean()
    assert np.array_equal(warm[..., 1], photo[..., 1])


def test_a_crop_is_that_part(photo: Pixels) -> None:
    assert np.array_equal(filtered(Crop(x=3, y=5, width=20, height=30), photo), photo[5:35, 3:23])


@pytest.mark.parametrize(
    ("how", "size"), [(Resizing.STRETCH, (32, 32)), (Resizing.CROP, (32, 32)), (Resizing.FIT, (32, 24))]
)
def test_a_resize_fills_crops_or_fits(photo: Pixels, how: Resizing, size: tuple[int, int]) -> None:
    resized = filtered(Resize(width=32, height=32, how=how), photo)
    assert (resized.shape[1], resized.shape[0]) == size


def test_cropping_keeps_the_shape_of_things() -> None:
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, 40:] = 255
    cropped = filtered(Resize(width=40, height=40, how=Resizing.CROP), pixels)
    assert np.array_equal(cropped, pixels[:, 20:60])
