"""Higher precision for what half precision could not hold: float16 ends at 65504, and then come infinity and NaN.

The weights stay as they are. Each operation widens what it is given, so that it costs the memory of one layer, not of
a second network, and works wherever the weights are just now.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

HALF = (torch.float16, torch.bfloat16)


class Precision(IntEnum):
    """How an image's numbers are computed, from the fastest on."""

    USUAL = 0  # as the device's format has it
    ATTENTION = 1  # attention in float32: what SD 2.x calls `upcast_attention`
    FULL = 2  # everything in float32

    def next_of(self, dtype: torch.dtype) -> "Precision | None":
        """The next higher one; None where there is none, as in float32."""
        return Precision(self + 1) if dtype in HALF and self < Precision.FULL else None


_ATTENTION = (functional.scaled_dot_product_attention, torch.baddbmm, torch.bmm)
_EVERYTHING = (
    *_ATTENTION,
    *(functional.linear, functional.conv2d, functional.group_norm, functional.layer_norm),
    torch.Tensor.to,  # networks go back to the format of their weights here and there
)
_WIDENED: dict[Precision, tuple[Callable[..., Any], ...]] = {
    Precision.ATTENTION: _ATTENTION,
    Precision.FULL: _EVERYTHING,
}


@contextmanager
def computing(precision: Precision) -> Iterator[None]:
    """Compute in this precision within the block."""
    if precision is Precision.USUAL:
        yield
        return
    with _Widened(_WIDENED[precision]):
        yield


class _Widened(TorchFunctionMode):
    """Gives certain functions float32 in place of half precision."""

    def __init__(self, functions: tuple[Callable[..., Any], ...]) -> None:
        super().__init__()
        self._functions = functions

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        del types
        named = kwargs or {}
        if function not in self._functions:
            return function(*args, **named)
        given, named = tree_map(_wide, (args, dict(named)))
        return function(*given, **named)


def _wide(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.float() if value.dtype in HALF else value
    return torch.float32 if value in HALF else value
