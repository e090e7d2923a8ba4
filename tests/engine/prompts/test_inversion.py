"""Names of embeddings are found as words, in any case, the longest first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.prompts.inversion import named, split
from tests.engine.prompts.effort import STEADY

NAMES = ("film", "film noir", "Easy_Neg-2", "v1.5")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("film", ("film",)),
        ("(FILM:1.2), [film]", ("film",)),
        ("a film noir", ("film noir",)),
        ("film, film noir", ("film", "film noir")),
        ("easy_neg-2.", ("Easy_Neg-2",)),
        ("v1.5", ("v1.5",)),
        ("films microfilm film-noir film_ v1x5", ()),
        ("", ()),
    ],
)
def test_a_name_is_found_where_it_is_a_word(text: str, found: tuple[str, ...]) -> None:
    assert named(text, NAMES) == found


def test_the_pieces_between_stay_as_they_are() -> None:
    assert split("A  Film, v1.5!", NAMES) == [
        ("A  ", False),
        ("film", True),
        (", ", False),
        ("v1.5", True),
        ("!", False),
    ]
    assert split("a cat", ()) == [("a cat", False)]


@STEADY
@given(st.text() | st.lists(st.sampled_from(["film", "FILM", "noir", " ", "-", "ſ", "İ"])).map("".join))
def test_any_text_comes_back_whole(text: str) -> None:
    pieces = split(text, NAMES)
    assert "".join(piece for piece, _ in pieces).casefold() == text.casefold()
    assert {piece for piece, is_name in pieces if is_name} <= set(NAMES)


def test_of_two_names_that_differ_in_case_alone_the_one_that_is_written_is_meant() -> None:
    names = ("Film", "film", "Old")
    assert named("a film", names) == ("film",)
    assert named("a Film", names) == ("Film",)
    assert named("a FILM, OLD", names) == ("film", "Old")
    assert split("Film film", names) == [("Film", True), (" ", False), ("film", True)]
