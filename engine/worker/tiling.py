"""A large picture in equal tiles that overlap, and the tiles as one picture again, without seams."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

OVERLAP = 64  # cells that neighbours share at least; over them one fades into the other
STEP = 8  # tiles' sides are multiples of it, for networks that halve them three times


@dataclass(frozen=True)
class Tiling:
    """`size` (height, width) of the whole in cells, each side cut into tiles of at most `longest` cells.

    Tiles are as small as their number allows, so that they are alike and a pass over one takes the least memory.
    """

    size: tuple[int, int]
    longest: int

    @cached_property
    def tile(self) -> tuple[int, int]:
        """(height, width) of every tile."""
        return _side(self.size[0], self.longest), _side(self.size[1], self.longest)

    @cached_property
    def corners(self) -> list[tuple[int, int]]:
        """(top, left) of each tile, row by row."""
        tops, lefts = (_begins(whole, side) for whole, side in zip(self.size, self.tile, strict=True))
        return [(top, left) for top in tops for left in lefts]

    def cut(self, whole: torch.Tensor, number: int) -> torch.Tensor:
        """Tile `number` of [..., h, w]."""
        top, left = self.corners[number]
        return whole[..., top : top + self.tile[0], left : left + self.tile[1]]

    def joined(self, tiles: Sequence[torch.Tensor], factor: int = 1) -> torch.Tensor:
        """The whole, [..., factor × h, factor × w], of all its tiles, each `factor` times as large as it was cut.

        A mean with weights that fall linearly towards a tile's edge.
        """
        height, width = (factor * side for side in self.size)
        ramps = [_ramp(factor * side, factor * OVERLAP) for side in self.tile]
        weight = (ramps[0][:, None] * ramps[1][None]).to(tiles[0])
        total = tiles[0].new_zeros((*tiles[0].shape[:-2], height, width))
        weights = tiles[0].new_zeros((height, width))
        for (top, left), tile in zip(self.corners, tiles, strict=True):
            rows = slice(factor * top, factor * top + weight.shape[0])
            columns = slice(factor * left, factor * left + weight.shape[1])
            total[..., rows, columns] += tile * weight
            weights[rows, columns] += weight
        return total / weights


def _side(whole: int, longest: int) -> int:
    if whole <= longest:
        return whole
    number = -(-(whole - OVERLAP) // (longest - OVERLAP))
    least = -(-(whole + (number - 1) * OVERLAP) // number)
    return -(-least // STEP) * STEP


def _begins(whole: int, side: int) -> list[int]:
    number = 1 if whole == side else -(-(whole - OVERLAP) // (side - OVERLAP))
    return [round(n * (whole - side) / max(number - 1, 1)) for n in range(number)]


def _ramp(length: int, overlap: int) -> torch.Tensor:
    """Weights along a side, in (0, 1]: rising over `overlap` from the edges."""
    from_edge = torch.minimum(torch.arange(length), torch.arange(length).flip(0)) + 0.5
    return (from_edge / overlap).clamp(max=1.0)
