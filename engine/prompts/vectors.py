"""Embeddings as tokens of a prompt: each of their vectors has a number after those of the tokenizer."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any, Final

import torch

from engine.models.embedding import Embedding

FIRST: Final = 2**20  # CLIP's vocabulary ends at 49,407


class Vectors:
    """The vectors that a model's text encoders were shown: "" is an only one, SDXL's are "clip_l" and "clip_g".

    A few KB each: none is forgotten.
    """

    def __init__(self, text_encoders: Mapping[str, Any]) -> None:
        self._text_encoders = text_encoders
        self._rows: dict[str, list[torch.Tensor]] = {name: [] for name in text_encoders}
        self._names: list[str] = []
        self._numbers: dict[str, range] = {}
        self.tied: set[int] = set()  # all but the first of each embedding

    def tokens(self, embedding: Embedding) -> range:
        """The numbers that stand for an embedding. Raises Refusal embedding_incompatible."""
        if embedding.hash not in self._numbers:
            widths = {name: each.config.hidden_size for name, each in self._text_encoders.items()}
            for name, rows in embedding.of(widths).items():
                self._rows[name].extend(rows)
            first = FIRST + len(self._names)
            numbers = range(first, first + len(embedding))
            self._names.extend([embedding.name] * len(embedding))
            self._numbers[embedding.hash] = numbers
            self.tied.update(numbers[1:])
        return self._numbers[embedding.hash]

    def written(self, tokens: Sequence[int], tokenizer: Any) -> str:
        """Tokens as text: what the tokenizer says of its own, and the embeddings' names."""
        texts = []
        for own, run in groupby(tokens, key=lambda token: token < FIRST):
            if own:
                texts.append(str(tokenizer.decode(list(run))).strip("\ufffd "))
            else:  # a cut goes through no embedding
                texts += [self._names[token - FIRST] for token in run if token not in self.tied]
        return " ".join(texts)

    @contextmanager
    def shown(self, tokens: torch.Tensor, encoder: str = "") -> Iterator[torch.Tensor]:
        """Tokens [1, length] that the text encoder knows; within the block it sees the vectors in their places."""
        places = (tokens >= FIRST).nonzero(as_tuple=True)
        if not len(places[0]):
            yield tokens
            return
        rows = torch.stack([self._rows[encoder][int(token) - FIRST] for token in tokens[places]])

        def replace(_layer: Any, _tokens: Any, embedded: torch.Tensor) -> torch.Tensor:
            return embedded.index_put(places, rows.to(embedded))

        handle = self._text_encoders[encoder].get_input_embeddings().register_forward_hook(replace)
        try:
            yield tokens.masked_fill(tokens >= FIRST, 0)  # the lowest: CLIP finds the end as the highest
        finally:
            handle.remove()
