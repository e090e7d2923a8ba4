"""What is behind the things of a scene: plain colours, and places drawn with a few shapes."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from engine.demo.vocabulary import COLOURS

Rgb = tuple[int, int, int]
Random = np.random.Generator


def draw_backdrop(name: str | None, side: int, random: Random) -> Image.Image:
    """A square picture, RGB: a colour, a place, or where nothing is named a pale colour of chance."""
    if name in _PLACES:
        return _PLACES[name](side, random)
    colour = COLOURS[name] if name in COLOURS else tuple(random.integers(205, 250, 3))
    top, bottom = (_near(colour, random, 8) for _ in range(2))
    return _gradient(side, top, bottom)


def _gradient(side: int, top: Rgb, bottom: Rgb) -> Image.Image:
    rows = np.linspace(top, bottom, side)[:, None, :]
    return Image.fromarray(np.broadcast_to(rows, (side, side, 3)).astype(np.uint8))


def _near(colour: tuple[int, ...], random: Random, spread: int) -> Rgb:
    red, green, blue = (
        int(np.clip(value + random.integers(-spread, spread + 1), 0, 255)) for value in colour
    )
    return red, green, blue


def _night_sky(side: int, random: Random) -> Image.Image:
    image = _gradient(side, (10, 12, 42), (38, 42, 98))
    draw = ImageDraw.Draw(image)
    for _ in range(36):
        x, y, radius = *random.integers(0, side, 2), random.choice([1, 1, 2, 3])
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 250, 220))
    return image


def _sky(side: int, random: Random) -> Image.Image:
    image = _gradient(side, (104, 178, 240), (196, 228, 250))
    for _ in range(3):
        _cloud(image, random.integers(0, side), random.integers(20, side - 40), random)
    return image


def _cloud(image: Image.Image, x: np.int64, y: np.int64, random: Random) -> None:
    draw = ImageDraw.Draw(image)
    for offset, radius in ((-26, 14), (0, 22), (26, 15)):
        radius += int(random.integers(-2, 3))
        box = (x + offset - radius, y - radius, x + offset + radius, y + radius)
        draw.ellipse([float(side) for side in box], fill=(250, 252, 255))


def _beach(side: int, random: Random) -> Image.Image:
    image = _gradient(side, (118, 196, 244), (206, 236, 250))
    draw = ImageDraw.Draw(image)
    horizon, shore = int(side * 0.45) + int(random.integers(-8, 9)), int(side * 0.66)
    draw.rectangle((0, horizon, side, side), fill=(32, 132, 196))
    draw.ellipse((-side // 2, shore, side * 3 // 2, side * 2), fill=(242, 218, 160))
    return image


def _meadow(side: int, random: Random) -> Image.Image:
    image = _gradient(side, (126, 196, 246), (208, 234, 250))
    _cloud(image, random.integers(30, side - 30), random.integers(30, 60), random)
    _hills(image, side, random)
    return image


def _hills(image: Image.Image, side: int, random: Random) -> None:
    draw = ImageDraw.Draw(image)
    line = int(side * 0.56) + int(random.integers(-8, 9))
    draw.ellipse((-side // 2, line - 12, side, side * 2), fill=(112, 186, 78))
    draw.ellipse((0, line, side * 3 // 2, side * 2), fill=(86, 164, 66))


def _city(side: int, random: Random) -> Image.Image:
    image = _gradient(side, (150, 186, 226), (240, 222, 206))
    _skyline(image, side, int(side * 0.88), int(side * 0.5), random)
    ImageDraw.Draw(image).rectangle((0, int(side * 0.88), side, side), fill=(96, 100, 108))
    return image


def _skyline(image: Image.Image, side: int, ground: int, height: int, random: Random) -> None:
    """Blocks with lit windows, 32 pixels wide, on a grid that the autoencoder can keep."""
    draw = ImageDraw.Draw(image)
    for left in range(-8, side, 32):
        top = ground - int(height * random.uniform(0.45, 1.0)) // 8 * 8
        grey = int(random.integers(78, 120))
        draw.rectangle((left, top, left + 29, ground), fill=(grey, grey + 8, grey + 26))
        for y in range(top + 8, ground - 6, 16):
            for x in (left + 6, left + 18):
                draw.rectangle((x, y, x + 5, y + 7), fill=(250, 224, 140))


def _countryside(side: int, random: Random) -> Image.Image:
    image = _gradient(side, (126, 196, 246), (208, 234, 250))
    _skyline(image, side, int(side * 0.62), int(side * 0.34), random)
    _hills(image, side, random)
    return image


def _snow(side: int, random: Random) -> Image.Image:
    image = _gradient(side, (150, 176, 206), (206, 220, 236))
    draw = ImageDraw.Draw(image)
    draw.ellipse((-side // 2, int(side * 0.6), side * 3 // 2, side * 2), fill=(246, 250, 255))
    for _ in range(30):
        x, y = random.integers(0, side, 2)
        draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=(255, 255, 255))
    return image


_PLACES: dict[str | None, Callable[[int, Random], Image.Image]] = {
    "night sky": _night_sky,
    "beach": _beach,
    "meadow": _meadow,
    "city": _city,
    "snow": _snow,
    "sky": _sky,
    "countryside": _countryside,
}
