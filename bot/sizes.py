"""How large a picture is: a person's words, or the picture that they sent, to a width and a height. Pure."""

import math
import re

from bot.checks import between, quoted
from bot.errors import Refused
from engine.wire import Limits, ModelInfo

STEP = 64  # sides in between are legal, but models are trained on multiples of 64 …
SMALL_STEP = 32  # … and for small ones 64 is too coarse to tell wide from landscape
SMALL = 512
ASPECTS = {"square": (1, 1), "portrait": (2, 3), "landscape": (3, 2), "wide": (16, 9)}
_TYPED = re.compile(r"\s*(\d{1,9})\s*[x×*]\s*(\d{1,9})\s*", re.IGNORECASE | re.ASCII)


def typed_size(text: str, model: ModelInfo, limits: Limits) -> tuple[int, int]:
    """(width, height) of a shape's name or of such as "512x768". Raises Refused."""
    name = text.strip().casefold()
    if name in ASPECTS:
        return fit(ASPECTS[name], model, limits)
    typed = _TYPED.fullmatch(text)
    if typed is None:
        raise Refused(
            f"size must be {', '.join(ASPECTS)}, or a width and a height such as 512x768; it was {quoted(text)}."
        )
    width, height = int(typed[1]), int(typed[2])
    _check_side("width", width, model, limits)
    _check_side("height", height, model, limits)
    if width * height > limits.pixels:
        raise Refused(
            f"size must be at most {limits.pixels} pixels in all; {width}x{height} is {width * height}."
        )
    return width, height


def preset_sizes(model: ModelInfo, limits: Limits) -> dict[str, tuple[int, int]]:
    """The named sizes in this model's own pixels: about the area it was trained on, in other shapes."""
    return {name: fit(aspect, model, limits) for name, aspect in ASPECTS.items()}


def fit(aspect: tuple[int, int], model: ModelInfo, limits: Limits) -> tuple[int, int]:
    """The size nearest to the model's own area with this aspect, in multiples of 64 pixels; 32 for small models."""
    small = min(model.defaults.width, model.defaults.height) < SMALL
    return nearest(aspect, model, limits, step=SMALL_STEP if small else STEP)


def nearest(aspect: tuple[int, int], model: ModelInfo, limits: Limits, *, step: int) -> tuple[int, int]:
    """The same in multiples of `step` pixels."""
    area = model.defaults.width * model.defaults.height
    wide = aspect[0] / aspect[1]
    longest = _longest(model, limits)

    def side(length: float) -> int:
        return min(max(round(length / step) * step, limits.min_side), longest)

    return side(math.sqrt(area * wide)), side(math.sqrt(area / wide))


def _check_side(field: str, value: int, model: ModelInfo, limits: Limits) -> None:
    between(field, value, limits.min_side, _longest(model, limits))
    if below := value % model.side_multiple:
        step = model.side_multiple
        raise Refused(
            f"{field} must be a multiple of {step}, such as {value - below} or {value - below + step}; "
            f"it was {value}."
        )


def _longest(model: ModelInfo, limits: Limits) -> int:
    longest = min(model.max_side, limits.max_side)
    return longest - longest % model.side_multiple
