"""From words to embeddings, with a cache: chats repeat their prompts.

What a text without emphasis becomes equals diffusers' `StableDiffusionPipeline.encode_prompt`. Emphasis and
long prompts are AUTOMATIC1111's: every chunk of 75 tokens is encoded alone, its embeddings are multiplied by
their weights and brought back to the chunk's own mean, and the chunks are joined along the tokens.
"""

from dataclasses import dataclass
from typing import Any

import torch

from engine.errors import Refusal
from engine.prompts.chunks import Chunk, Token, fill
from engine.prompts.conditioning import Conditioning, Size
from engine.prompts.emphasis import Span, sections
from engine.prompts.limits import MAX_CHUNKS
from engine.prompts.recent import Recent

MEANINGFUL = 1e-5  # of the standard deviation; CLIP's means are a tenth of it
CACHE_ENTRIES = 1024  # a CLIP-L embedding is 118 KB in bfloat16: about 120 MB when full


@dataclass(frozen=True)
class Reading:
    """How a text is read: at least one chunk, its tokens in all, and the text of those beyond MAX_CHUNKS."""

    chunks: tuple[Chunk, ...]
    tokens: int
    cut: str = ""


class PromptEncoder:
    """One model's tokenizer and text encoder."""

    def __init__(self, *, tokenizer: Any, text_encoder: Any, device: torch.device) -> None:
        self._tokenizer = tokenizer
        self._text_encoder = text_encoder
        self._device = device
        self._length = int(tokenizer.model_max_length)  # 77: a chunk, its begin and its end
        self._readings: Recent[str, Reading] = Recent(CACHE_ENTRIES)
        self._embeddings: Recent[tuple[Chunk, int], torch.Tensor] = Recent(CACHE_ENTRIES)

    def encode(self, prompt: str, negative_prompt: str, *, guided: bool, clip_skip: int = 1) -> Conditioning:
        """Conditioning for one image, from texts in which every wildcard is chosen.

        `clip_skip` as A1111 counts: 1 is the layer that the model was trained with, each more is one layer
        earlier (diffusers' `clip_skip` is one less). Raises Refusal invalid_field where there is no such layer.
        """
        layers = self._layers
        if clip_skip > layers:
            message = f"clip_skip must be at most {layers} with this model; it was {clip_skip}."
            raise Refusal("invalid_field", message, field="clip_skip")
        return Conditioning(self, prompt, negative_prompt, guided=guided, clip_skip=clip_skip)

    @property
    def _layers(self) -> int:
        return int(self._text_encoder.config.num_hidden_layers)

    def read(self, text: str) -> Reading:
        """How a text with emphasis is cut into chunks."""
        return self._readings.get(text, lambda: self._read(text))

    def embed(self, text: str, *, chunks: int, clip_skip: int, unconditional: bool = False) -> torch.Tensor:
        """A text's embedding, [1, 77 × chunks, width]; where it has fewer, empty chunks follow.

        `unconditional` texts are read like others; SDXL's may be zeros (`engine/prompts/sdxl.py`).
        """
        del unconditional
        own = self.read(text).chunks
        padded = (*own, *(Chunk(),) * (chunks - len(own)))
        return torch.cat([self._embedding(chunk, clip_skip) for chunk in padded], dim=1)

    def added(self, text: str, *, clip_skip: int, size: Size, unconditional: bool) -> dict[str, torch.Tensor]:
        """What the network is told beside a text's embedding, by diffusers' names, [1, …] each: nothing."""
        del text, clip_skip, size, unconditional
        return {}

    def _embedding(self, chunk: Chunk, clip_skip: int) -> torch.Tensor:
        return self._embeddings.get((chunk, clip_skip), lambda: self._run(chunk, clip_skip))

    def _read(self, text: str) -> Reading:
        tokens = [[token for span in section for token in self._tokens(span)] for section in sections(text)]
        comma = self._tokenizer.convert_tokens_to_ids(",</w>")
        chunks = fill(tokens, size=self._length - 2, comma=comma)
        beyond = [token for chunk in chunks[MAX_CHUNKS:] for token in chunk.tokens]
        cut = str(self._tokenizer.decode(beyond)) if beyond else ""
        return Reading(
            chunks=tuple(chunks[:MAX_CHUNKS]),
            tokens=sum(map(len, tokens)),
            cut=cut.strip("\ufffd "),  # the cut may go through a character of several tokens
        )

    def _tokens(self, span: Span) -> list[Token]:
        return [
            (token, span.weight) for token in self._tokenizer(span.text, add_special_tokens=False).input_ids
        ]

    @torch.inference_mode()
    def _run(self, chunk: Chunk, clip_skip: int) -> torch.Tensor:
        tokens = tokens_of(chunk, self._tokenizer).to(self._device)
        used = len(chunk.tokens) + 2
        uses_mask = getattr(self._text_encoder.config, "use_attention_mask", False)
        row = [[1] * used + [0] * (self._length - used)]
        mask = torch.tensor(row, device=self._device) if uses_mask else None
        return emphasised(self._hidden(tokens, mask, clip_skip), chunk.weights)

    def _hidden(self, tokens: torch.Tensor, mask: torch.Tensor | None, clip_skip: int) -> torch.Tensor:
        """The last hidden state (for SD 2.x the checkpoint already leaves out the last layer), or an earlier one."""
        encoder = self._text_encoder
        if clip_skip == 1:
            last: torch.Tensor = encoder(tokens, attention_mask=mask)[0]
            return last
        states = encoder(tokens, attention_mask=mask, output_hidden_states=True).hidden_states
        # Older transformers have the layers one level deeper.
        normed: torch.Tensor = getattr(encoder, "text_model", encoder).final_layer_norm(states[-clip_skip])
        return normed


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
