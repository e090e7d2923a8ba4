"""Schedules as AUTOMATIC1111's own examples have them, and any text at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.prompts.limits import MAX_NESTING
from engine.prompts.schedules import parse
from tests.engine.prompts.effort import STEADY, assert_linear

FEMALE = [(step, "female" if step % 2 else "male") for step in range(1, 11)]
FOUR_TURNS = [(step, "female" if step % 4 == 1 else "male") for step in range(1, 11)]

# Inputs and outputs that A1111 publishes for its schedule grammar, of ten steps.
PUBLISHED = {
    "test": [(10, "test")],
    "a [b:3]": [(3, "a "), (10, "a b")],
    "a [b: 3]": [(3, "a "), (10, "a b")],
    "a [[[b]]:2]": [(2, "a "), (10, "a [[b]]")],
    "[(a:2):3]": [(3, ""), (10, "(a:2)")],
    "a [b : c : 1] d": [(1, "a b  d"), (10, "a  c  d")],
    "a[b:[c:d:2]:1]e": [(1, "abe"), (2, "ace"), (10, "ade")],
    "[x:1]": [(1, ""), (10, "x")],  # a whole number is a step, one with a point a part of them all
    "[x:1.0]": [(10, "")],
    "a [unbalanced": [(10, "a [unbalanced")],
    "a [b:.5] c": [(5, "a  c"), (10, "a b c")],
    "((a][:b:c [d:3]": [(3, "((a][:b:c "), (10, "((a][:b:c d")],
    "[a|(b:1.1)]": [(step, "a" if step % 2 else "(b:1.1)") for step in range(1, 11)],
    "[fe|]male": FEMALE,
    "[fe|||]male": FOUR_TURNS,
}
LANDSCAPE = (
    "fantasy landscape with a [mountain:lake:0.25] and [an oak:a christmas tree:0.75]"
    "[ in foreground::0.6][: in background:0.25] [shoddy:masterful:0.5]"
)
PIECES = st.sampled_from(
    ["(", ")", "[", "]", "\\", ":", "|", "a", " ", ":3]", ":.5]", "[a|", "[a:", "9" * 30]
)
BRACKETY = st.lists(PIECES, max_size=60).map("".join)


@pytest.mark.parametrize("text", PUBLISHED)
def test_a_published_example_has_its_published_table(text: str) -> None:
    assert parse(text).table(10) == PUBLISHED[text]


def test_the_published_landscape_has_its_published_table() -> None:
    assert parse(LANDSCAPE).table(100) == [
        (25, "fantasy landscape with a mountain and an oak in foreground shoddy"),
        (50, "fantasy landscape with a lake and an oak in foreground in background shoddy"),
        (60, "fantasy landscape with a lake and an oak in foreground in background masterful"),
        (75, "fantasy landscape with a lake and an oak in background masterful"),
        (100, "fantasy landscape with a lake and a christmas tree in background masterful"),
    ]


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("[a:10]", [(10, "")]),
        ("[a::10]", [(10, "a")]),
        ("[a::4]", [(4, "a"), (10, "")]),
        ("[a:b:0]", [(10, "b")]),
        ("[a:b:-3]", [(10, "b")]),
        ("[a:b:99]", [(10, "a")]),
        ("[a:b:1]", [(1, "a"), (10, "b")]),
        ("[a:b:1.0]", [(10, "a")]),  # with a point it is a fraction: all of the steps
        ("[a:b:2.5]", [(10, "a")]),
        (f"[a:b:{'9' * 400}.0]", [(10, "a")]),
        ("[[a|b]:c:2]", [(1, "a"), (2, "b"), *((step, "c") for step in range(3, 11))]),
    ],
)
def test_when_is_a_step_or_with_a_point_a_fraction(text: str, table: list[tuple[int, str]]) -> None:
    assert parse(text).table(10) == table


def test_alternation_begins_with_the_first_text() -> None:
    assert [parse("[a|b|c]").at(step, 5) for step in range(1, 6)] == ["a", "b", "c", "a", "b"]


@pytest.mark.parametrize(
    "text",
    [
        "[a:b]",
        "[a:b:c:d:3]",
        "[a:b|c]",
        "[a:b:3",
        "a|b",
        "a:b:3",
        "(a|b)",
        "[a (b:3] c)",
        r"[a\:b\:3]",
        "[a:1e3]",
    ],
)
def test_what_is_not_well_formed_is_text(text: str) -> None:
    assert parse(text).table(10) == [(10, text)]


def test_a_malformed_bracket_does_not_spoil_a_good_one() -> None:
    assert parse("a | [b:c:d:e] [f:g:.5]").table(2) == [(1, "a | [b:c:d:e] f"), (2, "a | [b:c:d:e] g")]


def test_brackets_deeper_than_the_cap_are_text() -> None:
    deep = "[" * (MAX_NESTING + 1) + "a:b:1" + "]" * (MAX_NESTING + 1)
    assert parse(deep).table(2) == [(2, deep)]
    just = "[" * MAX_NESTING + "a:b:1" + "]" * MAX_NESTING
    around = "[" * (MAX_NESTING - 1), "]" * (MAX_NESTING - 1)
    assert parse(just).table(2) == [(1, "a".join(around)), (2, "b".join(around))]


@STEADY
@given(st.text() | BRACKETY, st.integers(1, 150))
def test_any_text_has_a_text_for_every_step(text: str, steps: int) -> None:
    schedule = parse(text)
    table = schedule.table(steps)
    assert table[-1][0] == steps
    for step in (1, steps // 2 + 1, steps):
        assert schedule.at(step, steps) == next(shown for end, shown in table if step <= end)


@STEADY
@given(st.text(alphabet=st.characters(exclude_characters="[]")), st.integers(1, 150))
def test_a_text_without_square_brackets_is_itself_at_every_step(text: str, steps: int) -> None:
    assert parse(text).table(steps) == [(steps, text)]


@pytest.mark.parametrize("pattern", ["[", "(", "]", "[a:", "[a|", "[a:b:3]", "([)]", ":|", "[(", "\\"])
def test_work_grows_with_the_length_and_no_faster(pattern: str) -> None:
    assert_linear(lambda text: parse(text).at(1, 20), pattern)
