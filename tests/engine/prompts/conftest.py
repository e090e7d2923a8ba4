from typing import Any

import pytest
import torch
from transformers import CLIPTextConfig, CLIPTextModel

from engine.models.tokenizer import clip_tokenizer
from engine.prompts.encoding import PromptEncoder


class Counting:
    """A real text encoder that counts how often it runs."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        config = CLIPTextConfig(
            hidden_size=8, intermediate_size=8, num_hidden_layers=3, num_attention_heads=2, vocab_size=49408
        )
        self.network, self.config, self.runs = CLIPTextModel(config).eval(), config, 0
        torch.nn.init.constant_(
            self.final_layer_norm.bias, 0.1
        )  # without one every mean is nothing but rounding

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.runs += 1
        return self.network(*args, **kwargs)

    @property
    def final_layer_norm(self) -> Any:
        return self.network.final_layer_norm


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    return clip_tokenizer()


@pytest.fixture
def text_encoder() -> Counting:
    return Counting()


@pytest.fixture
def prompts(tokenizer: Any, text_encoder: Counting) -> PromptEncoder:
    return PromptEncoder(tokenizer=tokenizer, text_encoder=text_encoder, device=torch.device("cpu"))
