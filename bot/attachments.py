"""A person's picture, from Discord's servers to a checked RGB PNG.

The bytes come only from the address that Discord resolved for the interaction, never from one a person
typed. What can be wrong with them is told in one fixed sentence each; Pillow's own words stay out.
"""

import asyncio
import io
import logging
from dataclasses import dataclass

import aiohttp
import discord
from PIL import Image, ImageOps

from bot.errors import Refused
from engine.wire import INPUT_FORMATS, Limits

log = logging.getLogger(__name__)

DEADLINE_S = 20.0
_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")

EMPTY = "image: the file is empty."
FORMAT = "image: only PNG, JPEG and WEBP can be read."
DAMAGED = "image: the file is damaged or cut short."
ANIMATED = "image: it is an animation; send a still picture."
GONE = "image: Discord no longer has the file; attach it again."
UNREACHABLE = "image: it could not be fetched from Discord just now; try again in a moment."


@dataclass(frozen=True, kw_only=True)
class InputImage:
    """A picture to start from: RGB, upright, encoded as PNG; `size` is (width, height) in pixels."""

    png: bytes
    size: tuple[int, int]


async def fetch(attachment: discord.Attachment, *, limits: Limits) -> InputImage:
    """Download and check one attachment. Raises Refused, before reading where the size alone says no."""
    check_bytes(attachment.size, limits)
    data = await _download(attachment)
    return await asyncio.to_thread(normalise, data, limits)


def check_bytes(size: int, limits: Limits) -> None:
    """Raises Refused where a file of `size` bytes is empty or over the limit."""
    if size == 0:
        raise Refused(EMPTY)
    if size > limits.input_bytes:
        most, mebibytes = limits.input_bytes / 2**20, size / 2**20
        raise Refused(f"image: the file must be at most {most:g} MiB; it was {mebibytes:.1f} MiB.")


def normalise(data: bytes, limits: Limits) -> InputImage:
    """Decode, turn upright, flatten to RGB and shrink to the largest side the engine draws. Raises Refused.

    Blocks: call it in a thread. Formats are an allow-list, and the pixels are counted before any are decoded.
    """
    check_bytes(len(data), limits)
    try:
        image = Image.open(io.BytesIO(data), formats=INPUT_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Refused(f"image: it must be at most {_megapixels(limits)}.") from None
    except Exception:  # Pillow's decoders raise nearly anything on bytes made to break them
        raise Refused(DAMAGED if data.startswith(_SIGNATURES) else FORMAT) from None
    with image:
        _check_still(image, limits)
        try:
            image.load()
            upright = ImageOps.exif_transpose(image)
            flat = _flatten(upright)
        except Exception:  # as above
            raise Refused(DAMAGED) from None
    flat.thumbnail((limits.max_side, limits.max_side))
    out = io.BytesIO()
    flat.save(out, "PNG")
    return InputImage(png=out.getvalue(), size=flat.size)


def _check_still(image: Image.Image, limits: Limits) -> None:
    width, height = image.size
    if width * height > limits.input_pixels:
        raise Refused(f"image: it must be at most {_megapixels(limits)}; it was {width} x {height} pixels.")
    # Shrunk to what the engine takes, a strip of pixels must still be one.
    shrunk = min(1.0, limits.max_side / max(width, height, 1))
    if min(width, height) * shrunk < limits.input_side:
        raise Refused(f"image: it is too narrow to start from; it was {width} x {height} pixels.")
    # A JPEG of several frames is a phone's photo with a depth map or a gain map, not an animation.
    if image.format in {"PNG", "WEBP"} and getattr(image, "is_animated", False):
        raise Refused(ANIMATED)


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


async def _download(attachment: discord.Attachment) -> bytes:
    try:
        async with asyncio.timeout(DEADLINE_S):
            return await attachment.read()
    except (discord.NotFound, discord.Forbidden):
        raise Refused(GONE) from None
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
        log.warning("an attachment could not be fetched: %s", type(error).__name__)
        raise Refused(UNREACHABLE) from None
