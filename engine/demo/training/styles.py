"""Styles made by image processing, each from an RGB picture to an RGB picture of the same size."""

import numpy as np
from PIL import Image, ImageChops, ImageFilter, ImageOps

from engine.demo.training.oil_painting import Random, paint_in_oil

PIXEL = 8  # of pixel art: one latent cell
TONES = 16  # of pixel art


def apply_style(name: str | None, image: Image.Image, random: Random) -> Image.Image:
    """The picture in a style of `vocabulary.STYLES`; None leaves it as it is."""
    if name == "oil painting":
        return paint_in_oil(image, random)
    return image if name is None else _STYLES[name](image)


def _pencil_sketch(image: Image.Image) -> Image.Image:
    """Colour dodge: grey divided by its own blurred negative leaves lines on white paper."""
    grey = np.asarray(ImageOps.grayscale(image), np.float32)
    blurred = np.asarray(ImageOps.grayscale(image).filter(ImageFilter.GaussianBlur(6)), np.float32)
    lines = np.clip(grey / np.maximum(blurred, 1), 0, 1) ** 2 * 255
    return Image.fromarray(lines.astype(np.uint8)).convert("RGB")


def _pixel_art(image: Image.Image) -> Image.Image:
    small = image.resize((image.width // PIXEL, image.height // PIXEL), Image.Resampling.BOX)
    few = small.quantize(TONES, Image.Quantize.MAXCOVERAGE, kmeans=2).convert("RGB")
    return few.resize(image.size, Image.Resampling.NEAREST)


def _black_and_white(image: Image.Image) -> Image.Image:
    grey = np.asarray(ImageOps.grayscale(image), np.float32)
    across = np.linspace(-1, 1, grey.shape[1]) ** 2
    vignette = 1 - 0.25 * (across[None, :] + np.linspace(-1, 1, grey.shape[0])[:, None] ** 2)
    contrast = np.clip((grey - 128) * 1.15 + 128, 0, 255) * vignette
    return Image.fromarray(contrast.astype(np.uint8)).convert("RGB")


def _neon(image: Image.Image) -> Image.Image:
    """Glowing outlines in the things' own bright colours on a dark wall."""
    edges = ImageOps.grayscale(image).filter(ImageFilter.GaussianBlur(1)).filter(ImageFilter.FIND_EDGES)
    lines = edges.crop((2, 2, image.width - 2, image.height - 2)).resize(image.size)
    lines = lines.point(lambda value: min(255, 5 * value)).filter(ImageFilter.MaxFilter(3))
    bright = image.filter(ImageFilter.MaxFilter(5)).point(lambda value: min(255, value + 60))
    tubes = ImageChops.multiply(bright, lines.convert("RGB"))
    glow = tubes.filter(ImageFilter.GaussianBlur(5))
    wall = Image.new("RGB", image.size, (20, 14, 38))
    return ImageChops.add(ImageChops.add(wall, glow), tubes)


_STYLES = {
    "pencil sketch": _pencil_sketch,
    "pixel art": _pixel_art,
    "black and white photo": _black_and_white,
    "neon": _neon,
}
