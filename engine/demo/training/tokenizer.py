"""The demo model's tokenizer: CLIP's byte-level BPE with a vocabulary of its own, some thirty times smaller.

Every word of the captions is one token; any other word falls into pieces, down to its bytes.
"""

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

from transformers import CLIPTokenizer

from engine.demo.training.networks import TOKENS

END_OF_WORD = "</w>"

Pair = tuple[str, str]


def tokenizer_of(folder: Path, words: Iterable[str]) -> Any:
    """The tokenizer kept in `folder`, made of these words where there is none: all parts of a run share one."""
    if not folder.exists():
        make_tokenizer(words).save_pretrained(folder)
    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


def make_tokenizer(words: Iterable[str]) -> Any:
    """A `CLIPTokenizer` that knows these words. Ids as OpenAI's: bytes, bytes that end a word, merges, special."""
    merges = _merges(sorted(set(words)))
    symbols = _byte_symbols()
    vocabulary = [
        *symbols,
        *(symbol + END_OF_WORD for symbol in symbols),
        *("".join(pair) for pair in merges),
        "<|startoftext|>",
        "<|endoftext|>",
    ]
    return CLIPTokenizer(
        vocab={token: number for number, token in enumerate(vocabulary)},
        merges=merges,
        model_max_length=TOKENS,
    )


def _merges(words: list[str]) -> list[Pair]:
    """Byte-pair merges (Sennrich et al. 2016, arXiv 1508.07909) until every word is whole.

    Of pairs that are equally frequent the first in the alphabet is merged: the libraries leave that to chance, and
    another run would have other ids.
    """
    pieces = [[*word[:-1], word[-1] + END_OF_WORD] for word in words]
    counts = Counter(pair for word in pieces for pair in pairwise(word))
    merges: list[Pair] = []
    while counts := +counts:
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        for number, word in enumerate(pieces):
            if best[0] in word and best in pairwise(word):
                counts.subtract(pairwise(word))
                pieces[number] = _merged(word, best)
                counts.update(pairwise(pieces[number]))
    return merges


def _merged(word: list[str], pair: Pair) -> list[str]:
    merged: list[str] = []
    for piece in word:
        if merged and (merged[-1], piece) == pair:
            merged[-1] += piece
        else:
            merged.append(piece)
    return merged


def _byte_symbols() -> list[str]:
    """A printable character for each of the 256 bytes, in the order of GPT-2's byte-level BPE."""
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    others = 256 - len(printable)
    return [chr(code) for code in printable] + [chr(256 + number) for number in range(others)]
