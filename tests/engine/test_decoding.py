import io
import struct
import zlib

import pytest
from PIL import Image

from engine.errors import Refusal
from engine.images.decoding import decode_input
from engine.wire import MAX_INPUT_BYTES


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    output = io.BytesIO()
    image.save(output, kind, **options)
    return output.getvalue()


def decoded(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(decode_input(data)))
    assert (image.format, image.mode) == ("PNG", "RGB")
    return image


def refusal(data: bytes) -> Refusal:
    with pytest.raises(Refusal) as caught:
        decode_input(data)
    assert "0x" not in str(caught.value)
    assert "BytesIO" not in str(caught.value)
    assert caught.value.body.field == "image"
    return caught.value


def bomb(width: int, height: int) -> bytes:
    """A small PNG that promises many pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_three_formats_become_rgb_png(kind: str) -> None:
    assert decoded(encoded(Image.new("RGB", (64, 48), "red"), kind)).size == (64, 48)


@pytest.mark.parametrize("mode", ["L", "P", "1", "LA", "RGBA", "I;16"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    assert decoded(encoded(Image.new(mode, (16, 16)))).size == (16, 16)


def test_cmyk_becomes_rgb() -> None:
    assert decoded(encoded(Image.new("CMYK", (16, 16)), "JPEG")).size == (16, 16)


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    assert decoded(encoded(Image.new("I;16", (16, 16), 257 * 100))).getpixel((0, 0)) == (100, 100, 100)


def test_transparency_shows_white() -> None:
    assert decoded(encoded(Image.new("RGBA", (16, 16), (255, 0, 0, 0)))).getpixel((0, 0)) == (255, 255, 255)


def test_a_rotated_photograph_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate 90° clockwise to show"
    assert decoded(encoded(Image.new("RGB", (64, 32)), "JPEG", exif=exif)).size == (32, 64)


def test_nothing_but_pixels_is_kept() -> None:
    data = encoded(Image.new("RGB", (16, 16)), "JPEG", comment=b"secret", icc_profile=b"secret")
    assert b"secret" not in decode_input(data)
    assert decoded(data).info == {}


def test_an_empty_image_is_refused() -> None:
    error = refusal(b"")
    assert (error.body.code, str(error)) == ("image_unreadable", "The input image is empty.")


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "BMP"])
def test_other_formats_are_refused(kind: str) -> None:
    error = refusal(encoded(Image.new("RGB", (16, 16)), kind))
    assert str(error) == "The input image is not a readable PNG, JPEG or WebP."


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_truncated_image_is_refused(kind: str) -> None:
    data = encoded(Image.effect_noise((64, 64), 50).convert("RGB"), kind)
    assert refusal(data[: len(data) // 2]).body.code == "image_unreadable"


def test_noise_is_refused() -> None:
    assert refusal(bytes(range(256)) * 10).body.code == "image_unreadable"


@pytest.mark.parametrize("side", [11_000, 20_000, 100_000])
def test_a_bomb_is_refused_before_it_is_decoded(side: int) -> None:
    error = refusal(bomb(side, side))
    assert error.body.code == "image_too_large"
    assert "16 megapixels" in str(error)


def test_a_picture_that_is_barely_too_large_is_not_said_to_be_as_large_as_it_may() -> None:
    assert "at most 16 megapixels; it was 4200 × 4000 (16.1 megapixels)" in str(refusal(bomb(4200, 4000)))


def test_too_many_bytes_are_refused_with_the_limit_and_the_size() -> None:
    error = refusal(bytes(MAX_INPUT_BYTES + 1))
    assert str(error) == "The input image must be at most 20 MiB; it was 20.0 MiB."


def test_an_animation_is_refused() -> None:
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    error = refusal(encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:]))
    assert str(error) == "The input image is animated; send a single picture."


def test_a_tiny_image_is_refused() -> None:
    assert "8 pixels a side; it was 4 × 16" in str(refusal(encoded(Image.new("RGB", (4, 16)))))


def test_a_phones_jpeg_with_a_second_picture_behind_it_is_a_picture() -> None:
    first, second = Image.new("RGB", (64, 48), "red"), Image.new("RGB", (32, 24), "blue")
    data = encoded(first, "MPO", save_all=True, append_images=[second])
    assert decoded(data).getpixel((9, 9))[0] > 200  # type: ignore[index]


@pytest.mark.parametrize("exif", [b"junk", b"MM\0*\0\0\0\x08\xff\xff", b"II*\0\xff\xff\xff\xff", b""])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, on what is odd
def test_a_picture_with_damaged_exif_stays_as_it_lies(kind: str, exif: bytes) -> None:
    assert decoded(encoded(Image.new("RGB", (64, 48)), kind, exif=b"Exif\0\0" + exif)).size == (64, 48)


def test_more_transparent_colours_than_there_are_is_damage() -> None:
    picture = Image.new("P", (16, 16))
    picture.putpalette([1, 2, 3, 4, 5, 6])
    data = encoded(picture, transparency=bytes(2))
    assert decoded(data).size == (16, 16)
    begin = data.index(b"tRNS") - 4
    told = b"tRNS" + bytes(300)
    more = struct.pack(">I", 300) + told + struct.pack(">I", zlib.crc32(told))
    refused = refusal(data[:begin] + more + data[begin + 14 :])
    assert refused.body.message == "The input image is damaged or cut off."
