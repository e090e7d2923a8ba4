"""A safetensors file is taken only where it is whole, and what is no such file is told by what it is."""

import json
import pickle
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.models.fault import Corrupt, Missing, NotAModel, Truncated, Unsafe, WrongKind
from engine.models.header import read_header
from tests.engine.models import headers

SHAPES = st.dictionaries(
    st.text(min_size=1, max_size=20).filter(lambda name: name != "__metadata__"),
    st.lists(st.integers(0, 4), max_size=4).map(tuple),
    max_size=6,
)
ALIKE = settings(derandomize=True, max_examples=60, deadline=None)


@ALIKE
@given(
    shapes=SHAPES, metadata=st.none() | st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3)
)
def test_names_shapes_and_metadata_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, shapes: headers.Shapes, metadata: dict[str, str] | None
) -> None:
    path = headers.write(tmp_path_factory.mktemp("h") / "m.safetensors", shapes, metadata)
    header = read_header(path)
    assert header.shapes == shapes
    assert header.metadata == (metadata or {})


@ALIKE
@given(shapes=SHAPES, data=st.data())
def test_a_file_that_was_cut_anywhere_is_refused(
    tmp_path_factory: pytest.TempPathFactory, shapes: headers.Shapes, data: st.DataObject
) -> None:
    path = headers.write(tmp_path_factory.mktemp("h") / "m.safetensors", shapes)
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(Truncated):
        read_header(path)


@ALIKE
@given(shapes=SHAPES, at=st.integers(8, 200), byte=st.integers(0, 255))
def test_a_damaged_header_never_provokes_anything_but_a_named_fault(
    tmp_path_factory: pytest.TempPathFactory, shapes: headers.Shapes, at: int, byte: int
) -> None:
    path = headers.write(tmp_path_factory.mktemp("h") / "m.safetensors", shapes)
    content = bytearray(path.read_bytes())
    content[at % len(content)] = byte
    path.write_bytes(content)
    with suppress(NotAModel):
        read_header(path)


def header(text: str, following: bytes = b"") -> bytes:
    return len(text.encode()).to_bytes(8, "little") + text.encode() + following


def tensor(**changes: object) -> str:
    return json.dumps({"t": {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]} | changes})


@pytest.mark.parametrize(
    ("content", "kind", "says"),
    [
        (b"", Truncated, "it is empty, or nearly"),
        ((10**7).to_bytes(8, "little") + b"{}", Truncated, "it ends within its header"),
        ((2**60).to_bytes(8, "little") + b"{}", Corrupt, "no safetensors file"),
        (b"\xff" * 64, Corrupt, "no safetensors file"),
        (bytes(64), Corrupt, "no safetensors file"),
        (header("[]"), Corrupt, "no safetensors file"),
        (header("{" * 100_000), Corrupt, "its header is damaged"),
        (header('{"t": ' + "[" * 100_000), Corrupt, "its header is damaged"),
        (header('{"t": 1}'), Corrupt, "the tensor t wrongly"),
        (header(tensor(dtype="F17"), bytes(4)), Corrupt, "the tensor t wrongly"),
        (header(tensor(shape=[-2]), bytes(4)), Corrupt, "the tensor t wrongly"),
        (header(tensor(shape=[2**62] * 8)), Corrupt, "the tensor t wrongly"),
        (header(tensor(shape=[1] * 1000), bytes(2)), Corrupt, "the tensor t wrongly"),
        (header(tensor(data_offsets=[4, 0]), bytes(4)), Corrupt, "the tensor t wrongly"),
        (header(tensor(data_offsets=[4, 8]), bytes(8)), Corrupt, "overlap or leave gaps"),
        (header('{"__metadata__": 5}'), Corrupt, "its header is damaged"),
        (header('{"__metadata__": {"steps": 5}}'), Corrupt, "its header is damaged"),
        (header(tensor(), bytes(3)), Truncated, "it ends 1 bytes too early"),
        (header(tensor(), bytes(5)), Corrupt, "1 bytes that its header does not know of"),
        (pickle.dumps({"state_dict": {}}), Unsafe, "a pickle under another name"),
        (b"PK\x03\x04archive/data.pkl", Unsafe, "a pickle under another name"),
        (b"GGUF\x03\x00\x00\x00", WrongKind, "a GGUF file"),
        (b"version https://git-lfs.github.com/spec/v1\n", Corrupt, "a pointer of Git LFS"),
        (b"<!DOCTYPE html><html>", Corrupt, "a web page"),
    ],
)
def test_what_is_no_safetensors_file_is_told_by_what_it_is(
    tmp_path: Path, content: bytes, kind: type[NotAModel], says: str
) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    with pytest.raises(kind, match=says) as caught:
        read_header(path)
    assert type(caught.value) is kind


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="it is not there"):
        read_header(tmp_path / "m.safetensors")
