"""Prompts become embeddings once; what the encoder could not read is named."""

from typing import Any

import pytest
import torch
from transformers import CLIPTextConfig, CLIPTextModel

from engine.prompts.encoding import CACHE_ENTRIES, PromptEncoder
from tests.engine.tiny_model import clip_tokenizer


class Counting:
    """A real text encoder that counts how often it runs."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        config = CLIPTextConfig(
            hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2, vocab_size=49408
        )
        self.network, self.config, self.runs = CLIPTextModel(config).eval(), config, 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.runs += 1
        return self.network(*args, **kwargs)


@pytest.fixture
def text_encoder() -> Counting:
    return Counting()


@pytest.fixture
def prompts(text_encoder: Counting) -> PromptEncoder:
    return PromptEncoder(tokenizer=clip_tokenizer(), text_encoder=text_encoder, device=torch.device("cpu"))


def test_a_guided_image_has_the_negative_row_first(prompts: PromptEncoder) -> None:
    guided = prompts.encode("a cat", "a dog", guided=True)
    assert guided.rows.shape == (2, 77, 8)
    assert torch.equal(guided.rows[1:], prompts.encode("a cat", "", guided=False).rows)
    assert torch.equal(guided.rows[:1], prompts.encode("a dog", "", guided=False).rows)


def test_a_prompt_is_encoded_once(prompts: PromptEncoder, text_encoder: Counting) -> None:
    for _ in range(3):
        prompts.encode("a cat", "", guided=True)
    assert text_encoder.runs == 2  # the prompt, and the empty negative one


def test_the_cache_is_bounded(prompts: PromptEncoder, text_encoder: Counting) -> None:
    for number in range(CACHE_ENTRIES + 1):
        prompts.encode(f"cat {number}", "", guided=False)
    prompts.encode("cat 0", "", guided=False)
    assert text_encoder.runs == CACHE_ENTRIES + 2


def test_the_part_of_a_prompt_that_was_cut_is_named(prompts: PromptEncoder) -> None:
    assert prompts.encode("cat " * 75, "", guided=False).cut == ""
    assert prompts.encode("cat " * 75 + "dog bird", "", guided=False).cut == "dog bird"
