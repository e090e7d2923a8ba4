"""What a GGUF file says about itself, if it is whole. No torch, no weights read.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The `gguf` package believes every count that a
file claims: one of a hundred bytes keeps it busy for ever. So a file is read here first, within limits.
"""

import math
from pathlib import Path
from typing import BinaryIO

from engine.models.fault import Corrupt, Truncated

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MAX_COUNT = (
    1_000_000  # notes, their elements and tensors, all together; a language model's vocabulary is the most
)
MAX_TEXT_BYTES = 1024 * 1024
MAX_AXES = 4
STRING, ARRAY, UINT32 = 8, 9, 4
BYTES = {0: 1, 1: 1, 2: 2, 3: 2, UINT32: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # of numbers, by type
ARCHITECTURE, ALIGNMENT = b"general.architecture", b"general.alignment"
DEFAULT_ALIGNMENT = 32


def read_architecture(path: Path) -> str:
    """`general.architecture`. Raises Corrupt or Truncated where the file is not whole."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            raise Corrupt("it does not begin as a GGUF file")
        file = _File(stream, size)
        if file.number(4) not in VERSIONS:
            raise Corrupt("it is of a version of GGUF that Darkroom does not read")
        tensors, notes = file.number(8), file.number(8)
        said = {}
        for _ in range(file.counted(notes)):
            key, kind = file.text(), file.number(4)
            value = file.value(kind)
            if key in (ARCHITECTURE, ALIGNMENT):
                said[key] = value
        ends = [file.tensor_end() for _ in range(file.counted(tensors))]
    alignment = said.get(ALIGNMENT, DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
        raise Corrupt("it says wrongly where its tensors are")
    begin = -(-file.position // alignment) * alignment
    if begin + max(ends, default=0) > size:
        raise Truncated("its end is missing: copy or download it again")
    if not isinstance(name := said.get(ARCHITECTURE), bytes):
        raise Corrupt("it does not say what kind of network it is")
    return name.decode(errors="replace")


class _File:
    """A stream that stands behind the magic, and how much of it may still be believed."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._size = size
        self._left = MAX_COUNT
        self.position = len(MAGIC)

    def counted(self, count: int) -> int:
        """A count that the file claims. Raises Corrupt where nobody would have so many."""
        self._left -= count
        if self._left < 0:
            raise Corrupt(f"it claims to have more than {MAX_COUNT:,} parts")
        return count

    def number(self, width: int) -> int:
        return int.from_bytes(self._take(width), "little")

    def text(self) -> bytes:
        length = self.number(8)
        if length > MAX_TEXT_BYTES:
            raise Corrupt("one of its texts is too long, or its beginning is damaged")
        return self._take(length)

    def value(self, kind: int) -> object:
        """A note's value: bytes for a text, an int where the type is UINT32, else None."""
        if kind == STRING:
            return self.text()
        if kind == ARRAY:
            self._array()
            return None
        number = self.number(_width(kind))
        return number if kind == UINT32 else None

    def tensor_end(self) -> int:
        """Where a tensor ends, in bytes after the first one's beginning."""
        from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

        self.text()
        axes = self.number(4)
        if axes > MAX_AXES:
            raise Corrupt(f"one of its tensors has {axes} axes")
        numbers = math.prod(self.number(8) for _ in range(axes))
        kind, offset = self.number(4), self.number(8)
        try:
            block, width = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
        except (KeyError, ValueError):
            raise Corrupt("one of its tensors has numbers of an unknown kind") from None
        return offset + numbers * width // block

    def _array(self) -> None:
        kind, count = self.number(4), self.counted(self.number(8))
        if kind == ARRAY:
            raise Corrupt("it has lists within lists")
        if kind != STRING:
            self._take(count * _width(kind))
            return
        for _ in range(count):
            self.text()

    def _take(self, length: int) -> bytes:
        self.position += length
        if self.position > self._size:
            raise Truncated("it is cut off or damaged: copy or download it again")
        return self._stream.read(length)


def _width(kind: int) -> int:
    try:
        return BYTES[kind]
    except KeyError:
        raise Corrupt("one of its notes is of an unknown kind") from None
