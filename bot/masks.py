"""A person's mask: which part of their picture is drawn anew."""

import asyncio

import discord
from PIL import Image, ImageOps

from bot.attachments import download
from bot.errors import Refused
from bot.input_images import opened, png
from engine.wire import Limits

BLUR = 4  # pixels: A1111's default, so that the edge of what is new does not show
SAME_SHAPE = 0.02  # by so much the proportions may differ: programs round sides
FIELD = "mask"


async def fetch_mask(attachment: discord.Attachment, size: tuple[int, int], limits: Limits) -> bytes:
    """Download and check the mask of a picture of `size` (width, height). Raises Refused."""
    data = await download(attachment, limits, field=FIELD)
    return await asyncio.to_thread(mask_png, data, size, limits)


def mask_png(data: bytes, size: tuple[int, int], limits: Limits) -> bytes:
    """A PNG of `size`, black and white: white is drawn anew. Raises Refused. Blocks: call it in a thread.

    Of a picture with a hole in it, the hole is what is drawn anew.
    """
    mask = opened(data, limits, _white, field=FIELD)
    width, height = mask.size
    if abs(width * size[1] - height * size[0]) > SAME_SHAPE * height * size[0]:
        raise Refused(
            f"mask: it must have the shape of the image, {size[0]} x {size[1]}; it was {width} x {height}."
        )
    mask = mask.resize(size, Image.Resampling.NEAREST)
    if mask.getbbox() is None:
        raise Refused("mask: it is black everywhere; paint white what is to be drawn anew.")
    return png(mask)


def _white(image: Image.Image) -> Image.Image:
    """Black and white, mode L."""
    if "A" in image.getbands() or "transparency" in image.info:
        alpha = image.convert("RGBA").getchannel("A")
        if alpha.getextrema() != (255, 255):
            return _sharp(ImageOps.invert(alpha))
    return _sharp(image.convert("L"))


def _sharp(image: Image.Image) -> Image.Image:
    return image.point(lambda value: 255 if value >= 128 else 0)
