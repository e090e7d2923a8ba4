"""Input images: bytes from a stranger to a clean PNG, or a fixed sentence why not.

Every byte here is hostile until it is re-encoded. Pillow's messages stay inside: they hold addresses of this
process (CVE-2026-22778). Blocking: call from a thread.
"""

import io
import math
from dataclasses import dataclass

from PIL import Image, ImageOps

from engine.errors import Refusal
from engine.wire import INPUT_FORMATS, MAX_INPUT_BYTES, MAX_INPUT_PIXELS, MIN_INPUT_SIDE

BACKGROUND = "white"  # what shows where the picture is transparent
FAR = "black"  # what a depth image is where it is transparent
NOT_DRAWN = "black"  # what a mask is where it is transparent: there nobody painted
HALF = 128  # of 255: from here on a grey of the mask counts as white


@dataclass(frozen=True)
class Part:
    """A picture of a request: what it is called, the field it belongs to, and the code where it is unreadable."""

    title: str
    field: str
    unreadable: str


IMAGE = Part("input image", "image", "image_unreadable")
MASK = Part("mask", "mask", "mask_unreadable")
DEPTH = Part("depth image", "depth", "depth_unreadable")
PARTS = {part.field: part for part in (IMAGE, MASK, DEPTH)}


def control_part(index: int) -> Part:
    """The picture of a request's `controls[index]`."""
    return Part("control picture", f"controls.{index}", "control_unreadable")


def decode_input(data: bytes, part: Part = IMAGE) -> bytes:
    """An RGB PNG without metadata, upright as its EXIF orientation says.

    Raises Refusal: image_too_large, and `part.unreadable`.
    """
    return _png(_opened(data, part, BACKGROUND).convert("RGB"))


def decode_mask(data: bytes, size: tuple[int, int]) -> bytes:
    """A PNG of `size` (width, height) in black and white, mode L: white is drawn anew.

    Greys are rounded. Raises Refusal: image_too_large, mask_unreadable, invalid_field for another size or no white.
    """
    mask = _opened(data, MASK, NOT_DRAWN).convert("L")
    if mask.size != size:
        raise _wrong_mask(
            f"The mask must be {size[0]} × {size[1]} pixels, as the input image; it was"
            f" {mask.width} × {mask.height}."
        )
    mask = mask.point(lambda value: 255 if value >= HALF else 0)
    if mask.getbbox() is None:
        raise _wrong_mask("The mask is black everywhere: paint white what is to be drawn anew.")
    return _png(mask)


def decode_depth(data: bytes) -> bytes:
    """A grey PNG, mode L, of a depth image of any size: white is near. Colours are turned into greys.

    Raises Refusal: image_too_large, depth_unreadable.
    """
    return _png(_opened(data, DEPTH, FAR).convert("L"))


def check_size(size: int, part: Part = IMAGE) -> None:
    """Raises Refusal where a picture of `size` bytes is not taken."""
    if size > MAX_INPUT_BYTES:
        limit = MAX_INPUT_BYTES // 2**20
        raise _too_large(part, f"must be at most {limit} MiB; it was {size / 2**20:.1f} MiB.")


def _opened(data: bytes, part: Part, background: str) -> Image.Image:
    """The picture, whole, upright and opaque."""
    check_size(len(data), part)
    if not data:
        raise _unreadable(part, "is empty.")
    image = _upright(_load(data, part))
    try:
        return _flat(image, background)
    except Exception:  # a palette with more transparent colours than there are, for instance
        raise _damaged(part) from None


def _load(data: bytes, part: Part) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data), formats=INPUT_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(part, f"has more than {_megapixels(MAX_INPUT_PIXELS)}.") from None
    except Exception:  # Pillow raises OSError, SyntaxError, ValueError, struct.error and more
        raise _unreadable(part, "is not a readable PNG, JPEG or WebP.") from None
    _check_header(image, part)
    try:
        image.load()
    except Exception:
        raise _damaged(part) from None
    return image


def _upright(image: Image.Image) -> Image.Image:
    """As the camera was held; as it lies where the Exif is damaged, or does not say."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # Pillow raises SyntaxError, struct.error, TypeError and more for odd fields
        return image


def _check_header(image: Image.Image, part: Part) -> None:
    """What the header promises, before a pixel of it is decoded."""
    width, height = image.size
    if width * height > MAX_INPUT_PIXELS:
        raise _too_large(
            part,
            f"must have at most {_megapixels(MAX_INPUT_PIXELS)};"
            f" it was {width} × {height} ({_megapixels(width * height)}).",
        )
    if min(width, height) < MIN_INPUT_SIDE:
        raise _unreadable(
            part, f"must have at least {MIN_INPUT_SIDE} pixels a side; it was {width} × {height}."
        )
    if (
        image.format != "MPO" and getattr(image, "n_frames", 1) != 1
    ):  # a phone's JPEG has a second picture behind it
        raise _unreadable(part, "is animated; send a single picture.")


def _flat(image: Image.Image, background: str) -> Image.Image:
    """Eight bits a channel and nothing transparent."""
    if image.mode.startswith("I"):  # 16 bit: Pillow would clip to white instead of scaling
        image = image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    if "A" in image.mode or "transparency" in image.info:
        image = image.convert("RGBA")
        opaque = Image.new("RGBA", image.size, background)
        image = Image.alpha_composite(opaque, image)
    return image


def _png(image: Image.Image) -> bytes:
    image.info = {}  # colour profiles and comments stay behind
    output = io.BytesIO()
    image.save(output, "PNG", compress_level=1)
    return output.getvalue()


def _megapixels(pixels: int) -> str:
    return f"{math.ceil(10 * pixels / 2**20) / 10:g} megapixels"  # never rounded to the limit it is over


def _too_large(part: Part, rest: str) -> Refusal:
    return Refusal("image_too_large", f"The {part.title} {rest}", field=part.field)


def _unreadable(part: Part, rest: str) -> Refusal:
    return Refusal(part.unreadable, f"The {part.title} {rest}", field=part.field)


def _damaged(part: Part) -> Refusal:
    return _unreadable(part, "is damaged or cut off.")


def _wrong_mask(message: str) -> Refusal:
    return Refusal("invalid_field", message, field="mask")
