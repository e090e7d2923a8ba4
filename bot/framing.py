"""Where a picture lies on a larger canvas: zoomed out, or panned to a side. Pure, but for `scaled`, which blocks."""

import io
import math
from dataclasses import dataclass
from enum import StrEnum

from PIL import Image

from bot.errors import Refused
from bot.redraw import ROOMY
from engine.wire import SIDE_MULTIPLE, Limits, Margins, ModelInfo

MORE = 1.5  # times the side that is extended


class Direction(StrEnum):
    OUT = "out"
    LEFT = "left"
    UP = "up"
    DOWN = "down"
    RIGHT = "right"


def direction_of(text: str) -> Direction:
    """Raises Refused."""
    try:
        return Direction(text.strip().casefold())
    except ValueError:
        raise Refused(f"outpaint must be one of {', '.join(Direction)}; it was '{text:.40}'.") from None


@dataclass(frozen=True, kw_only=True)
class Frame:
    """`picture` is the size that it is scaled to, `margins` lie around it; both in pixels."""

    picture: tuple[int, int]
    margins: Margins

    @property
    def whole(self) -> tuple[int, int]:
        return self.margins.around(self.picture)

    @property
    def words(self) -> str:
        """As a person would write the margins, such as "left=64,up=32"."""
        return ",".join(f"{side}={value}" for side, value in self.margins if value)


def framed(direction: Direction, picture: tuple[int, int], model: ModelInfo, limits: Limits) -> Frame:
    """The canvas for a picture of `picture` (width, height), as large as the model draws well.

    Zooming out keeps the size and makes the picture smaller; a pan keeps the picture and makes the canvas longer,
    as far as the model goes, and from there on makes both smaller.
    """
    wide = 1 if direction in (Direction.UP, Direction.DOWN) else MORE
    high = 1 if direction in (Direction.LEFT, Direction.RIGHT) else MORE
    scale = _scale(direction, picture, (wide, high), model, limits)
    step = math.lcm(SIDE_MULTIPLE, model.side_multiple)
    whole = _rounded(picture[0] * scale * wide, step), _rounded(picture[1] * scale * high, step)
    inner = _within(whole[0], wide), _within(whole[1], high)
    return Frame(picture=inner, margins=_margins(direction, whole[0] - inner[0], whole[1] - inner[1]))


def scaled(data: bytes, size: tuple[int, int]) -> bytes:
    """A picture's file at another size, as PNG; the same bytes where it has that size. Slow: call it in a thread."""
    with Image.open(io.BytesIO(data)) as image:
        if image.size == size:
            return data
        out = io.BytesIO()
        image.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(out, "PNG")
        return out.getvalue()


def _scale(
    direction: Direction,
    picture: tuple[int, int],
    more: tuple[float, float],
    model: ModelInfo,
    limits: Limits,
) -> float:
    """By which the picture is scaled, so that the canvas has an area that the model draws well."""
    width, height = picture[0] * more[0], picture[1] * more[1]
    wanted = 1 / MORE if direction is Direction.OUT else 1.0
    least = model.defaults.width * model.defaults.height
    area = min(max(width * height * wanted**2, least), ROOMY * least)
    longest = min(model.max_side, limits.max_side)
    return min(math.sqrt(area / (width * height)), longest / width, longest / height)


def _margins(direction: Direction, across: int, down: int) -> Margins:
    match direction:
        case Direction.LEFT:
            return Margins(left=across)
        case Direction.RIGHT:
            return Margins(right=across)
        case Direction.UP:
            return Margins(up=down)
        case Direction.DOWN:
            return Margins(down=down)
        case Direction.OUT:
            left, up = (half // 2 // SIDE_MULTIPLE * SIDE_MULTIPLE for half in (across, down))
            return Margins(left=left, right=across - left, up=up, down=down - up)


def _within(side: int, more: float) -> int:
    """A side of the picture on a canvas of `side`, which is `more` times as long."""
    return side if more == 1 else _rounded(side / more, SIDE_MULTIPLE)


def _rounded(side: float, step: int) -> int:
    return max(round(side / step), 1) * step
