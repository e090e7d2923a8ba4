"""From words to embeddings, with a cache: chats repeat their prompts.

What a text without emphasis becomes equals diffusers' `StableDiffusionPipeline.encode_prompt`. Emphasis and
long prompts are AUTOMATIC1111's: every chunk of 75 tokens is encoded alone, its embeddings are multiplied by
their weights and brought back to the chunk's own mean, and the chunks are joined along the tokens.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from engine.errors import Refusal
from engine.models import lora_layers
from engine.models.adapters import Adapters, Key
from engine.models.embedding import Embedding
from engine.prompts.chunks import Chunk, Token, fill
from engine.prompts.conditioning import ALL_STEPS, Conditioning, Interval, Size
from engine.prompts.emphasis import Span, sections
from engine.prompts.inversion import split
from engine.prompts.limits import MAX_CHUNKS
from engine.prompts.recent import Recent
from engine.prompts.vectors import Vectors

MEANINGFUL = 1e-5  # of the standard deviation; CLIP's means are a tenth of it
CACHE_ENTRIES = 1024  # of readings, which are small
TEXT_ENCODER = "text_encoder"  # as diffusers calls the only one, and SDXL's first
CACHE_BYTES = 128 * 2**20  # of embeddings: a chunk's is 118 KB by CLIP-L in bfloat16, 315 KB by SDXL's two


@dataclass(frozen=True)
class Reading:
    """How a text is read: at least one chunk, its tokens in all, and the text of those beyond MAX_CHUNKS."""

    chunks: tuple[Chunk, ...]
    tokens: int
    cut: str = ""


class PromptEncoder:
    """One model's tokenizer and text encoder. `text_encoders` are all that it has, by diffusers' names."""

    def __init__(
        self, *, tokenizer: Any, text_encoder: Any, device: torch.device, cache_bytes: int = CACHE_BYTES
    ) -> None:
        self._tokenizer = tokenizer
        self.text_encoder = text_encoder
        self.text_encoders: Mapping[str, Any] = {TEXT_ENCODER: text_encoder}
        self._device = device
        self._length = int(tokenizer.model_max_length)  # 77: a chunk, its begin and its end
        self._vectors = Vectors({"": text_encoder})
        self._readings: Recent[tuple[str, tuple[str, ...]], Reading] = Recent(CACHE_ENTRIES)
        self._embeddings: Recent[tuple[Chunk, int, Key], torch.Tensor] = Recent(cache_bytes, bytes_of)

    def encode(
        self,
        prompt: str,
        negative_prompt: str,
        *,
        guided: bool,
        interval: Interval = ALL_STEPS,
        after: float = 1.0,
        clip_skip: int = 1,
        adapters: Adapters | None = None,
    ) -> Conditioning:
        """Conditioning for one image, from texts in which every wildcard is chosen.

        `clip_skip` as A1111 counts: 1 is the layer that the model was trained with, each more is one layer
        earlier (diffusers' `clip_skip` is one less). Raises Refusal invalid_field where there is no such layer,
        embedding_incompatible.
        """
        adapters = adapters or Adapters()
        layers = self._layers
        if clip_skip > layers:
            message = f"clip_skip must be at most {layers} with this model; it was {clip_skip}."
            raise Refusal("invalid_field", message, field="clip_skip")
        for embedding in adapters.embeddings:
            self._vectors.tokens(embedding)
        adapted = _Adapted(self, adapters)
        return Conditioning(
            adapted,
            prompt,
            negative_prompt,
            guided=guided,
            interval=interval,
            after=after,
            clip_skip=clip_skip,
            adapters=adapters,
        )

    @property
    def _layers(self) -> int:
        return int(self.text_encoder.config.num_hidden_layers)

    def read(self, text: str, embeddings: Sequence[Embedding] = ()) -> Reading:
        """How a text with emphasis is cut into chunks."""
        key = tuple(embedding.hash for embedding in embeddings)
        return self._readings.get((text, key), lambda: self._read(text, embeddings))

    def embed(
        self,
        text: str,
        *,
        chunks: int,
        clip_skip: int,
        unconditional: bool = False,
        adapters: Adapters | None = None,
    ) -> torch.Tensor:
        """A text's embedding, [1, 77 × chunks, width]; where it has fewer, empty chunks follow.

        `unconditional` texts are read like others; SDXL's may be zeros (`engine/prompts/sdxl.py`).
        """
        del unconditional
        adapters = adapters or Adapters()
        own = self.read(text, adapters.embeddings).chunks
        padded = (*own, *(Chunk(),) * (chunks - len(own)))
        return torch.cat([self._embedding(chunk, clip_skip, adapters) for chunk in padded], dim=1)

    def added(
        self,
        text: str,
        *,
        clip_skip: int,
        size: Size,
        unconditional: bool,
        adapters: Adapters | None = None,
    ) -> dict[str, torch.Tensor]:
        """What the network is told beside a text's embedding, by diffusers' names, [1, …] each: nothing."""
        del text, clip_skip, size, unconditional, adapters
        return {}

    def _embedding(self, chunk: Chunk, clip_skip: int, adapters: Adapters) -> torch.Tensor:
        key = (chunk, clip_skip, adapters.text_key)
        return self._embeddings.get(key, lambda: self._run(chunk, clip_skip, adapters))

    def _read(self, text: str, embeddings: Sequence[Embedding]) -> Reading:
        by_name = {embedding.name: embedding for embedding in embeddings}
        tokens = [
            [token for span in section for token in self._tokens(span, by_name)] for section in sections(text)
        ]
        comma = self._tokenizer.convert_tokens_to_ids(",</w>")
        chunks = fill(tokens, size=self._length - 2, comma=comma, tied=self._vectors.tied)
        beyond = [token for chunk in chunks[MAX_CHUNKS:] for token in chunk.tokens]
        return Reading(
            chunks=tuple(chunks[:MAX_CHUNKS]),
            tokens=sum(map(len, tokens)),
            cut=self._vectors.written(beyond, self._tokenizer),
        )

    def _tokens(self, span: Span, by_name: Mapping[str, Embedding]) -> Iterator[Token]:
        for piece, is_name in split(span.text, by_name):
            if is_name:
                numbers: Iterable[int] = self._vectors.tokens(by_name[piece])
            else:
                # not verbose: it would warn of a length that the chunks take care of
                numbers = self._tokenizer(piece, add_special_tokens=False, verbose=False).input_ids
            yield from ((number, span.weight) for number in numbers)

    @torch.inference_mode()
    def _run(self, chunk: Chunk, clip_skip: int, adapters: Adapters) -> torch.Tensor:
        lora_layers.apply(self.text_encoder, adapters.of(TEXT_ENCODER), self._device)
        tokens = tokens_of(chunk, self._tokenizer).to(self._device)
        used = len(chunk.tokens) + 2
        uses_mask = getattr(self.text_encoder.config, "use_attention_mask", False)
        row = [[1] * used + [0] * (self._length - used)]
        mask = torch.tensor(row, device=self._device) if uses_mask else None
        with self._vectors.shown(tokens) as known:
            return emphasised(self._hidden(known, mask, clip_skip), chunk.weights)

    def _hidden(self, tokens: torch.Tensor, mask: torch.Tensor | None, clip_skip: int) -> torch.Tensor:
        """The last hidden state (for SD 2.x the checkpoint already leaves out the last layer), or an earlier one."""
        encoder = self.text_encoder
        if clip_skip == 1:
            last: torch.Tensor = encoder(tokens, attention_mask=mask)[0]
            return last
        states = encoder(tokens, attention_mask=mask, output_hidden_states=True).hidden_states
        # Older transformers have the layers one level deeper.
        normed: torch.Tensor = getattr(encoder, "text_model", encoder).final_layer_norm(states[-clip_skip])
        return normed


@dataclass(frozen=True)
class _Adapted:
    """The encoder as one image sees it, with that image's LoRAs and embeddings."""

    encoder: PromptEncoder
    adapters: Adapters

    def read(self, text: str) -> Reading:
        return self.encoder.read(text, self.adapters.embeddings)

    def embed(self, text: str, *, chunks: int, clip_skip: int, unconditional: bool = False) -> torch.Tensor:
        return self.encoder.embed(
            text, chunks=chunks, clip_skip=clip_skip, unconditional=unconditional, adapters=self.adapters
        )

    def added(self, text: str, *, clip_skip: int, size: Size, unconditional: bool) -> dict[str, torch.Tensor]:
        return self.encoder.added(
            text, clip_skip=clip_skip, size=size, unconditional=unconditional, adapters=self.adapters
        )


def bytes_of(embedding: torch.Tensor) -> int:
    """What a tensor takes in memory."""
    return embedding.numel() * embedding.element_size()


def tokens_of(chunk: Chunk, tokenizer: Any) -> torch.Tensor:
    """What a text encoder reads, [1, 77]: a chunk between its begin and its end, and padding."""
    begin, end, pad = (getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad"))
    padding = int(tokenizer.model_max_length) - len(chunk.tokens) - 2
    return torch.tensor([[begin, *chunk.tokens, end, *[pad] * padding]])


def emphasised(hidden: torch.Tensor, weights: tuple[float, ...]) -> torch.Tensor:
    """[1, length, width], each token times its weight; begin, end and padding weigh 1.

    The mean is restored as in A1111's "original" emphasis, but of this chunk alone: there it is that of the whole
    batch, so that one picture's brackets change its neighbours' pictures.
    """
    if set(weights) <= {1.0}:
        return hidden
    row = torch.ones(hidden.shape[1], device=hidden.device)
    row[1 : 1 + len(weights)] = torch.tensor(weights, device=hidden.device)
    before = hidden.float()
    after = before * row[None, :, None]
    ratio = before.mean() / after.mean()
    # Where the mean is nothing but rounding, as after a layer norm without weights, so is the ratio.
    restored = after * ratio if after.mean().abs() > MEANINGFUL * after.std() else after
    return restored.to(hidden.dtype)
