"""Styles made by image processing, each from an RGB picture to an RGB picture of the same size."""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageFilter, ImageOps

PIXEL = 8  # of pixel art: one latent cell
BRUSH = 4  # radius of a brush stroke, in pixels

Array = npt.NDArray[np.float32]


def apply_style(name: str | None, image: Image.Image) -> Image.Image:
    """The picture in a style of `vocabulary.STYLES`; None leaves it as it is."""
    return image if name is None else _STYLES[name](image)


def _pencil_sketch(image: Image.Image) -> Image.Image:
    """Colour dodge: grey divided by its own blurred negative leaves lines on white paper."""
    grey = np.asarray(ImageOps.grayscale(image), np.float32)
    blurred = np.asarray(ImageOps.grayscale(image).filter(ImageFilter.GaussianBlur(6)), np.float32)
    lines = np.clip(grey / np.maximum(blurred, 1), 0, 1) ** 2 * 255
    return Image.fromarray(lines.astype(np.uint8)).convert("RGB")


def _oil_painting(image: Image.Image) -> Image.Image:
    """Kuwahara's filter (1976): of the four squares around a pixel, the mean of the calmest one."""
    pixels = np.asarray(image, np.float32)
    grey = pixels.mean(axis=2, keepdims=True)
    means, squares, greys = (_box_mean(each) for each in (pixels, grey**2, grey))
    variance = squares - greys**2
    shifts = [(dy, dx) for dy in (-BRUSH, BRUSH) for dx in (-BRUSH, BRUSH)]
    variances = np.stack([np.roll(variance, shift, (0, 1)) for shift in shifts])
    candidates = np.stack([np.roll(means, shift, (0, 1)) for shift in shifts])
    best = np.take_along_axis(candidates, variances.argmin(axis=0)[None], axis=0)[0]
    return Image.fromarray(np.clip((best - 128) * 1.15 + 128, 0, 255).astype(np.uint8))


def _box_mean(pixels: Array) -> Array:
    """Mean over squares of side 2 × BRUSH + 1, edges repeated."""
    for axis in (0, 1):
        padding = [(BRUSH + 1, BRUSH) if each == axis else (0, 0) for each in range(3)]
        sums = np.cumsum(np.pad(pixels, padding, mode="edge"), axis=axis, dtype=np.float64)
        width = 2 * BRUSH + 1
        taken = np.take(sums, range(width, sums.shape[axis]), axis) - np.take(
            sums, range(sums.shape[axis] - width), axis
        )
        pixels = (taken / width).astype(np.float32)
    return pixels


def _pixel_art(image: Image.Image) -> Image.Image:
    small = image.resize((image.width // PIXEL, image.height // PIXEL), Image.Resampling.BOX)
    return ImageOps.posterize(small, 4).resize(image.size, Image.Resampling.NEAREST)


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
    "oil painting": _oil_painting,
    "pixel art": _pixel_art,
    "black and white photo": _black_and_white,
    "neon": _neon,
}
