"""LoRAs are named in the prompt and taken out of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Refusal
from engine.prompts.loras import Lora, check, take_out
from tests.engine.prompts.effort import STEADY


@pytest.mark.parametrize(
    ("tag", "lora"),
    [
        ("<lora:detail>", Lora("detail", 1.0, 1.0)),
        ("<lora:detail:0.8>", Lora("detail", 0.8, 0.8)),
        ("<lora:a b-c_2: .5 : -1 >", Lora("a b-c_2", 0.5, -1.0)),
        ("<lyco:detail:1:0.5>", Lora("detail", 1.0, 0.5)),
        ("<lora:detail:unet=0.5:te=0.2>", Lora("detail", 0.2, 0.5)),
    ],
)
def test_a_tag_gives_a_name_and_two_weights(tag: str, lora: Lora) -> None:
    assert take_out(f"a {tag}cat") == ("a cat", (lora,))


@pytest.mark.parametrize(
    "text", ["<lora:>", "<lora:a:b>", "<lora:a:1:1:1>", "<lora:a", "<hypernet:a:1>", "a < b > c", "<lora :a>"]
)
def test_what_is_not_well_formed_is_text(text: str) -> None:
    assert take_out(text) == (text, ())


def test_every_tag_of_a_prompt_counts() -> None:
    text, loras = take_out("<lora:one:1>, a cat <lora:two:0.5>")
    assert text == ", a cat "
    assert [lora.name for lora in loras] == ["one", "two"]


def test_a_lora_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(Refusal) as refused:
        check("a cat <lora:detial:1>", known=("detail", "film"), field="prompt")
    assert refused.value.body.code == "unknown_lora"
    assert refused.value.body.field == "prompt"
    assert refused.value.body.message == "There is no LoRA called 'detial'. Known: detail, film."
    assert refused.value.body.hint == "detail"
    with pytest.raises(Refusal, match="no LoRA called 'film'"):
        check("<lora:film>", known=(), field="prompt")
    check("a cat <lora:film>", known=("film",), field="prompt")


@STEADY
@given(st.text() | st.lists(st.sampled_from(["<", ">", "lora", "<lora:", ":", "1", "te=", "a"])).map("".join))
def test_any_text_can_be_read(text: str) -> None:
    rest, loras = take_out(text)
    assert (rest == text) == (not loras)
