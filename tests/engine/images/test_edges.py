"""Edges of pictures whose edges are known."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from engine.images.edges import canny
from engine.images.preprocessing import preprocess
from engine.wire import Preprocess


def square(colour: object, ground: object = "black") -> Image.Image:
    picture = Image.new("RGB", (40, 40), ground)  # type: ignore[arg-type]
    picture.paste(colour, (10, 12, 30, 28))  # type: ignore[arg-type]
    return picture


def test_the_edge_of_a_square_is_one_closed_thin_line_around_it() -> None:
    edges = canny(square("white")) == 255
    assert edges[:10].sum() == edges[:, :8].sum() == 0  # nothing far from it
    assert edges[13:27, 15:25].sum() == 0  # nor within
    assert all(row.sum() == 2 for row in edges[15:25])  # one pixel to each side
    assert all(column.sum() == 2 for column in edges[:, 13:27].T)


@pytest.mark.parametrize(
    ("colour", "seen"), [((24, 24, 24), False), ((30, 30, 30), False), ((0, 0, 90), True), ("red", True)]
)
def test_an_edge_is_as_steep_as_its_steepest_channel_and_faint_ones_are_none(
    colour: object, seen: bool
) -> None:
    assert bool(canny(square(colour)).any()) is seen  # 4 × the step must be over 200, at corners 6 ×


def test_a_weak_edge_counts_where_it_is_connected_with_a_strong_one() -> None:
    picture = Image.new("RGB", (60, 20), "black")
    picture.paste((40, 40, 40), (0, 10, 60, 20))  # a weak edge all along: 160
    assert not canny(picture).any()
    picture.paste("white", (0, 10, 20, 20))  # strong at one end
    assert (canny(picture)[8:12, 30:58].max(axis=0) == 255).all()


def test_a_weak_line_is_followed_from_its_strong_end_through_every_turn() -> None:
    """Over thousands of pixels, one after the other: what walks along it must not walk over all again each time."""
    snake = np.zeros((256, 256, 3), np.uint8)
    for turn, top in enumerate(range(4, 240, 12)):
        snake[top : top + 6, 4:252] = 32
        side = 244 if turn % 2 == 0 else 4
        snake[top + 6 : top + 12, side : side + 8] = 32
    picture = Image.fromarray(snake)
    corners = (canny(picture) > 0).sum()  # 6 × 32 at some of them is under 200: nothing is strong
    assert corners == 0
    picture.paste("white", (4, 4, 10, 10))
    edges = canny(picture) > 0
    assert edges[200:].any(axis=1).mean() > 0.5  # at the far end too


def test_a_slanted_edge_is_thin_and_without_gaps() -> None:
    picture = Image.new("RGB", (64, 64), "black")
    ImageDraw.Draw(picture).polygon([(0, 0), (63, 63), (0, 63)], fill="white")
    edges = canny(picture)[4:60, 4:60] == 255
    assert (edges.sum(axis=1) >= 1).all()
    assert edges.sum() <= 2 * len(edges)


def test_a_plain_picture_and_one_of_a_pixel_have_no_edges() -> None:
    assert not canny(Image.new("RGB", (30, 20), "teal")).any()
    assert not canny(Image.new("RGB", (1, 1), "teal")).any()


def test_a_scribble_is_white_strokes_on_black_and_an_inverted_picture_its_negative() -> None:
    paper = square((60, 60, 60), ground=(250, 240, 230))
    scribble = np.asarray(preprocess(paper, Preprocess.SCRIBBLE))
    assert set(np.unique(scribble)) == {0, 255}
    assert scribble[20, 20].tolist() == [255, 255, 255]
    inverted = np.asarray(preprocess(paper, Preprocess.INVERT))
    assert inverted[0, 0].tolist() == [5, 15, 25]


@pytest.mark.parametrize("how", Preprocess)
def test_what_is_made_of_a_picture_has_its_size_and_colours(how: Preprocess) -> None:
    made = preprocess(square("white"), how)
    assert (made.size, made.mode) == ((40, 40), "RGB")
