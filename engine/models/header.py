"""What a safetensors file says about itself: names, shapes and places of its tensors. No torch, no weights read.

The file is eight bytes of length, little-endian, that much JSON, and the numbers without gaps. Source:
https://github.com/huggingface/safetensors#format, whose own reader refuses what is refused here.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from engine.models.fault import Corrupt, Missing, NotAModel, Truncated, Unsafe, WrongKind

MAX_HEADER_BYTES = 16 * 1024 * 1024  # a checkpoint's is under 1 MB; the format allows 100 MB
LENGTH_BYTES = 8
MAX_AXES = 8  # a convolution has four; the product of many would be slow
NUMBER_BYTES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 1),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 2),
    **dict.fromkeys(("I32", "U32", "F32"), 4),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 8),
}
OTHERS: tuple[tuple[bytes, NotAModel], ...] = (  # how other files begin that people take for models
    (b"PK\x03\x04", Unsafe("it is a pickle under another name, which could run code")),
    (b"\x80", Unsafe("it is a pickle under another name, which could run code")),
    (b"GGUF", WrongKind("it is a GGUF file: its name must end in .gguf")),
    (b"version http", Corrupt("it is a pointer of Git LFS, not the weights: get them with git lfs pull")),
    (b"<", Corrupt("it is a web page that was saved in place of a model: download it again")),
)


@dataclass(frozen=True)
class Header:
    """`shapes` by the tensor's name; `metadata` is what the maker of the file noted, not to be trusted."""

    shapes: Mapping[str, tuple[int, ...]]
    metadata: Mapping[str, str]

    def width(self, tensor: str, axis: int) -> int:
        """The size of a tensor along an axis. Raises Corrupt where there is no such tensor or axis."""
        try:
            return self.shapes[tensor][axis]
        except (KeyError, IndexError):
            raise Corrupt(f"its tensor {tensor} is missing or has the wrong shape") from None

    def count(self, prefix: str) -> int:
        """How many numbered parts follow a prefix: three where there are `prefix` 0., 1. and 2."""
        return len({name[len(prefix) :].split(".")[0] for name in self.shapes if name.startswith(prefix)})


def read_header(path: Path) -> Header:
    """Raises Missing, Corrupt, Truncated, Unsafe or WrongKind where the file is no whole safetensors."""
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited on for ever
            raise WrongKind("it is no file")
        with path.open("rb") as stream:
            size = path.stat().st_size
            fields = _parse(_header_bytes(stream, size))
            start = stream.tell()
    except FileNotFoundError:
        raise Missing("it is not there") from None
    except OSError as error:
        raise Corrupt(f"it cannot be read ({error.strerror})") from None
    metadata = fields.pop("__metadata__", {})
    _check_places(fields, size - start)
    return Header(
        shapes={name: tuple(tensor["shape"]) for name, tensor in fields.items()},
        metadata=_texts(metadata),
    )


def _texts(metadata: Any) -> dict[str, str]:
    if not isinstance(metadata, dict) or not all(isinstance(note, str) for note in metadata.values()):
        raise Corrupt("its header is damaged")
    return metadata


def _header_bytes(stream: BinaryIO, size: int) -> bytes:
    begin = stream.read(LENGTH_BYTES)
    if len(begin) < LENGTH_BYTES:
        raise Truncated("it is empty, or nearly: copy or download it again")
    length = int.from_bytes(begin, "little")
    if length <= MAX_HEADER_BYTES:
        if LENGTH_BYTES + length > size:
            raise Truncated("it ends within its header: copy or download it again")
        content = stream.read(length)
        if content.startswith(b"{"):
            return content
    stream.seek(0)
    _tell_others(stream.read(12))
    raise Corrupt("it is no safetensors file, or its beginning is damaged")


def _tell_others(begin: bytes) -> None:
    for magic, fault in OTHERS:
        if begin.startswith(magic):
            raise type(fault)(str(fault))


def _parse(content: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        raise Corrupt("its header is damaged") from None
    assert isinstance(fields, dict)  # it begins with a brace
    return fields


def _check_places(tensors: dict[str, Any], size: int) -> None:
    """That each tensor has its bytes and they fill the file, one after the other."""
    places = sorted(_place(name, tensor) for name, tensor in tensors.items())
    end = 0
    for begin, until in places:
        if begin != end:
            raise Corrupt("its tensors overlap or leave gaps")
        end = until
    if end > size:
        raise Truncated(f"it ends {end - size:,} bytes too early: copy or download it again")
    if end < size:
        raise Corrupt(f"it holds {size - end:,} bytes that its header does not know of")


def _place(name: str, tensor: Any) -> tuple[int, int]:
    try:
        shape, (begin, end), number = tensor["shape"], tensor["data_offsets"], tensor["dtype"]
        fits = len(shape) <= MAX_AXES and all(_is_size(side) for side in (*shape, begin, end))
        fits = fits and end - begin == math.prod(shape) * NUMBER_BYTES[number]
    except (KeyError, TypeError, ValueError):
        fits = False
    if not fits:
        raise Corrupt(f"its header describes the tensor {name[:80]} wrongly")
    return begin, end


def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63
