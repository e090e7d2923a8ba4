"""A person's picture becomes an upright RGB PNG, or one fixed sentence that says why not."""

import io
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bot import input_images
from bot.errors import Refused
from bot.input_images import InputImage, check_bytes, normalise
from engine.wire import Limits

LIMITS = Limits()


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def decoded(made: InputImage) -> Image.Image:
    image = Image.open(io.BytesIO(made.png))
    assert (image.format, image.mode, image.size) == ("PNG", "RGB", made.size)
    return image


def refusal(data: bytes, limits: Limits = LIMITS) -> str:
    with pytest.raises(Refused) as refused:
        normalise(data, limits)
    return str(refused.value)


def gradient(width: int = 64, height: int = 48) -> Image.Image:
    return Image.linear_gradient("L").resize((width, height)).convert("RGB")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_three_formats_become_rgb_png(kind: str) -> None:
    assert decoded(normalise(encoded(gradient(), kind), LIMITS)).size == (64, 48)


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "BMP"])
def test_every_other_format_is_refused_by_name(kind: str) -> None:
    assert refusal(encoded(gradient(), kind)) == f"image: {input_images.FORMAT}; it was a {kind}."


@pytest.mark.parametrize(
    ("begins", "what"),
    [
        (b"\0\0\0\x18ftypheic", "a HEIC, as iPhones take photos"),
        (b"\0\0\0\x20ftypavif", "an AVIF"),
        (b"\0\0\0\x20ftypmp42", "a video"),
        (b"<svg/>", "an SVG"),
        (b"%PDF-1.7", "a PDF"),
    ],
)
def test_what_people_send_instead_of_a_picture_is_named(begins: bytes, what: str) -> None:
    assert refusal(begins + b"\0" * 100) == f"image: {input_images.FORMAT}; it was {what}."


@pytest.mark.parametrize("data", [b"hello", b"\0" * 100, encoded(gradient(), "PPM")])
def test_what_nobody_knows_is_refused(data: bytes) -> None:
    assert refusal(data) == f"image: {input_images.FORMAT}."


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("part", [0.2, 0.5, 0.9])
def test_a_file_cut_short_is_refused(kind: str, part: float) -> None:
    noise = Image.effect_noise((200, 200), 80).convert("RGB")
    data = encoded(noise, kind)
    assert refusal(data[: int(len(data) * part)]) == f"image: {input_images.DAMAGED}"


def test_only_a_signature_is_a_damaged_file() -> None:
    assert refusal(b"\x89PNG\r\n\x1a\n") == f"image: {input_images.DAMAGED}"


def png_header(width: int, height: int) -> bytes:
    """A PNG that says it is large and holds nothing."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"")
    chunks = [header, data, b"IEND"]
    body = b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ((5000, 4000), "image: it must be at most 16 megapixels; it was 5000 x 4000 pixels."),
        ((12000, 10000), "image: it must be at most 16 megapixels."),  # where Pillow warns
        ((60000, 60000), "image: it must be at most 16 megapixels."),  # where Pillow refuses
    ],
)
def test_too_many_pixels_are_refused_before_any_is_decoded(size: tuple[int, int], said: str) -> None:
    assert refusal(png_header(*size)) == said


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_animation_is_refused(kind: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert refusal(data) == f"image: {input_images.ANIMATED}"


def test_a_phones_jpeg_of_several_frames_is_a_still_picture() -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "MPO", save_all=True, append_images=frames[1:])
    red, green, blue = decoded(normalise(data, LIMITS)).getpixel((8, 8))  # type: ignore[misc]  # an RGB image
    assert red > 200
    assert max(green, blue) < 60


def test_the_camera_orientation_is_applied() -> None:
    image = Image.new("RGB", (40, 20), "black")
    image.paste("white", (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° clockwise to be upright
    made = decoded(normalise(encoded(image, "JPEG", exif=exif, quality=95), LIMITS))
    assert made.size == (20, 40)
    column = made.convert("L").resize((1, 4)).tobytes()
    assert column[0] > 200  # the white half is on top
    assert column[3] < 60


def test_transparency_is_laid_over_white() -> None:
    made = decoded(normalise(encoded(Image.new("RGBA", (8, 8), (255, 0, 0, 0))), LIMITS))
    assert made.getpixel((4, 4)) == (255, 255, 255)


def test_a_palette_with_transparency_is_laid_over_white() -> None:
    image = Image.new("P", (8, 8), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    made = decoded(normalise(encoded(image, "PNG", transparency=0), LIMITS))
    assert made.getpixel((4, 4)) == (255, 255, 255)


def test_sixteen_bits_keep_their_greys() -> None:
    made = decoded(normalise(encoded(Image.new("I;16", (8, 8), 32768)), LIMITS))
    assert made.getpixel((4, 4)) == (128, 128, 128)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "CMYK"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    decoded(normalise(encoded(Image.new(mode, (8, 8)), kind), LIMITS))


def test_a_large_picture_is_shrunk_to_the_largest_side_that_is_drawn() -> None:
    assert normalise(encoded(gradient(3000, 1500), "JPEG"), LIMITS).size == (2048, 1024)


@pytest.mark.parametrize(("width", "height", "least"), [(1, 1, 8), (3, 300, 8), (9000, 20, 36)])
def test_a_strip_too_narrow_for_the_engine_is_refused_before_anything_is_queued(
    width: int, height: int, least: int
) -> None:
    said = f"image: its shorter side must have at least {least} pixels; it was {width} x {height} pixels."
    with pytest.raises(Refused, match=said):
        normalise(encoded(gradient(width, height)), LIMITS)


@given(st.binary(max_size=60), st.sampled_from(["PNG", "JPEG", "WEBP"]), st.integers(0, 400))
def test_whatever_the_bytes_are_there_is_a_picture_or_a_sentence(noise: bytes, kind: str, at: int) -> None:
    data = bytearray(encoded(gradient(32, 32), kind))
    data[at : at + len(noise)] = noise
    try:
        made = normalise(bytes(data), LIMITS)
    except Refused as refused:
        sentence = str(refused)
    else:
        sentence = f"image: {made.size[0]} pixels wide."
    assert sentence.startswith("image: ")
    assert sentence.endswith(".")


def test_an_empty_file_is_refused_before_it_is_read() -> None:
    with pytest.raises(Refused, match=r"^image: the file is empty\.$"):
        check_bytes(0, LIMITS)


def test_a_file_over_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(Refused, match=r"^image: the file must be at most 20 MiB; it was 31\.2 MiB\.$"):
        check_bytes(int(31.2 * 2**20), LIMITS)
