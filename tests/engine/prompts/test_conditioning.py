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
    assert conditioning.weights == (1.0, 0.5)
    texts = ("rain", "a cat", "a dog")
    assert torch.equal(conditioning.at(1, 1), torch.cat([row(prompts, text) for text in texts]))


def test_and_in_a_negative_prompt_is_a_word(prompts: PromptEncoder) -> None:
    assert len(prompts.encode("a cat", "rain AND snow", guided=True).at(1, 1)) == 2


def test_a_lora_tag_is_not_read(prompts: PromptEncoder) -> None:
    assert torch.equal(row(prompts, "a cat<lora:film:0.8>"), row(prompts, "a cat"))


@pytest.mark.parametrize(("guided", "scale"), [(True, 7.5), (False, 1.0)])
def test_the_parts_of_a_composition_add_up(prompts: PromptEncoder, guided: bool, scale: float) -> None:
    conditioning = prompts.encode("a AND b :0.5 AND c :-1", "", guided=guided)
    u, a, b, c = predictions = torch.randn(4, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    expected = u + scale * (a - u) + 0.5 * scale * (b - u) - scale * (c - u)
    torch.testing.assert_close(conditioning.combine(predictions, scale)[0], expected)


def test_without_guidance_the_only_row_is_the_prediction(prompts: PromptEncoder) -> None:
    prediction = torch.ones(1, 4, 8, 8)
    assert prompts.encode("a", "b", guided=False).combine(prediction, 1.0) is prediction


def test_steps_outside_the_interval_have_no_unconditional_row(prompts: PromptEncoder) -> None:
    conditioning = prompts.encode("a cat", "rain", guided=True, interval=(0.2, 0.6))
    guided = [step for step in range(1, 11) if conditioning.guides(step, 10)]
    assert guided == [3, 4, 5, 6]
    assert [len(conditioning.at(step, 10)) for step in range(1, 11)] == [1, 1, 2, 2, 2, 2, 1, 1, 1, 1]
    assert conditioning.rows(range(1, 11), 10) == 14
    assert torch.equal(conditioning.at(1, 10), row(prompts, "a cat"))


def test_behind_the_interval_guidance_goes_on_with_another_scale_where_one_is_given(
    prompts: PromptEncoder,
) -> None:
    conditioning = prompts.encode("a cat", "rain", guided=True, interval=(0.2, 0.6), after=2.0)
    assert [conditioning.scale(7.0, step, 5) for step in range(1, 6)] == [1, 7, 7, 2, 2]
    assert [len(conditioning.at(step, 5)) for step in range(1, 6)] == [1, 2, 2, 2, 2]
    assert conditioning.rows(range(1, 6), 5) == 9
    unguided = prompts.encode("a cat", "rain", guided=False, interval=(0.0, 0.6), after=2.0)
    assert [unguided.scale(1.0, step, 5) for step in range(1, 6)] == [1] * 5
    assert unguided.rows(range(1, 6), 5) == 5


def test_what_and_joins_has_it_always_and_adds_up_plainly_outside(prompts: PromptEncoder) -> None:
    conditioning = prompts.encode("a AND b", "", guided=True, interval=(0.0, 0.5))
    assert [len(conditioning.at(step, 2)) for step in (1, 2)] == [3, 3]
    assert [conditioning.guides(step, 2) for step in (1, 2)] == [True, False]
