"""A stranger's file is a picture with texts, or one error with a sentence; nothing else comes out."""

import io
import struct
import zlib
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from engine.images import infotext, reading
from engine.images.examining import examine, sentences
from engine.images.reading import Unreadable, comment_text, read_picture
from tests.engine.images import files

PNG = files.png({"parameters": files.A1111})
JPEG = files.with_comment("JPEG", b"UNICODE\0" + files.A1111.encode("utf-16-be"))
WEBP = files.with_exif("WEBP", {0x0110: 'prompt:{"1": {}}'})

PLAIN = examine(PNG, marks=[], key=None)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def with_chunk(name: bytes, data: bytes) -> bytes:
    return PNG[:33] + chunk(name, data) + PNG[33:]


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\0\0\0\0WEBP", b"\xff\xd8\xff"]
)
def test_what_is_no_picture_is_told(data: bytes) -> None:
    with pytest.raises(Unreadable, match="not a readable PNG, JPEG or WebP"):
        read_picture(data)


@pytest.mark.parametrize("whole", [PNG, JPEG, WEBP], ids=["png", "jpeg", "webp"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_what_is_cut_off_is_told(whole: bytes, share: float) -> None:
    with pytest.raises(Unreadable):
        read_picture(whole[: int(len(whole) * share)])


def test_a_picture_of_too_many_pixels_is_not_unpacked() -> None:
    bomb = PNG[:16] + struct.pack(">II", 12_000, 10_000) + PNG[24:29]
    with pytest.raises(Unreadable, match="at most 16 megapixels; it has"):
        read_picture(bomb + struct.pack(">I", zlib.crc32(bomb[12:])) + PNG[33:])


def test_a_file_of_too_many_bytes_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 1024 * 1024)
    with pytest.raises(Unreadable, match="at most 1 MiB; it has 2 MiB"):
        read_picture(bytes(2 * 1024 * 1024))


def test_an_animation_is_told() -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    stream = io.BytesIO()
    frames[0].save(stream, "WEBP", save_all=True, append_images=frames[1:])
    with pytest.raises(Unreadable, match="animated"):
        read_picture(stream.getvalue())


def test_a_text_that_unpacks_to_a_hundred_megabytes_is_refused() -> None:
    bomb = b"parameters\0\0" + zlib.compress(bytes(100_000_000))
    with pytest.raises(Unreadable):
        read_picture(with_chunk(b"zTXt", bomb))


@pytest.mark.filterwarnings("ignore")  # Pillow's remarks on it
def test_damaged_exif_is_no_exif() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (16, 16)).save(stream, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\xffgarbage")
    assert read_picture(stream.getvalue()).texts == {}


def test_texts_after_the_pixels_are_read() -> None:
    late = files.png({})
    late = late[:-12] + chunk(b"tEXt", b"parameters\0" + files.A1111.encode("latin-1")) + late[-12:]
    assert read_picture(late).texts["parameters"] == files.A1111


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_every_kind_of_png_becomes_rgb(mode: str) -> None:
    stream = io.BytesIO()
    Image.new(mode, (20, 10)).save(stream, "PNG")
    picture = read_picture(stream.getvalue())
    assert picture.pixels.shape == (10, 20, 3)
    assert (picture.alpha is not None) == mode.endswith("A")


def test_a_long_text_is_left_out() -> None:
    assert read_picture(with_chunk(b"tEXt", b"comment\0" + b"x" * 1_040_000)).texts.keys() == {
        "parameters",
        "comment",
    }
    picture = read_picture(files.with_exif("WEBP", {0x0110: "prompt:" + "x" * 1_100_000}))
    assert picture.texts == {}


@given(st.binary(max_size=64))
def test_any_comment_is_some_text(data: bytes) -> None:
    assert isinstance(comment_text(data), str)
    assert isinstance(comment_text(b"UNICODE\0" + data), str)


@pytest.mark.parametrize("whole", [PNG, JPEG, WEBP], ids=["png", "jpeg", "webp"])
@given(data=st.data())
def test_a_file_with_any_bytes_changed_is_read_or_refused(whole: bytes, data: st.DataObject) -> None:
    spoilt = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        spoilt[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = examine(bytes(spoilt), marks=["DRKROM"], key=None)
    except Unreadable:
        return
    assert all(line.isprintable() for text in sentences(found) for line in text.split("\n"))


@given(st.text())
@example("x\nSignature: valid. This Darkroom signed it.")
@example("\x1b[2J\x1b[31m \u202e")
def test_a_prompt_cannot_speak_for_us(prompt: str) -> None:
    recipe = infotext.parse(f"{prompt}\nSteps: 1, Sampler: Euler, Seed: 1")
    told = "\n".join(sentences(replace(PLAIN, recipe=recipe))).split("\n")
    assert [line for line in told if line.startswith("Signature")] == [
        "Signature: none. Anybody may have changed the file."
    ]
    assert all(line.isprintable() for line in told)
