"""The invisible watermark, judged by the library whose method it is."""

import hashlib
import io

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from engine.images.watermark import HISTORIC, Mark, Method, WatermarkLost, embed, find
from tests.engine.images import library_watermark as library
from tests.engine.images.library_watermark import picture

OURS = Mark("DRKROM")

# SHA-256 of the pixels that invisible-watermark 0.2.0 itself made of `picture(side)`, with OpenCV 5.0
MADE_BY_THE_LIBRARY = {
    (256, "DRKROM", "dwtDctSvd"): "80f0337e42168d8350f4ed30bc2dfa7d2f3a2423d234b582e22000685189ad15",
    (512, "StableDiffusionV1", "dwtDct"): "835ccc0bbb355c4246d968cd6852db567c641d00631ccd8b2b37e362a4a58b82",
    (512, "SDV2", "dwtDct"): "f85ae0c1556aa45112bc37d353587613631d4f9df223d515209bff4f8df9387a",
}


def again(pixels: npt.NDArray[np.uint8], kind: str, **options: object) -> npt.NDArray[np.uint8]:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return np.asarray(Image.open(stream).convert("RGB"))


def noise_in_decibels(marked: npt.NDArray[np.uint8], original: npt.NDArray[np.uint8]) -> float:
    return float(10 * np.log10(255**2 / np.mean((marked.astype(float) - original) ** 2)))


@pytest.mark.parametrize(("side", "text", "method"), MADE_BY_THE_LIBRARY)
def test_the_judge_makes_what_the_library_makes_to_the_last_bit(side: int, text: str, method: str) -> None:
    made = library.encode(picture(side), text.encode(), method)
    assert hashlib.sha256(made.tobytes()).hexdigest() == MADE_BY_THE_LIBRARY[side, text, method]


@pytest.mark.parametrize(("side", "text", "method"), MADE_BY_THE_LIBRARY)
def test_what_the_library_wrote_is_found(side: int, text: str, method: str) -> None:
    made = library.encode(picture(side), text.encode(), method)
    (found,) = find(made, [OURS, *HISTORIC])
    assert (found.text, found.method) == (text, method)


def test_the_mark_of_sdxl_in_diffusers_is_found() -> None:
    sdxl = next(mark for mark in HISTORIC if mark.text == "Stable Diffusion XL")
    made = library.encode(picture(512), sdxl.message, "dwtDct")
    assert [found.text for found in find(made, [OURS, *HISTORIC])] == ["Stable Diffusion XL"]


def test_the_library_reads_what_we_write() -> None:
    bits = library.decode(embed(picture(256), "DRKROM"), 48, "dwtDctSvd")
    assert np.packbits(bits).tobytes() == b"DRKROM"


def test_the_mark_costs_less_quality_than_the_librarys() -> None:
    original = picture(256)
    ours = noise_in_decibels(embed(original, "DRKROM"), original)
    theirs = noise_in_decibels(library.encode(original, b"DRKROM", "dwtDctSvd"), original)
    assert ours > 40 > theirs


@pytest.mark.parametrize(("width", "height"), [(256, 256), (512, 512), (768, 512), (256, 264), (1024, 64)])
@pytest.mark.parametrize(
    ("kind", "options"),
    [("PNG", {}), ("JPEG", {"quality": 90}), ("JPEG", {"quality": 75}), ("WEBP", {"quality": 80})],
)
def test_the_mark_survives_being_written(
    width: int, height: int, kind: str, options: dict[str, object]
) -> None:
    marked = embed(picture(max(width, height))[:height, :width], "DRKROM")
    assert [found.text for found in find(again(marked, kind, **options), [OURS])] == ["DRKROM"]


def test_the_given_pixels_stay_as_they_are() -> None:
    pixels = picture(256)
    embed(pixels, "DRKROM")
    assert np.array_equal(pixels, picture(256))


def test_a_picture_below_256_by_256_pixels_is_too_small() -> None:
    with pytest.raises(WatermarkLost, match="needs 256 × 256 pixels; the picture has 256 × 248"):
        embed(picture(256)[:248], "DRKROM")
    assert find(picture(248), [OURS]) == []


def test_pure_white_has_no_room_for_a_mark() -> None:
    with pytest.raises(WatermarkLost, match="no room"):
        embed(np.full((256, 256, 3), 255, np.uint8), "DRKROM")


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_found_in_a_picture_without_a_mark(seed: int) -> None:
    assert find(picture(256, seed), [OURS, *HISTORIC]) == []


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_nothing_is_found_in_a_plain_colour(shade: int) -> None:
    assert find(np.full((256, 256, 3), shade, np.uint8), [OURS, *HISTORIC]) == []


def test_another_text_is_not_ours() -> None:
    assert find(embed(picture(256), "MORKRD"), [OURS]) == []


def test_a_found_mark_says_how_sure_it_is() -> None:
    (found,) = find(embed(picture(256), "DRKROM"), [OURS])
    assert (found.text, found.method, found.right, found.bits) == ("DRKROM", Method.DWT_DCT_SVD, 48, 48)
