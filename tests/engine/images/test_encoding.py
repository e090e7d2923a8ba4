"""Picture files: complete or not there, with their texts readable by anybody."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.images.encoding import encode, write
from engine.images.previews import preview_jpeg
from engine.images.reading import read_picture
from engine.images.recognising import record_of
from engine.images.record import Record
from engine.images.xmp import source_type
from engine.wire import Format, GenerationRequest, Sampler

PIXELS = np.arange(64 * 72 * 3, dtype=np.uint8).reshape(64, 72, 3)
TEXTS = ["a hamster\nSteps: 20", "ein Häuschen", "仓鼠 🐹", '<"quoted"> & \\ \0\x07\uffff']


def about(kind: Format, **changes: object) -> Record:
    request = GenerationRequest(
        owner="somebody",
        model="sd-v1-5",
        prompt="a hamster",
        width=72,
        height=64,
        steps=20,
        guidance_scale=7.0,
        sampler=Sampler.DPMPP_2M,
        seed=123,
        format=kind,
    )
    return Record(
        request=request.model_copy(update=changes),
        seed=124,
        model_hash="6ce0161689",
        version="0.1.0",
        watermark="DRKROM",
    )


def test_a_file_is_complete_or_not_there(tmp_path: Path) -> None:
    assert write(tmp_path / "0.png", b"content") == (hashlib.sha256(b"content").hexdigest(), 7)
    assert [path.name for path in tmp_path.iterdir()] == ["0.png"]
    assert (tmp_path / "0.png").read_bytes() == b"content"


@pytest.mark.parametrize("text", TEXTS)
def test_a_png_has_the_infotext_in_its_parameters_chunk_in_any_script(text: str) -> None:
    with Image.open(io.BytesIO(encode(PIXELS, text, about(Format.PNG)))) as image:
        assert image.info["parameters"] == text
        assert np.array_equal(np.asarray(image), PIXELS)


@pytest.mark.parametrize("kind", [Format.JPEG, Format.WEBP])
@pytest.mark.parametrize("text", TEXTS)
def test_the_other_formats_have_it_in_the_user_comment_as_a1111_writes_it(kind: Format, text: str) -> None:
    with Image.open(io.BytesIO(encode(PIXELS, text, about(kind)))) as image:
        assert image.format == kind.upper()
        assert image.size == (72, 64)
        assert image.getexif().get_ifd(0x8769)[0x9286] == b"UNICODE\0" + text.encode("utf-16-be")


@pytest.mark.parametrize("kind", Format)
@pytest.mark.parametrize("text", TEXTS)
def test_the_whole_request_comes_back_without_its_owner(kind: Format, text: str) -> None:
    written = about(kind, prompt=text)
    data = encode(PIXELS, "infotext", written)
    request = written.request.model_copy(update={"owner": ""})
    assert record_of(read_picture(data)) == written.model_copy(update={"request": request})
    assert b"somebody" not in data


@pytest.mark.parametrize("kind", Format)
def test_every_format_says_that_an_algorithm_made_it(kind: Format) -> None:
    assert source_type(read_picture(encode(PIXELS, "", about(kind))).xmp) == "trainedAlgorithmicMedia"


@pytest.mark.parametrize("kind", Format)
@pytest.mark.parametrize("letter", ["x", '"', "\\", "\x01", "鼠", "🐹"])
def test_the_longest_prompts_fit_into_every_format(kind: Format, letter: str) -> None:
    longest = about(kind, prompt=letter * 2000, negative_prompt=letter * 2000)
    infotext = letter * 4000
    picture = read_picture(encode(PIXELS, infotext, longest))
    assert picture.texts["parameters"] == infotext
    found = record_of(picture)
    assert found is not None
    assert found.request.negative_prompt == letter * 2000


def test_a_preview_is_a_small_jpeg_in_the_pictures_shape() -> None:
    latents = np.random.default_rng(0).normal(size=(4, 96, 64)).astype(np.float32)
    jpeg = preview_jpeg(latents)
    assert jpeg[:3] == b"\xff\xd8\xff"
    assert len(jpeg) < 40_000


def test_a_preview_of_nan_latents_is_a_picture_all_the_same() -> None:
    assert preview_jpeg(np.full((4, 8, 8), np.nan, np.float32))[:3] == b"\xff\xd8\xff"


@pytest.mark.parametrize("kind", [Format.JPEG, Format.WEBP])
def test_texts_that_are_too_long_for_the_format_are_left_out_and_the_picture_is_made(kind: Format) -> None:
    long = about(kind, prompt="\U0001f439" * 2000, negative_prompt='"' * 2000)
    assert record_of(read_picture(encode(PIXELS, "a hamster", long))) is not None
    picture = read_picture(encode(PIXELS, "\U0001f439" * 20_000, long))
    assert source_type(picture.xmp) == "trainedAlgorithmicMedia"
