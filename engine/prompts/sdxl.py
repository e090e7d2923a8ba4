"""How SDXL reads a text: with two CLIP encoders (its refiner: the second alone), and what it is told besides.

Equal to diffusers' `StableDiffusionXLPipeline.encode_prompt`. Emphasis and long prompts are AUTOMATIC1111's: each
encoder's embeddings are weighted by themselves, and the pooled embedding of a long text is that of its first chunk.
"""

from collections.abc import Sequence
from typing import Any

import torch

from engine.models import lora_layers
from engine.models.adapters import Adapters, Key
from engine.prompts.chunks import Chunk
from engine.prompts.conditioning import Size
from engine.prompts.encoding import CACHE_BYTES, TEXT_ENCODER, PromptEncoder, bytes_of, emphasised, tokens_of
from engine.prompts.recent import Recent
from engine.prompts.vectors import Vectors

AESTHETIC_SCORES = (6.0, 2.5)  # what diffusers tells the refiner: for the prompt, for the negative prompt
PENULTIMATE = 2  # layers from the end: what SDXL was trained with, without the norm that follows the last one

ENCODERS = ((TEXT_ENCODER, "clip_l"), (f"{TEXT_ENCODER}_2", "clip_g"))  # in diffusers, and in embeddings

Encoded = tuple[torch.Tensor, torch.Tensor]  # [1, 77, width of both encoders] and, pooled, [1, width]


class SdxlPromptEncoder(PromptEncoder):
    """The tokenizers and text encoders of one SDXL, in the order of their embeddings; the last one also pools.

    `zeroes_empty`: an empty negative prompt is zeros instead of the embedding of no words (diffusers'
    `force_zeros_for_empty_prompt`). `scores` are told to a refiner in the place of the picture's target size.
    """

    def __init__(
        self,
        *,
        tokenizers: Sequence[Any],
        text_encoders: Sequence[Any],
        device: torch.device,
        zeroes_empty: bool = True,
        scores: tuple[float, float] | None = None,
    ) -> None:
        super().__init__(tokenizer=tokenizers[0], text_encoder=text_encoders[0], device=device)
        self._pairs = tuple(zip(tokenizers, text_encoders, strict=True))
        self._names = ENCODERS[-len(text_encoders) :]
        self.text_encoders = {name: each for (name, _), each in zip(self._names, text_encoders, strict=True)}
        self._vectors = Vectors(
            {key: each for (_, key), each in zip(self._names, text_encoders, strict=True)}
        )
        self._zeroes_empty = zeroes_empty
        self._scores = scores
        self._encodings: Recent[tuple[Chunk, int, Key], Encoded] = Recent(
            CACHE_BYTES, lambda encoded: sum(map(bytes_of, encoded))
        )

    def embed(
        self,
        text: str,
        *,
        chunks: int,
        clip_skip: int,
        unconditional: bool = False,
        adapters: Adapters | None = None,
    ) -> torch.Tensor:
        embedding = super().embed(text, chunks=chunks, clip_skip=clip_skip, adapters=adapters)
        return torch.zeros_like(embedding) if self._is_nothing(text, unconditional) else embedding

    def added(
        self,
        text: str,
        *,
        clip_skip: int,
        size: Size,
        unconditional: bool,
        adapters: Adapters | None = None,
    ) -> dict[str, torch.Tensor]:
        """`text_embeds` [1, width], the pooled text, and `time_ids` [1, 6]: height and width of the picture as if
        it were one to learn from, not cropped from the top or the left, and as it is to be. A refiner has [1, 5]:
        the aesthetic score is the last.
        """
        adapters = adapters or Adapters()
        pooled = self._encoding(self.read(text, adapters.embeddings).chunks[0], clip_skip, adapters)[1]
        pooled = torch.zeros_like(pooled) if self._is_nothing(text, unconditional) else pooled
        width, height = size
        last = (height, width) if self._scores is None else (self._scores[1 if unconditional else 0],)
        ids = torch.tensor([[height, width, 0, 0, *last]], dtype=torch.float32, device=self._device)
        return {"text_embeds": pooled, "time_ids": ids}

    @property
    def _layers(self) -> int:
        return min(int(encoder.config.num_hidden_layers) for _, encoder in self._pairs)

    def _is_nothing(self, text: str, unconditional: bool) -> bool:
        return self._zeroes_empty and unconditional and not text.strip()

    def _embedding(self, chunk: Chunk, clip_skip: int, adapters: Adapters) -> torch.Tensor:
        return self._encoding(chunk, clip_skip, adapters)[0]

    def _encoding(self, chunk: Chunk, clip_skip: int, adapters: Adapters) -> Encoded:
        key = (chunk, clip_skip, adapters.text_key)
        return self._encodings.get(key, lambda: self._encode(chunk, clip_skip, adapters))

    @torch.inference_mode()
    def _encode(self, chunk: Chunk, clip_skip: int, adapters: Adapters) -> Encoded:
        """`clip_skip` 2 is the same as 1: what people who counted from the last layer wrote into their files."""
        hidden = []
        for (name, key), (tokenizer, encoder) in zip(self._names, self._pairs, strict=True):
            lora_layers.apply(encoder, adapters.of(name), self._device)
            with self._vectors.shown(tokens_of(chunk, tokenizer).to(self._device), key) as tokens:
                output = encoder(tokens, output_hidden_states=True)
            hidden.append(emphasised(output.hidden_states[-max(clip_skip, PENULTIMATE)], chunk.weights))
        return torch.cat(hidden, dim=-1), output.text_embeds
