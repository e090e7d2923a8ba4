"""What a model's card says, and the hint for words that a small model never saw."""

import pytest
from pydantic import ValidationError

from engine.models.card import Card, Vocabulary

SMALL = Vocabulary(
    words=frozenset({"a", "hamster", "with", "brush", "in", "hat", "cat", "boxes"}),
    advice="Try “a hamster”.",
)


@pytest.mark.parametrize(
    "prompt",
    [
        "a hamster with a brush",
        "A HAMSTER, in a hat!",
        "2 hamsters",
        "(a cat:1.3), [hat]",
        "",
        "12 ° © ™",
        "a cat <lora:watercolour:0.8>",
        "a cat AND a hamster BREAK",
    ],
)
def test_who_asks_for_what_the_model_knows_gets_no_hint(prompt: str) -> None:
    assert SMALL.hint(prompt) is None


def test_a_hint_names_the_words_once_says_what_works_and_how_to_get_more() -> None:
    assert SMALL.hint("a cathedral with a Cathedral and a hamstr") == (
        "This model does not know “cathedral”, “and”, “hamstr” (did you mean “hamster”?). Try “a hamster”."
    )


def test_a_hint_names_three_words_at_most() -> None:
    hint = SMALL.hint("xxa xxb xxc xxd xxe")
    assert hint is not None
    assert "“xxc” and more." in hint
    assert "xxd" not in hint


def test_a_hint_knows_every_alphabet_and_shortens_what_is_long() -> None:
    assert SMALL.hint("a löwe") == "This model does not know “löwe”. Try “a hamster”."
    assert "“猫”" in str(SMALL.hint("猫"))
    assert f"“{'x' * 29}…”" in str(SMALL.hint("x" * 290))


def test_a_hint_names_each_emoji_for_it_is_no_word_that_the_model_reads() -> None:
    assert SMALL.hint("🐱 a cat ☀️👩🏽‍🚀") == (
        "This model does not know “🐱”, “☀️”, “👩🏽‍🚀”. Try “a hamster”."
    )


@pytest.mark.parametrize(
    ("typed", "meant"), [("bruhs", "brush"), ("hamstr", "hamster"), ("elefant", "elephant")]
)
def test_a_hint_takes_letters_in_the_wrong_order_for_one_mistake(typed: str, meant: str) -> None:
    known = Vocabulary(words=frozenset({"brush", "brushes", "bus", "hamster", "hamsters", "elephant"}))
    assert known.hint(typed) == f"This model does not know “{typed}” (did you mean “{meant}”?)."


@pytest.mark.parametrize(
    "card",
    [
        {"latent_to_rgb": [[0, 0, 0]] * 4},
        {"latent_to_rgb": [[0, 0]] * 5},
        {"vocabulary": {"wrods": []}},
        {"title": "x" * 101},
        {"tilte": "x"},
    ],
)
def test_a_card_with_a_mistake_is_refused(card: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Card.model_validate(card)
