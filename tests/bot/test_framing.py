"""A picture on a larger canvas: its own pixels where that goes, and never more than the model draws well."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bot.errors import Refused
from bot.framing import Direction, direction_of, framed, scaled
from bot.redraw import ROOMY
from engine.wire import Limits, Margins
from tests.bot.commands.scripted_engine import picture
from tests.bot.samples import model

LIMITS = Limits()
SIDES = st.integers(8, 4096)


@pytest.mark.parametrize(
    ("direction", "picture", "inner", "margins"),
    [
        (Direction.OUT, (512, 512), (344, 344), Margins(left=80, right=88, up=80, down=88)),
        (Direction.RIGHT, (512, 512), (512, 512), Margins(right=256)),
        (Direction.UP, (512, 512), (512, 512), Margins(up=256)),
        (Direction.DOWN, (768, 512), (728, 488), Margins(down=240)),  # as long as the model goes
        (Direction.LEFT, (64, 64), (416, 416), Margins(left=208)),  # nor smaller than it draws
    ],
)
def test_a_canvas_of_a_model_that_draws_512_x_512(
    direction: Direction, picture: tuple[int, int], inner: tuple[int, int], margins: Margins
) -> None:
    frame = framed(direction, picture, model(), LIMITS)
    assert (frame.picture, frame.margins) == (inner, margins)


@given(st.sampled_from(list(Direction)), SIDES, SIDES, st.sampled_from([8, 16, 64]))
def test_every_canvas_can_be_drawn(direction: Direction, width: int, height: int, multiple: int) -> None:
    drawer = model(side_multiple=multiple)
    if max(width, height) > 12 * min(width, height):
        return  # a strip: refused before
    frame = framed(direction, (width, height), drawer, LIMITS)
    assert all(side % multiple == 0 and side <= LIMITS.max_side for side in frame.whole)
    assert frame.whole[0] * frame.whole[1] <= 1.3 * ROOMY * 512 * 512
    assert any(margin for _, margin in frame.margins)
    assert min(frame.picture) >= LIMITS.input_side


def test_the_margins_are_told_as_a_person_would_write_them() -> None:
    assert framed(Direction.OUT, (512, 512), model(), LIMITS).words == "left=80,right=88,up=80,down=88"


def test_a_picture_that_keeps_its_size_keeps_its_bytes() -> None:
    given_ = picture(size=(64, 64))
    assert scaled(given_, (64, 64)) is given_
    with Image.open(io.BytesIO(scaled(given_, (32, 40)))) as smaller:
        assert (smaller.format, smaller.size) == ("PNG", (32, 40))


def test_a_direction_is_read_in_any_case_and_no_other_word_is() -> None:
    assert direction_of(" Out ") is Direction.OUT
    with pytest.raises(
        Refused, match=r"outpaint must be one of out, left, up, down, right; it was 'north'\."
    ):
        direction_of("north")
