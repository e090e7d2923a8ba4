"""The demo model's tokenizer: CLIP's byte-level BPE with a vocabulary of its own, some forty times smaller.

Every word of the captions is one token; any other word falls into pieces, down to its bytes.
"""

import json
from collections.abc import Iterable
from typing import Any

from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.trainers import BpeTrainer
from transformers import CLIPTokenizer

from engine.demo.training.networks import TOKENS

END_OF_WORD = "</w>"
MORE_THAN_ENOUGH = 100_000  # merges end where every word is whole, long before


def make_tokenizer(words: Iterable[str]) -> Any:
    """A `CLIPTokenizer` that knows these words. Ids as OpenAI's: bytes, bytes that end a word, merges, special."""
    merges = _merges(sorted(words))
    symbols = _byte_symbols()
    vocabulary = [
        *symbols,
        *(symbol + END_OF_WORD for symbol in symbols),
        *("".join(pair) for pair in merges),
    ]
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={token: number for number, token in enumerate(vocabulary)},
        merges=merges,
        model_max_length=TOKENS,
    )


def _merges(words: list[str]) -> list[tuple[str, str]]:
    tokenizer = Tokenizer(BPE(end_of_word_suffix=END_OF_WORD))
    tokenizer.pre_tokenizer = Whitespace()
    trainer = BpeTrainer(
        vocab_size=MORE_THAN_ENOUGH, min_frequency=1, end_of_word_suffix=END_OF_WORD, show_progress=False
    )
    tokenizer.train_from_iterator(words, trainer)
    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


def _byte_symbols() -> list[str]:
    """A printable character for each of the 256 bytes, in the order of GPT-2's byte-level BPE."""
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    return [chr(code) for code in printable] + [chr(256 + number) for number in range(256 - len(printable))]
