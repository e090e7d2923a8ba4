"""What is done to a finished picture without any network. Pure: Pillow and numpy. Blocking: call from a thread."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from engine.postprocessing import size_after
from engine.wire import Colour, Crop, Denoise, PostStep, Resize, Resizing, Sharpen, Upscale

Pixels = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.floating[Any]]

DENOISE_RADIUS = 3  # pixels around one that are averaged with it
DENOISE_RANGE = 0.25  # of the whole: at strength 1, differences below this are noise
WARMTH = 0.25  # how much redder, and less blue, temperature 1 makes a picture


def filtered(step: PostStep, pixels: Pixels) -> Pixels:
    """Pixels [H, W, 3] after one step; an upscale is done by Lanczos."""
    picture = Image.fromarray(pixels)
    match step:
        case Upscale():
            picture = picture.resize(size_after(step, picture.size), Image.Resampling.LANCZOS)
        case Sharpen():
            mask = ImageFilter.UnsharpMask(radius=step.radius, percent=round(100 * step.amount), threshold=0)
            picture = picture.filter(mask)
        case Denoise():
            return denoised(pixels, step.strength)
        case Colour():
            picture = _coloured(picture, step)
        case Crop():
            picture = picture.crop((step.x, step.y, step.x + step.width, step.y + step.height))
        case Resize():
            picture = _resized(picture, step)
    return np.asarray(picture)


def denoised(pixels: Pixels, strength: float) -> Pixels:
    """Smooth where the picture varies little, and keep its edges: the guided filter, guided by itself.

    He, Sun and Tang, "Guided Image Filtering", ECCV 2010. `strength` in [0, 1]; 0 changes nothing.
    """
    noise = (strength * DENOISE_RANGE) ** 2
    result = np.empty_like(pixels)
    for channel in range(pixels.shape[2]):
        plane = pixels[..., channel].astype(np.float32) / np.float32(255)
        mean = _box_mean(plane)
        variance = np.maximum(_box_mean(plane * plane) - mean * mean, 0)
        gain = variance / np.maximum(variance + np.float32(noise), np.finfo(np.float32).tiny)
        smooth = _box_mean(gain) * plane + _box_mean((1 - gain) * mean)
        result[..., channel] = np.rint(smooth.clip(0, 1) * 255)
    return pixels.copy() if strength == 0 else result


def _box_mean(plane: Plane) -> Plane:
    """The mean of the square around each pixel, [H, W]; the picture's edge goes on beyond it."""
    side = 2 * DENOISE_RADIUS + 1
    for axis in (0, 1):
        width = [(0, 0), (0, 0)]
        width[axis] = (DENOISE_RADIUS + 1, DENOISE_RADIUS)
        sums = np.cumsum(np.pad(plane, width, mode="edge"), axis=axis, dtype=np.float64)
        length = sums.shape[axis]
        upper, lower = np.arange(side, length), np.arange(length - side)
        plane = ((sums.take(upper, axis) - sums.take(lower, axis)) / side).astype(np.float32)
    return plane


def _coloured(picture: Image.Image, step: Colour) -> Image.Image:
    enhancers: tuple[tuple[Callable[[Image.Image], ImageEnhance._Enhance], float], ...] = (
        (ImageEnhance.Brightness, step.brightness),
        (ImageEnhance.Contrast, step.contrast),
        (ImageEnhance.Color, step.saturation),
    )
    for enhancer, factor in enhancers:
        if factor != 1:
            picture = enhancer(picture).enhance(factor)
    if step.temperature == 0:
        return picture
    red, green, blue = picture.split()
    warmer, cooler = 1 + WARMTH * step.temperature, 1 - WARMTH * step.temperature
    return Image.merge("RGB", (_scaled(red, warmer), green, _scaled(blue, cooler)))


def _scaled(channel: Image.Image, factor: float) -> Image.Image:
    return channel.point([min(255, round(value * factor)) for value in range(256)])


def _resized(picture: Image.Image, step: Resize) -> Image.Image:
    size = size_after(step, picture.size)
    if step.how is Resizing.CROP:
        return ImageOps.fit(picture, size, Image.Resampling.LANCZOS)
    return picture.resize(size, Image.Resampling.LANCZOS)
