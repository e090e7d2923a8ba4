"""Input images: bytes from a stranger to a clean RGB PNG, or a fixed sentence why not.

Every byte here is hostile until it is re-encoded. Pillow's messages stay inside: they hold addresses of this
process (CVE-2026-22778). Blocking: call from a thread.
"""

import io

from PIL import Image, ImageOps

from engine.errors import Refusal
from engine.wire import INPUT_FORMATS, MAX_INPUT_BYTES, MAX_INPUT_PIXELS, MIN_INPUT_SIDE

BACKGROUND = "white"  # what shows where the picture is transparent


def decode_input(data: bytes) -> bytes:
    """An RGB PNG without metadata, upright as its EXIF orientation says.

    Raises Refusal: image_too_large, image_unreadable.
    """
    check_size(len(data))
    if not data:
        raise _unreadable("The input image is empty.")
    image = _load(data)
    clean = _rgb(ImageOps.exif_transpose(image))
    clean.info = {}  # colour profiles and comments stay behind
    output = io.BytesIO()
    clean.save(output, "PNG", compress_level=1)
    return output.getvalue()


def check_size(size: int) -> None:
    """Raises Refusal where an image of `size` bytes is not taken."""
    if size > MAX_INPUT_BYTES:
        limit = MAX_INPUT_BYTES // 2**20
        raise _too_large(f"The input image must be at most {limit} MiB; it was {size / 2**20:.1f} MiB.")


def _load(data: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data), formats=INPUT_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(f"The input image has more than {_megapixels(MAX_INPUT_PIXELS)}.") from None
    except Exception:  # Pillow raises OSError, SyntaxError, ValueError, struct.error and more
        raise _unreadable("The input image is not a readable PNG, JPEG or WebP.") from None
    _check_header(image)
    try:
        image.load()
    except Exception:
        raise _unreadable("The input image is damaged or cut off.") from None
    return image


def _check_header(image: Image.Image) -> None:
    """What the header promises, before a pixel of it is decoded."""
    width, height = image.size
    if width * height > MAX_INPUT_PIXELS:
        raise _too_large(
            f"The input image must have at most {_megapixels(MAX_INPUT_PIXELS)};"
            f" it was {width} × {height} ({_megapixels(width * height)})."
        )
    if min(width, height) < MIN_INPUT_SIDE:
        raise _unreadable(
            f"The input image must have at least {MIN_INPUT_SIDE} pixels a side; it was {width} × {height}."
        )
    if getattr(image, "n_frames", 1) != 1:
        raise _unreadable("The input image is animated; send a single picture.")


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bit: Pillow would clip to white instead of scaling
        image = image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    if "A" in image.mode or "transparency" in image.info:
        image = image.convert("RGBA")
        opaque = Image.new("RGBA", image.size, BACKGROUND)
        image = Image.alpha_composite(opaque, image)
    return image.convert("RGB")


def _megapixels(pixels: int) -> str:
    return f"{pixels / 2**20:.3g} megapixels"


def _too_large(message: str) -> Refusal:
    return Refusal("image_too_large", message, field="image")


def _unreadable(message: str) -> Refusal:
    return Refusal("image_unreadable", message, field="image")
