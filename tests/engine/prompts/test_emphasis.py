"""Emphasis as AUTOMATIC1111's own examples have it, and any text at all."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.prompts.emphasis import Span, sections
from engine.prompts.limits import MAX_NESTING, MAX_WEIGHT
from tests.engine.prompts.effort import STEADY, assert_linear

# Inputs and outputs that A1111 publishes for its attention grammar.
PUBLISHED = {
    "normal text": [("normal text", 1.0)],
    "an (important) word": [("an ", 1.0), ("important", 1.1), (" word", 1.0)],
    "(unbalanced": [("unbalanced", 1.1)],
    r"\(literal\]": [("(literal]", 1.0)],
    "(unnecessary)(parens)": [("unnecessaryparens", 1.1)],
    "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).": [
        ("a ", 1.0),
        ("house", 1.5730000000000004),
        (" ", 1.1),
        ("on", 1.0),
        (" a ", 1.1),
        ("hill", 0.55),
        (", sun, ", 1.1),
        ("sky", 1.4641000000000006),
        (".", 1.1),
    ],
}

PIECES = st.sampled_from(
    ["(", ")", "[", "]", "\\", ":", ":1.3)", ":-.5 )", "BREAK", " BREAK ", "a", " ", "1.2.3", "(", "["]
)
BRACKETY = st.lists(PIECES, max_size=60).map("".join)


def spans(text: str) -> list[tuple[str, float]]:
    (only,) = sections(text)
    return [(span.text, span.weight) for span in only]


@pytest.mark.parametrize("text", PUBLISHED)
def test_a_published_example_has_its_published_weights(text: str) -> None:
    assert spans(text) == PUBLISHED[text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[x]", [("x", 1 / 1.1)]),
        ("((x:1.2))", [("x", 1.2 * 1.1)]),
        ("(x: +.5 ) y", [("x", 0.5), (" y", 1.0)]),
        ("(x:0)", [("x", 0.0)]),
        ("(x:-1)", [("x", -1.0)]),
        ("(a [b) c]", [("a ", 1.1), ("b", 1.1 / 1.1), (" c", 1 / 1.1)]),
        (r"\\ \{a\|b\}", [(r"\ {a|b}", 1.0)]),
    ],
)
def test_weights_multiply_and_brackets_may_cross(text: str, expected: list[tuple[str, float]]) -> None:
    assert [text for text, _ in spans(text)] == [text for text, _ in expected]
    assert [weight for _, weight in spans(text)] == pytest.approx([weight for _, weight in expected])


@pytest.mark.parametrize("text", ["a) b] c", "x:1.3) y", "a:b", "12:30", "a \\ b", "", "1:2)", "BREAKfast"])
def test_what_is_not_well_formed_is_text(text: str) -> None:
    assert spans(text) == [(text, 1.0)]


def test_a_number_that_is_none_closes_nothing_by_itself() -> None:
    assert spans("(x:1.2.3)") == [("x:1.2.3", 1.1)]


def test_break_divides_the_text_inside_brackets_too() -> None:
    assert sections("a BREAK b") == ((Span("a"),), (Span("b"),))
    assert sections("(a BREAK b:1.5)") == ((Span("a", 1.5),), (Span("b", 1.5),))
    assert sections("BREAK") == ((Span(""),), (Span(""),))


def test_a_weight_beyond_all_measure_is_bounded() -> None:
    assert spans("(x:" + "9" * 400 + ")") == [("x", MAX_WEIGHT)]
    assert spans("(" * 20 + "x" + ":-50)" * 20) == [("x", MAX_WEIGHT)]


def test_brackets_deeper_than_the_cap_are_text() -> None:
    too_many = MAX_NESTING + 5
    ((text, weight),) = spans("(" * too_many + "x" + ")" * too_many)
    assert text == "(((((x)))))"
    assert weight == pytest.approx(1.1**MAX_NESTING)


@STEADY
@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    assert all(abs(span.weight) <= MAX_WEIGHT for section in sections(text) for span in section)


@STEADY
@given(BRACKETY)
def test_any_row_of_brackets_can_be_read_and_neighbours_differ(text: str) -> None:
    for section in sections(text):
        assert section
        assert all(a.weight != b.weight for a, b in pairwise(section))


@STEADY
@given(st.text(alphabet=st.characters(exclude_characters="()[]\\")))
def test_a_text_without_brackets_is_one_span_of_itself(text: str) -> None:
    if "BREAK" not in text:
        assert spans(text) == [(text, 1.0)]


@STEADY
@given(st.text(alphabet="abc ,"))
def test_a_weight_of_one_everywhere_changes_nothing(text: str) -> None:
    assert spans(f"({text}:1)") == spans(text)


@pytest.mark.parametrize(
    "pattern", ["(", "[", ")", "(a", "(a)", "[(a:1.1)", "([", ":", "\\", "a:1.1)", "(a BREAK "]
)
def test_work_grows_with_the_length_and_no_faster(pattern: str) -> None:
    assert_linear(sections, pattern)
