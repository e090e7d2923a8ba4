"""The style "oil painting": strokes of flat brushes, from broad to fine, after Hertzmann, "Painterly rendering with
curved brush strokes of multiple sizes" (1998), with straight ones.
"""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

BRUSHES = (12, 6)  # pixels wide
UNEVEN = 11.0  # standard deviation of a stroke's brightness, of 255: paint is never even
FLAT = 1.0  # slopes below this have no outline to follow
MISSING = 30.0  # difference to the picture, of 255, that a finer brush goes over again

Random = np.random.Generator


def paint_in_oil(image: Image.Image, random: Random) -> Image.Image:
    """The picture, RGB, painted: strokes along the outlines, broad ones everywhere, fine ones where those miss."""
    painted = image.filter(ImageFilter.GaussianBlur(BRUSHES[0]))
    for brush in BRUSHES:
        painted = _paint_over(painted, image.filter(ImageFilter.GaussianBlur(brush / 3)), brush, random)
    return painted


def _paint_over(painted: Image.Image, wanted: Image.Image, brush: int, random: Random) -> Image.Image:
    """One layer of strokes, `brush` pixels wide and three times as long, each of one colour of `wanted`."""
    colours, there = np.asarray(wanted, np.float32), np.asarray(painted, np.float32)
    down, across = np.gradient(colours.mean(axis=2))
    missing = np.abs(colours - there).max(axis=2)
    layer = painted.copy()
    draw = ImageDraw.Draw(layer)
    for y, x in _scattered(image_size=wanted.size, spacing=brush, random=random):
        flat = math.hypot(down[y, x], across[y, x]) < FLAT
        angle = random.normal(0.8, 0.3) if flat else math.atan2(-across[y, x], down[y, x])
        colour = colours[y, x] + random.normal(0, UNEVEN)
        dx, dy = 1.5 * brush * math.cos(angle), 1.5 * brush * math.sin(angle)
        if brush == BRUSHES[0] or missing[y, x] > MISSING:
            fill = tuple(int(value) for value in np.clip(colour, 0, 255))
            draw.line((x - dx, y - dy, x + dx, y + dy), fill=fill, width=brush)
    return layer


def _scattered(*, image_size: tuple[int, int], spacing: int, random: Random) -> list[tuple[int, int]]:
    """Places (y, x), about one in each square of `spacing`, in an order of chance."""
    width, height = image_size
    places = np.mgrid[0:height:spacing, 0:width:spacing].reshape(2, -1).T
    places = places + random.integers(0, spacing, places.shape)
    inside = np.minimum(places, (height - 1, width - 1))
    return [(int(y), int(x)) for y, x in random.permutation(inside)]
