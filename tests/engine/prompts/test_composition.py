"""AND divides a prompt into parts with weights."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.prompts.composition import Part, parts
from engine.prompts.limits import MAX_PARTS, MAX_WEIGHT
from tests.engine.prompts.effort import STEADY, assert_linear


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("left AND right:0.5", [("left", 1.0), ("right", 0.5)]),
        ("a AND b AND c:2", [("a", 1.0), ("b", 1.0), ("c", 2.0)]),
        ("a :1.2 AND b : -.5 ", [("a", 1.2), ("b", -0.5)]),
        ("a: b AND c:d", [("a: b", 1.0), ("c:d", 1.0)]),
        ("(a:1.3) AND b", [("(a:1.3)", 1.0), ("b", 1.0)]),
        ("AND", [("", 1.0), ("", 1.0)]),
    ],
)
def test_each_part_has_its_own_weight(text: str, expected: list[tuple[str, float]]) -> None:
    assert parts(text) == tuple(Part(*each) for each in expected)


@pytest.mark.parametrize("text", ["a cat", "a SAND castle, BAND", "a and b", "at 12:30", "", " a :2 "])
def test_without_an_and_the_text_is_the_only_part(text: str) -> None:
    assert parts(text) == (Part(text),)


def test_beyond_the_cap_and_is_a_word() -> None:
    many = parts(" AND ".join("abcdefghij"))
    assert len(many) == MAX_PARTS
    assert many[-1].text == "h AND i AND j"


@STEADY
@given(st.text() | st.lists(st.sampled_from(["AND", ":", " ", "1", ".", "-", "a"])).map("".join))
def test_any_text_has_parts(text: str) -> None:
    assert all(abs(part.weight) <= MAX_WEIGHT for part in parts(text))


@pytest.mark.parametrize("pattern", [" AND ", ":", ": ", "1.", "a AND b:1 "])
def test_work_grows_with_the_length_and_no_faster(pattern: str) -> None:
    assert_linear(parts, pattern)


def test_a_number_without_end_is_read_once() -> None:
    text = "a AND b:" + "1" * 100_000 + "x"  # with a pattern that goes back, this would take hours
    assert [part.weight for part in parts(text)] == [1.0, 1.0]
