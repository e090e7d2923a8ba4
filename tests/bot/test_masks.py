"""A mask as people make it becomes black and white of the picture's size, or one sentence."""

import io

import pytest
from PIL import Image

from bot.errors import Refused
from bot.masks import mask_png
from engine.wire import Limits


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def made(image: Image.Image, size: tuple[int, int] = (64, 48), kind: str = "PNG") -> Image.Image:
    mask = Image.open(io.BytesIO(mask_png(encoded(image, kind), size, Limits())))
    assert (mask.format, mask.mode, mask.size) == ("PNG", "L", size)
    assert set(mask.tobytes()) <= {0, 255}
    return mask


def half(mode: str, size: tuple[int, int], left: object, right: object) -> Image.Image:
    image = Image.new(mode, size, left)  # type: ignore[arg-type]  # a colour of the mode
    image.paste(right, (size[0] // 2, 0, *size))  # type: ignore[arg-type]
    return image


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_white_is_drawn_anew_whatever_the_format(kind: str) -> None:
    mask = made(half("RGB", (128, 96), "black", "white"), kind=kind)
    assert (mask.getpixel((2, 2)), mask.getpixel((62, 2))) == (0, 255)


def test_a_hole_in_the_picture_is_drawn_anew() -> None:
    mask = made(half("RGBA", (64, 48), (255, 255, 255, 255), (255, 0, 0, 0)))
    assert (mask.getpixel((2, 2)), mask.getpixel((62, 2))) == (0, 255)


def test_a_mask_of_the_same_shape_gets_the_pictures_size() -> None:
    assert made(half("L", (641, 480), 0, 255)).getbbox() == (32, 0, 64, 48)


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (
            Image.new("L", (48, 64), 255),
            "mask: it must have the shape of the image, 64 x 48; it was 48 x 64.",
        ),
        (Image.new("L", (64, 48), 0), "mask: it is black everywhere; paint white what is to be drawn anew."),
        (
            Image.new("RGBA", (64, 48), (0, 0, 0, 255)),
            "mask: it is black everywhere; paint white what is to be drawn anew.",
        ),
    ],
)
def test_what_is_no_mask_is_one_sentence(image: Image.Image, sentence: str) -> None:
    with pytest.raises(Refused) as refused:
        mask_png(encoded(image), (64, 48), Limits())
    assert str(refused.value) == sentence


def test_a_file_that_is_no_picture_is_named_as_the_mask() -> None:
    with pytest.raises(Refused, match=r"^mask: only PNG, JPEG and WEBP can be read\.$"):
        mask_png(b"hello", (64, 48), Limits())
