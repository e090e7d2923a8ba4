"""Long prompts are cut into chunks, at a comma where one is near."""

from hypothesis import given
from hypothesis import strategies as st

from engine.prompts.chunks import COMMA_REACH, Chunk, Token, fill
from tests.engine.prompts.effort import STEADY

COMMA = 0
SIZE = 75


def words(count: int, *commas: int) -> list[Token]:
    """Tokens 1, 2, 3, … with commas at the positions given."""
    return [(COMMA if index in commas else index + 1, 1.0) for index in range(count)]


def sizes(*sections: list[Token]) -> list[int]:
    return [len(chunk.tokens) for chunk in fill(sections, size=SIZE, comma=COMMA)]


def test_what_fits_is_one_chunk() -> None:
    assert sizes(words(75)) == [75]
    assert sizes([]) == [0]


def test_what_does_not_fit_goes_on_in_the_next_chunk() -> None:
    assert sizes(words(76)) == [75, 1]
    assert sizes(words(151)) == [75, 75, 1]


def test_a_comma_within_reach_ends_the_chunk() -> None:
    assert sizes(words(80, 60)) == [61, 19]
    assert sizes(words(80, 56, 60)) == [61, 19]
    assert sizes(words(80, 75 - COMMA_REACH)) == [56, 24]
    assert sizes(words(80, 74)) == [75, 5]


def test_a_comma_out_of_reach_ends_nothing() -> None:
    assert sizes(words(80, 74 - COMMA_REACH)) == [75, 5]
    assert sizes(words(75, 60)) == [75]


def test_a_comma_that_does_not_fit_begins_the_next_chunk() -> None:
    assert sizes(words(80, 60, 75)) == [75, 5]


def test_a_section_begins_a_new_chunk() -> None:
    assert sizes(words(3), words(2)) == [3, 2]
    assert sizes([], words(2)) == [0, 2]
    assert sizes(words(3), []) == [3]
    assert sizes([], []) == [0]


def test_tied_tokens_stay_in_one_chunk_if_it_can_hold_them() -> None:
    def tied(*numbers: int) -> list[int]:
        section = words(80)
        return [len(chunk.tokens) for chunk in fill([section], size=SIZE, comma=COMMA, tied=numbers)]

    assert tied(75, 76, 77) == [73, 7]  # 74 begins what cannot be parted
    assert tied(77, 78) == [75, 5]
    assert tied(*range(2, 81)) == [75, 5]  # longer than a chunk


def test_weights_stay_with_their_tokens() -> None:
    section = [(number, number / 10) for number in range(1, 78)]
    first, second = fill([section], size=SIZE, comma=COMMA)
    assert first == Chunk(tuple(range(1, 76)), tuple(n / 10 for n in range(1, 76)))
    assert second == Chunk((76, 77), (7.6, 7.7))


@STEADY
@given(st.lists(st.lists(st.integers(0, 3).map(lambda n: (n, 1.0)), max_size=300), min_size=1, max_size=4))
def test_no_token_is_lost_and_no_chunk_is_too_large(sections: list[list[Token]]) -> None:
    chunks = fill(sections, size=SIZE, comma=COMMA)
    assert [token for chunk in chunks for token in chunk.tokens] == [n for each in sections for n, _ in each]
    assert all(len(chunk.tokens) <= SIZE for chunk in chunks)
    assert len(chunks) <= len(sections) + sum(len(each) for each in sections) // (SIZE - COMMA_REACH)
