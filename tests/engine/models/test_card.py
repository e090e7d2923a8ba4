"""What a model's card says, and the hint for words that a small model never saw."""

import pytest
from pydantic import ValidationError

from engine.models.card import Card, Vocabulary

SMALL = Vocabulary(
    words=frozenset({"a", "hamster", "with", "brush", "in", "hat", "cat", "boxes"}),
    examples=("a hamster with a brush", "a cat in a hat", "a third one"),
)


@pytest.mark.parametrize(
    "prompt",
    [
        "a hamster with a brush",
        "A HAMSTER, in a hat!",
        "2 hamsters",
        "(a cat:1.3), [hat]",
        "",
        "🐹 12",
        "a cat <lora:watercolour:0.8>",
    ],
)
def test_who_asks_for_what_the_model_knows_gets_no_hint(prompt: str) -> None:
    assert SMALL.hint(prompt) is None


def test_a_hint_names_the_words_once_says_what_works_and_how_to_get_more() -> None:
    assert SMALL.hint("a cathedral with a Cathedral and a hamstr") == (
        "This small demo model does not know “cathedral”, “and”, “hamstr” (did you mean “hamster”?). It draws"
        " emoji-like things: try “a hamster with a brush” or “a cat in a hat”. For everything else, add a real"
        " model: the README says how."
    )


def test_a_hint_names_three_words_at_most() -> None:
    hint = SMALL.hint("xxa xxb xxc xxd xxe")
    assert hint is not None
    assert "“xxc” and more." in hint
    assert "xxd" not in hint


@pytest.mark.parametrize(
    "card",
    [
        {"latent_to_rgb": [[0, 0, 0]] * 4},
        {"latent_to_rgb": [[0, 0]] * 5},
        {"vocabulary": {"wrods": []}},
        {"tilte": "x"},
    ],
)
def test_a_card_with_a_mistake_is_refused(card: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Card.model_validate(card)
