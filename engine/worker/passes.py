"""One tick in several forward passes, where its rows do not fit into memory together."""

from typing import Any

import torch
from torch.utils._pytree import tree_map


def in_passes(network: Any, most: int, sample: torch.Tensor, *inputs: Any, **options: Any) -> Any:
    """All tensors that the network makes of the rows of `sample`, [rows, c, h, w], at most `most` rows at a time.

    Every tensor among the inputs that has one entry for each row is split likewise. Rows are independent: the
    result is that of a single pass, up to float rounding.
    """
    rows = len(sample)
    if rows <= most:
        return network(sample, *inputs, return_dict=False, **options)

    def part(begin: int) -> Any:
        def cut(value: Any) -> Any:
            whole = not isinstance(value, torch.Tensor) or value.dim() == 0 or len(value) != rows
            return value if whole else value[begin : begin + most]

        given, named = tree_map(cut, ((sample, *inputs), options))
        return network(*given, return_dict=False, **named)

    return tree_map(lambda *parts: torch.cat(parts), *[part(begin) for begin in range(0, rows, most)])
