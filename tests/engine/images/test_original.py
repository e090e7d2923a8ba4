"""What is drawn anew of a small picture gets its colours back, and keeps what was drawn into it."""

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from engine.images.original import MARGIN, Original

Pixels = npt.NDArray[np.uint8]


def blobs(width: int, height: int) -> Image.Image:
    """A soft picture of many colours."""
    random = np.random.default_rng(7)
    few = random.integers(90, 166, (5, 5, 3), np.uint8)
    return Image.fromarray(few).resize((width, height), Image.Resampling.BICUBIC)


def enlarged(picture: Image.Image) -> npt.NDArray[np.float64]:
    size = (4 * picture.width, 4 * picture.height)
    return np.asarray(picture.resize(size, Image.Resampling.BICUBIC)).astype(np.float64)


def as_pixels(values: npt.NDArray[np.float64]) -> Pixels:
    return values.clip(0, 255).round().astype(np.uint8)


def framed(drawn: Pixels) -> Pixels:
    """As it was drawn of the picture with its margin, where a network draws what it takes for an end."""
    wide = 4 * MARGIN
    return np.pad(drawn, ((wide, wide), (wide, wide), (0, 0)), constant_values=255)


def off(one: Pixels, other: npt.NDArray[np.float64]) -> float:
    return float(np.abs(one - other).mean())


@pytest.mark.parametrize("size", [(64, 48), (33, 21), (3, 2), (1, 1)])
def test_colours_that_were_drawn_too_strong_or_shifted_are_the_small_pictures(size: tuple[int, int]) -> None:
    picture = blobs(*size)
    right = enlarged(picture)
    wrong = as_pixels((right - 128) * 1.3 + [120, 128, 140])
    assert off(wrong, right) > 5
    assert off(Original(picture).finished(framed(wrong)), right) < 1.5


def test_a_coarse_difference_is_gone_and_a_fine_one_stays() -> None:
    picture = Image.new("RGB", (64, 64), (120, 120, 120))
    picture.paste((200, 200, 200), (32, 0, 64, 64))
    right = enlarged(picture)
    coarse, fine = np.zeros_like(right), np.zeros_like(right)
    coarse[:64, :64] = 20
    fine[::2] = 6
    finished = Original(picture).finished(framed(as_pixels(right + coarse + fine)))
    assert off(finished[:40, :40, :], right[:40, :40] + fine[:40, :40] - 3) < 1.5


def test_what_was_drawn_over_one_plain_colour_is_that_colour() -> None:
    plain = Image.new("RGB", (16, 16), "gold")
    drawn = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    assert (Original(plain).finished(framed(drawn)) == np.asarray(plain)[0, 0]).all()


def test_a_plain_drawing_gets_the_coarse_colours_and_nothing_divides_by_zero() -> None:
    picture = blobs(64, 64)
    finished = Original(picture).finished(framed(np.full((256, 256, 3), 128, np.uint8)))
    assert off(finished, enlarged(picture)) < 3


def test_it_says_how_large_the_result_is_and_that_no_pixel_is_kept() -> None:
    original = Original(blobs(33, 21))
    assert original.size == (132, 84)
    assert original.kept is None


def test_a_network_sees_more_than_the_picture_so_that_it_ends_nowhere_in_it() -> None:
    picture = blobs(33, 21)
    seen = np.asarray(Original(picture).seen)
    assert seen.shape == (21 + 2 * MARGIN, 33 + 2 * MARGIN, 3)
    assert (seen[MARGIN:-MARGIN, MARGIN:-MARGIN] == np.asarray(picture)).all()
    assert (seen[:MARGIN, MARGIN:-MARGIN] == np.asarray(picture)[0]).all()
