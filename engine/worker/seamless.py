"""Pictures whose opposite edges go on in each other, as A1111's "Tiling": convolutions pad a picture with itself.

The networks stay as they are: inside a block their convolutions are given other borders, and nobody else's are. After
the asymmetric tiling of AUTOMATIC1111's and InvokeAI's networks, which set `padding_mode` on each layer instead.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from engine.wire import Seamless

Sides = tuple[int, int, int, int]  # left, right, top, bottom, as torch counts
_EDGE = 4  # dimensions of what has borders: [rows, channels, h, w]


@contextmanager
def seamless(axes: Seamless) -> Iterator[None]:
    """Convolve around the edges of `axes` within the block."""
    if axes is Seamless.NONE:
        yield
        return
    with _Around(axes):
        yield


def wrapped(picture: torch.Tensor, axes: Seamless, sides: Sides) -> torch.Tensor:
    """[n, c, h, w] with so much of its opposite edge on each side of `axes`; the other sides stay as they are."""
    left, right, top, bottom = _along(axes, sides)
    return functional.pad(picture, (left, right, top, bottom), mode="circular")


def cropped(picture: torch.Tensor, axes: Seamless, margin: int) -> torch.Tensor:
    """What was `wrapped` by `margin` on all sides, without that."""
    left, right, top, bottom = _along(axes, (margin,) * 4)
    height, width = picture.shape[-2:]
    return picture[..., top : height - bottom, left : width - right]


class _Around(TorchFunctionMode):
    """Gives convolutions, and what pads by itself, the other edge where there would be zeros."""

    def __init__(self, axes: Seamless) -> None:
        super().__init__()
        self._axes = axes

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        del types
        named = kwargs or {}
        if function is functional.conv2d:
            return _convolved(self._axes, *args, **named)
        if function is functional.pad:
            return _padded(self._axes, *args, **named)
        return function(*args, **named)


def _convolved(
    axes: Seamless,
    picture: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> torch.Tensor:
    across_down = (padding, padding) if isinstance(padding, int) else padding
    if isinstance(across_down, str) or not any(across_down):
        return functional.conv2d(picture, weight, bias, stride, padding, dilation, groups)
    down, across = across_down
    around = wrapped(picture, axes, (across, across, down, down))
    left = (0 if axes.down else down, 0 if axes.across else across)
    return functional.conv2d(around, weight, bias, stride, left, dilation, groups)


def _padded(
    axes: Seamless, picture: torch.Tensor, pad: Any, mode: str = "constant", value: float | None = None
) -> torch.Tensor:
    """The autoencoder's encoder pads on two sides only, before a convolution that does not."""
    if mode != "constant" or picture.dim() != _EDGE or len(pad) != _EDGE or min(pad) < 0:
        return functional.pad(picture, pad, mode, value)
    around = wrapped(picture, axes, tuple(pad))
    left, right, top, bottom = (each - there for each, there in zip(pad, _along(axes, pad), strict=True))
    return functional.pad(around, (left, right, top, bottom), mode, value)


def _along(axes: Seamless, sides: Sides) -> Sides:
    """Those of the sides that are padded with the opposite edge; 0 for the others."""
    left, right, top, bottom = sides
    return (*((left, right) if axes.across else (0, 0)), *((top, bottom) if axes.down else (0, 0)))
