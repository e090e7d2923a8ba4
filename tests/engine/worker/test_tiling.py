from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.worker.tiling import OVERLAP, Tiling

sides = st.integers(8, 1500)


@given(height=sides, width=sides)
def test_tiles_cover_the_whole_overlap_and_are_not_too_long(height: int, width: int) -> None:
    tiling = Tiling((height, width), 512)
    for axis, whole in enumerate((height, width)):
        side, begins = tiling.tile[axis], sorted({corner[axis] for corner in tiling.corners})
        assert side <= min(whole, 512)
        assert begins[0] == 0
        assert begins[-1] + side == whole
        assert all(b - a <= side - OVERLAP for a, b in pairwise(begins))


def test_what_fits_is_one_tile() -> None:
    tiling = Tiling((512, 300), 512)
    assert tiling.corners == [(0, 0)]
    assert tiling.tile == (512, 300)


def test_the_tiles_of_a_picture_join_to_the_picture() -> None:
    whole = torch.randn((1, 3, 150, 260), generator=torch.Generator().manual_seed(1))
    tiling = Tiling((150, 260), 128)
    tiles = [tiling.cut(whole, n) for n in range(len(tiling.corners))]
    assert len(tiles) == 8
    torch.testing.assert_close(tiling.joined(tiles), whole)


def test_tiles_come_back_as_large_as_the_network_makes_them() -> None:
    whole = torch.randn((1, 4, 72, 200), generator=torch.Generator().manual_seed(1))
    larger = torch.nn.functional.interpolate(whole, scale_factor=4)
    tiling = Tiling((72, 200), 128)
    tiles = [tiling.cut(whole, n) for n in range(len(tiling.corners))]
    made = [torch.nn.functional.interpolate(tile, scale_factor=4) for tile in tiles]
    torch.testing.assert_close(tiling.joined(made, 4), larger)


@pytest.mark.parametrize("width", [520, 600, 700, 1000, 2048])
def test_neighbours_that_differ_fade_into_each_other(width: int) -> None:
    """The worst that tiles can do: each of another brightness. No step is larger than a fade over the overlap."""
    tiling = Tiling((64, width), 512)
    tiles = [torch.full((1, 1, *tiling.tile), float(n % 2)) for n in range(len(tiling.corners))]
    row = tiling.joined(tiles)[0, 0, 0]
    assert {row.min().item(), row.max().item()} == {0, 1}
    assert (row[1:] - row[:-1]).abs().max() <= 1.01 / OVERLAP
