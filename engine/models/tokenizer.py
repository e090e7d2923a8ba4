"""CLIP's tokenizer, without any file of a model: from the byte-pair merges that open_clip carries."""

import gzip
from importlib.resources import files
from typing import Any

from transformers import CLIPTokenizer

TOKENS = 77
VOCABULARY = 49408
BYTES = 256


def clip_tokenizer(*, pad_token: str = "<|endoftext|>") -> Any:
    """The tokenizer of Stable Diffusion; 1.x pads with the end of the text, 2.x with "!".

    The vocabulary is built as OpenAI's: 256 byte symbols, the same with an end-of-word mark,
    the first 48,894 merges, and two special tokens.
    """
    packed = files("open_clip").joinpath("bpe_simple_vocab_16e6.txt.gz").read_bytes()
    lines = gzip.decompress(packed).decode("utf-8").split("\n")
    merges = lines[1 : VOCABULARY - 2 * BYTES - 2 + 1]
    symbols = _byte_symbols()
    words = [*symbols, *(symbol + "</w>" for symbol in symbols), *("".join(m.split()) for m in merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={word: number for number, word in enumerate(words)},
        merges=[tuple(merge.split()) for merge in merges],
        model_max_length=TOKENS,
        pad_token=pad_token,
    )


def _byte_symbols() -> list[str]:
    """A printable character for each of the 256 bytes, in the order of GPT-2's byte-level BPE."""
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    others = BYTES - len(printable)
    return [chr(code) for code in printable] + [chr(BYTES + n) for n in range(others)]
