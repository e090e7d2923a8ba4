"""An image's rows at every step, and how their predictions become one."""

import pytest
import torch

from engine.prompts.encoding import PromptEncoder
from tests.engine.prompts.conftest import Counting


def row(prompts: PromptEncoder, text: str) -> torch.Tensor:
    return prompts.encode(text, "", guided=False).at(1, 1)


def test_a_schedule_changes_the_rows_at_its_step(prompts: PromptEncoder) -> None:
    conditioning = prompts.encode("a [cat:dog:3]", "[rain|snow]", guided=True)
    for step in range(1, 7):
        expected = "a cat" if step <= 3 else "a dog", "rain" if step % 2 else "snow"
        rows = conditioning.at(step, 6)
        assert torch.equal(rows[1:], row(prompts, expected[0]))
        assert torch.equal(rows[:1], row(prompts, expected[1]))


def test_each_text_of_a_schedule_is_encoded_once_however_many_steps(
    prompts: PromptEncoder, text_encoder: Counting
) -> None:
    conditioning = prompts.encode("[cat|dog]", "", guided=True)
    for step in range(1, 151):
        conditioning.at(step, 150)
    assert text_encoder.runs == 3


def test_a_schedule_may_change_the_length(prompts: PromptEncoder) -> None:
    conditioning = prompts.encode(f"a cat [{'dog ' * 80}:2]", "", guided=True)
    assert [conditioning.at(step, 3).shape[1] for step in (1, 2, 3)] == [77, 77, 154]


def test_and_adds_a_row_for_each_part(prompts: PromptEncoder) -> None:
    conditioning = prompts.encode("a cat AND a dog :0.5", "rain", guided=True)
    assert (conditioning.rows, conditioning.weights) == (3, (1.0, 0.5))
    texts = ("rain", "a cat", "a dog")
    assert torch.equal(conditioning.at(1, 1), torch.cat([row(prompts, text) for text in texts]))


def test_and_in_a_negative_prompt_is_a_word(prompts: PromptEncoder) -> None:
    assert prompts.encode("a cat", "rain AND snow", guided=True).rows == 2


def test_a_lora_tag_is_not_read(prompts: PromptEncoder) -> None:
    assert torch.equal(row(prompts, "a cat<lora:film:0.8>"), row(prompts, "a cat"))


@pytest.mark.parametrize(("guided", "scale"), [(True, 7.5), (False, 1.0)])
def test_the_parts_of_a_composition_add_up(prompts: PromptEncoder, guided: bool, scale: float) -> None:
    conditioning = prompts.encode("a AND b :0.5 AND c :-1", "", guided=guided)
    u, a, b, c = predictions = torch.randn(4, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    expected = u + scale * (a - u) + 0.5 * scale * (b - u) - scale * (c - u)
    torch.testing.assert_close(conditioning.combine(predictions, 7.5)[0], expected)


def test_without_guidance_the_only_row_is_the_prediction(prompts: PromptEncoder) -> None:
    prediction = torch.ones(1, 4, 8, 8)
    assert prompts.encode("a", "b", guided=False).combine(prediction, 1.0) is prediction
