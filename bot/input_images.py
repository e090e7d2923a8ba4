"""A person's picture, checked and as an upright RGB PNG.

What can be wrong with it is told in one fixed sentence each; Pillow's own words stay out.
"""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageOps

from bot.errors import Refused
from engine.wire import INPUT_FORMATS, Limits

_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")

EMPTY = "the file is empty."
FORMAT = "only PNG, JPEG and WEBP can be read"
_OTHERS = {  # formats that people do send: how their files begin, from which byte on
    "a GIF": (0, (b"GIF8",)),
    "a TIFF": (0, (b"II*\0", b"MM\0*")),
    "a BMP": (0, (b"BM",)),
    "an SVG": (0, (b"<svg", b"<?xml")),
    "a PDF": (0, (b"%PDF",)),
    "a HEIC, as iPhones take photos": (8, (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1")),
    "an AVIF": (8, (b"avif", b"avis")),
    "a video": (4, (b"ftyp",)),
}
DAMAGED = "the file is damaged or cut short."
ANIMATED = "it is an animation; send a still picture."


@dataclass(frozen=True, kw_only=True)
class InputImage:
    """A picture to start from: RGB, upright, encoded as PNG; `size` is (width, height) in pixels."""

    png: bytes
    size: tuple[int, int]


def check_bytes(size: int, limits: Limits, *, field: str = "image") -> None:
    """Raises Refused where a file of `size` bytes is empty or over the limit."""
    if size == 0:
        raise Refused(f"{field}: {EMPTY}")
    if size > limits.input_bytes:
        most, mebibytes = limits.input_bytes / 2**20, size / 2**20
        raise Refused(f"{field}: the file must be at most {most:g} MiB; it was {mebibytes:.1f} MiB.")


def normalise(data: bytes, limits: Limits, *, keep_size: bool = False) -> InputImage:
    """Decode, turn upright, flatten to RGB and shrink to the largest side the engine draws. Raises Refused.

    With `keep_size` it is not shrunk: the result shall have its own pixels. Blocks: call it in a thread.
    """
    flat = opened(data, limits, _flatten)
    if not keep_size:
        flat.thumbnail((limits.max_side, limits.max_side))
    return InputImage(png=png(flat), size=flat.size)


def opened(
    data: bytes, limits: Limits, convert: Callable[[Image.Image], Image.Image], *, field: str = "image"
) -> Image.Image:
    """A still picture, upright and converted. Raises Refused.

    Formats are an allow-list, and the pixels are counted before any are decoded. Blocks: call it in a thread.
    """
    check_bytes(len(data), limits, field=field)
    try:
        image = Image.open(io.BytesIO(data), formats=INPUT_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Refused(f"{field}: it must be at most {_megapixels(limits)}.") from None
    except Exception:  # Pillow's decoders raise nearly anything on bytes made to break them
        raise Refused(f"{field}: {DAMAGED if data.startswith(_SIGNATURES) else _other(data)}") from None
    with image:
        _check_still(image, limits, field)
        try:
            image.load()
            return convert(ImageOps.exif_transpose(image))
        except Exception:  # as above
            raise Refused(f"{field}: {DAMAGED}") from None


def _other(data: bytes) -> str:
    kinds = (kind for kind, (start, first) in _OTHERS.items() if data.startswith(first, start))
    found = next(kinds, None)
    return f"{FORMAT}; it was {found}." if found else f"{FORMAT}."


def png(image: Image.Image) -> bytes:
    """The picture as a file. Blocks: call it in a thread."""
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _check_still(image: Image.Image, limits: Limits, field: str) -> None:
    width, height = image.size
    if width * height > limits.input_pixels:
        raise Refused(f"{field}: it must be at most {_megapixels(limits)}; it was {width} x {height} pixels.")
    # Shrunk to what the engine takes, a strip of pixels must still be one.
    shrunk = min(1.0, limits.max_side / max(width, height, 1))
    least = math.ceil(limits.input_side / shrunk)
    if min(width, height) < least:
        raise Refused(
            f"{field}: its shorter side must have at least {least} pixels; it was {width} x {height} pixels."
        )
    # A JPEG of several frames is a phone's photo with a depth map or a gain map, not an animation.
    if image.format in {"PNG", "WEBP"} and getattr(image, "is_animated", False):
        raise Refused(f"{field}: {ANIMATED}")


def _megapixels(limits: Limits) -> str:
    return f"{limits.input_pixels / 2**20:g} megapixels"


def _flatten(image: Image.Image) -> Image.Image:
    """RGB, with transparency over white."""
    if image.mode.startswith("I"):  # 16 bits per pixel, which convert() would clip to white
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")
