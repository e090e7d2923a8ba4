"""Large shapes with sharp edges: what drawings look like four times as large, where the glyphs' bitmaps end."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from engine.demo.training.backdrops import Random, draw_backdrop
from engine.demo.training.corpus import Pictures
from engine.demo.training.scenes import CANVAS
from engine.demo.vocabulary import COLOURS

SHARPER = 3  # edges are drawn so many times as large, and then averaged
FEWEST, MOST = 6, 16  # shapes of a picture

Draw = Callable[[ImageDraw.ImageDraw, Random], None]


def shapes_of(folder: Path, *, seed: int, size: int) -> Pictures:
    """`size` pictures [size, CANVAS, CANVAS, 3], kept in `folder`: about 0.1 s each."""
    file = folder / f"shapes-{size}-{seed}.npy"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        drawn = [np.asarray(draw_shapes(np.random.default_rng([seed, number]))) for number in range(size)]
        np.save(file, np.stack(drawn))
    pictures: Pictures = np.load(file, mmap_mode="r")
    return pictures


def draw_shapes(random: Random) -> Image.Image:
    """Shapes over each other, CANVAS pixels a side, RGB, each of one colour that fades into a similar one."""
    canvas = _faded(random)
    for _ in range(random.integers(FEWEST, MOST + 1)):
        mask = Image.new("L", (CANVAS * SHARPER, CANVAS * SHARPER))
        _SHAPES[random.integers(len(_SHAPES))](ImageDraw.Draw(mask), random)
        canvas.paste(_faded(random), mask=mask.rotate(random.uniform(0, 360)).reduce(SHARPER))
    return canvas


def _faded(random: Random) -> Image.Image:
    """A colour, half of the time one that has a name."""
    name = str(random.choice(list(COLOURS))) if random.random() < 0.5 else None
    picture = draw_backdrop(name, CANVAS, random)
    if name is None:
        tint = Image.new("RGB", picture.size, tuple(int(value) for value in random.integers(0, 256, 3)))
        picture = Image.blend(picture, tint, 0.9)
    return picture.rotate(90 * int(random.integers(4)))


def _ellipse(draw: ImageDraw.ImageDraw, random: Random) -> None:
    draw.ellipse(_box(random), fill=255)


def _ring(draw: ImageDraw.ImageDraw, random: Random) -> None:
    start, end = np.sort(random.uniform(0, 360, 2))
    draw.arc(_box(random), float(start), float(end), fill=255, width=_width(random))


def _rounded(draw: ImageDraw.ImageDraw, random: Random) -> None:
    draw.rounded_rectangle(_box(random), radius=int(random.integers(1, 60)), fill=255)


def _line(draw: ImageDraw.ImageDraw, random: Random) -> None:
    points = random.uniform(0, CANVAS * SHARPER, (3, 2))
    draw.line([tuple(point) for point in points], fill=255, width=_width(random), joint="curve")


def _polygon(draw: ImageDraw.ImageDraw, random: Random) -> None:
    middle, count = random.uniform(0, CANVAS * SHARPER, 2), int(random.integers(3, 8))
    angles = np.sort(random.uniform(0, 2 * np.pi, count))
    radii = random.uniform(20, 100, count) * SHARPER
    corners = middle + np.stack([np.cos(angles), np.sin(angles)], -1) * radii[:, None]
    draw.polygon([tuple(corner) for corner in corners], fill=255)


def _box(random: Random) -> tuple[float, float, float, float]:
    x, y = random.uniform(0, CANVAS * SHARPER, 2)
    wide, high = np.exp(random.uniform(np.log(4), np.log(100), 2)) * SHARPER
    return float(x - wide), float(y - high), float(x + wide), float(y + high)


def _width(random: Random) -> int:
    return int(np.exp(random.uniform(np.log(1), np.log(24))) * SHARPER)


_SHAPES: tuple[Draw, ...] = (_ellipse, _ring, _rounded, _line, _polygon)
