"""From a prompt to what the network is conditioned on, with a cache: chats repeat their prompts."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import torch

CACHE_ENTRIES = 1024  # a CLIP-L embedding is 118 KB in bfloat16: about 120 MB when full


@dataclass(frozen=True, kw_only=True)
class Conditioning:
    """`rows` [2, tokens, width] (unconditional, conditional), or [1, tokens, width] without guidance.

    `cut` is the end of the prompt that the encoder could not read, "" if it read all.
    """

    rows: torch.Tensor
    cut: str = ""


@dataclass(frozen=True)
class _Encoded:
    embedding: torch.Tensor
    cut: str


class PromptEncoder:
    """One model's tokenizer and text encoder.

    As diffusers' `StableDiffusionPipeline.encode_prompt`: padded and cut to the encoder's length,
    the last hidden state (for SD 2.x the checkpoint already leaves out the last layer).
    """

    def __init__(self, *, tokenizer: Any, text_encoder: Any, device: torch.device) -> None:
        self._tokenizer = tokenizer
        self._text_encoder = text_encoder
        self._device = device
        self._cache: OrderedDict[str, _Encoded] = OrderedDict()

    def encode(self, prompt: str, negative_prompt: str, *, guided: bool) -> Conditioning:
        """Conditioning for one image. Without guidance the negative prompt plays no part."""
        positive = self._embed(prompt)
        if not guided:
            return Conditioning(rows=positive.embedding, cut=positive.cut)
        negative = self._embed(negative_prompt)
        return Conditioning(rows=torch.cat([negative.embedding, positive.embedding]), cut=positive.cut)

    def _embed(self, text: str) -> _Encoded:
        if text in self._cache:
            self._cache.move_to_end(text)
            return self._cache[text]
        encoded = self._cache[text] = self._run(text)
        if len(self._cache) > CACHE_ENTRIES:
            self._cache.popitem(last=False)
        return encoded

    @torch.inference_mode()
    def _run(self, text: str) -> _Encoded:
        length = self._tokenizer.model_max_length
        tokens = self._tokenizer(
            text, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        )
        uses_mask = getattr(self._text_encoder.config, "use_attention_mask", False)
        mask = tokens.attention_mask.to(self._device) if uses_mask else None
        hidden = self._text_encoder(tokens.input_ids.to(self._device), attention_mask=mask)[0]
        return _Encoded(hidden, self._cut_from(text, length))

    def _cut_from(self, text: str, length: int) -> str:
        whole = self._tokenizer(text).input_ids
        cut = self._tokenizer.decode(whole[length - 1 : -1]) if len(whole) > length else ""
        return str(cut).strip("\ufffd ")  # the cut may go through a character of several tokens
