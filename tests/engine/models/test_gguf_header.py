"""A GGUF file's header: what is claimed in it is believed only as far as its bytes go."""

import struct
from contextlib import suppress
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from engine.models.fault import Corrupt, NotAModel, Truncated
from engine.models.gguf_header import MAX_COUNT, MAX_TEXT_BYTES, read_architecture

KIND, TEXT, LIST, BYTE = "<I", 8, 9, 0


def text(content: str) -> bytes:
    return struct.pack("<Q", len(content)) + content.encode()


def note(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack(KIND, kind) + value


FLUX = note("general.architecture", TEXT, text("flux"))
TENSOR = text("t") + struct.pack("<IQIQ", 1, 8, 0, 0)


def write(
    folder: Path, *notes: bytes, tensors: tuple[bytes, ...] = (), rest: int = 64, **counts: int
) -> Path:
    """A file with these notes and tensors, and `rest` bytes; `counts` may lie about them."""
    head = struct.pack("<IQQ", 3, counts.get("tensors_told", len(tensors)), counts.get("told", len(notes)))
    path = folder / "it.gguf"
    path.write_bytes(b"GGUF" + head + b"".join((*notes, *tensors)) + bytes(rest))
    return path


def test_what_the_library_writes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "it.gguf"
    writer = gguf.GGUFWriter(path, "flux")
    writer.add_array("words", ["a", "b"])
    writer.add_array("numbers", [1, 2, 3])
    writer.add_float64("one", 1.0)
    writer.add_custom_alignment(64)
    writer.add_tensor("t", np.zeros((32, 64), np.float32))
    numbers = gguf.quants.quantize(np.ones((32, 64), np.float32), gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("q", numbers, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert read_architecture(path) == "flux"
    whole = path.read_bytes()
    for length in (*range(4, len(whole) - 2176, 7), len(whole) - 64):
        path.write_bytes(whole[:length])
        with pytest.raises(Truncated):
            read_architecture(path)


@pytest.mark.parametrize(
    ("notes", "says"),
    [
        ((FLUX, note("x", LIST, struct.pack("<IQ", BYTE, 2**62))), f"more than {MAX_COUNT:,} parts"),
        ((FLUX, note("x", LIST, struct.pack("<IQ", TEXT, 2**62))), f"more than {MAX_COUNT:,} parts"),
        ((FLUX, note("x", LIST, struct.pack("<IQ", LIST, 1))), "lists within lists"),
        ((FLUX, note("x", TEXT, struct.pack("<Q", MAX_TEXT_BYTES + 1))), "one of its texts is too long"),
        ((FLUX, note("x", 99, b"")), "of an unknown kind"),
        ((FLUX, note("general.alignment", 4, struct.pack("<I", 0))), "it says wrongly where its tensors are"),
        ((FLUX, note("general.alignment", 4, struct.pack("<I", 3))), "it says wrongly where its tensors are"),
        ((FLUX, note("general.alignment", TEXT, text("32"))), "it says wrongly where its tensors are"),
        ((), "it does not say what kind of network it is"),
        ((note("general.architecture", 4, bytes(4)),), "it does not say what kind of network it is"),
    ],
)
def test_a_lie_in_a_note_is_a_named_fault(tmp_path: Path, notes: tuple[bytes, ...], says: str) -> None:
    with pytest.raises(Corrupt, match=says):
        read_architecture(write(tmp_path, *notes))


def test_counts_without_end_are_not_followed(tmp_path: Path) -> None:
    with pytest.raises(Corrupt, match="it claims to have more than"):
        read_architecture(write(tmp_path, FLUX, told=2**62))
    with pytest.raises(Corrupt, match="it claims to have more than"):
        read_architecture(write(tmp_path, FLUX, tensors_told=2**62))
    with pytest.raises(Truncated):
        read_architecture(write(tmp_path, FLUX, rest=0, told=3))


@pytest.mark.parametrize(
    ("tensor", "kind"),
    [
        (text("t") + struct.pack("<IQQQQIQ", 4, *[2**62] * 4, 0, 0), Truncated),
        (text("t") + struct.pack("<IQIQ", 1, 8, 0, 2**63), Truncated),
        (text("t") + struct.pack("<I", 2**31), Corrupt),
        (text("t") + struct.pack("<IQIQ", 1, 8, 999, 0), Corrupt),
    ],
)
def test_tensors_that_cannot_be_there_are_told(tmp_path: Path, tensor: bytes, kind: type[NotAModel]) -> None:
    assert read_architecture(write(tmp_path, FLUX, tensors=(TENSOR,))) == "flux"
    with pytest.raises(kind):
        read_architecture(write(tmp_path, FLUX, tensors=(TENSOR, tensor)))


@given(place=some.integers(0, 200), byte=some.integers(0, 255))
def test_any_byte_may_be_another(tmp_path_factory: pytest.TempPathFactory, place: int, byte: int) -> None:
    path = write(tmp_path_factory.getbasetemp(), FLUX, note("n", 4, bytes(4)), tensors=(TENSOR,))
    content = bytearray(path.read_bytes())
    content[place % len(content)] = byte
    path.write_bytes(content)
    with suppress(NotAModel):
        assert isinstance(read_architecture(path), str)
