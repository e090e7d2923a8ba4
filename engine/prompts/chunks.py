"""Chunks: a long prompt in pieces that the text encoder can read, as AUTOMATIC1111 cuts it. Pure: no torch.

A chunk is filled up to its size (75 for CLIP). Where the next word would not fit and a comma is among the last
COMMA_REACH tokens, what follows the comma goes to the next chunk too. A section (BREAK) begins a new chunk.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

COMMA_REACH: Final = 20  # tokens; A1111's "comma padding backtrack"

Token = tuple[int, float]  # its number in the vocabulary, and its weight


@dataclass(frozen=True)
class Chunk:
    """What one run of the text encoder reads, without its begin and end. As many weights as tokens."""

    tokens: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()


def fill(
    sections: Sequence[Sequence[Token]], *, size: int, comma: int, tied: Collection[int] = ()
) -> list[Chunk]:
    """At least one chunk of at most `size` tokens. A last section without tokens makes none of its own.

    `tied` tokens stay with the one before them, as an embedding's vectors do, if a chunk can hold them all.
    """
    used = sections if len(sections) < 2 or sections[-1] else sections[:-1]
    return [_chunk(tokens) for section in used for tokens in _cut(section, size, comma, tied)] or [Chunk()]


def _cut(section: Sequence[Token], size: int, comma: int, tied: Collection[int]) -> list[Sequence[Token]]:
    pieces, start = [], 0
    while len(section) - start > size:
        end = _end(section, start, size, comma)
        while end > start and section[end][0] in tied:
            end -= 1
        if end == start:
            end = start + size
        pieces.append(section[start:end])
        start = end
    return [*pieces, section[start:]]


def _end(section: Sequence[Token], start: int, size: int, comma: int) -> int:
    """Where a full chunk ends: after its last comma in reach, unless a comma is what does not fit."""
    full = start + size
    if section[full][0] != comma:
        for index in range(full - 1, max(start, full - COMMA_REACH) - 1, -1):
            if section[index][0] == comma:
                return index + 1
    return full


def _chunk(tokens: Sequence[Token]) -> Chunk:
    return Chunk(tuple(number for number, _ in tokens), tuple(weight for _, weight in tokens))
