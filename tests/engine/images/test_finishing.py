"""A finished picture carries everything, in the order in which nothing undoes what came before."""

import io
import logging

import numpy as np
import pytest
from PIL import Image
from sd_parsers import ParserManager

from engine.images import finishing, signing_key, watermark
from engine.images.encoding import encode
from engine.images.examining import Findings, examine
from engine.images.finishing import Finisher
from engine.images.infotext import parse
from engine.images.reading import read_picture
from engine.images.recognising import record_of
from engine.images.signature import State, sign
from engine.images.signing_key import SigningKey
from engine.wire import Format, GenerationRequest, Sampler
from tests.engine.images.library_watermark import picture


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return signing_key.load_or_make(tmp_path_factory.mktemp("data") / "signing.pem")


def request(side: int = 256, kind: Format = Format.PNG) -> GenerationRequest:
    return GenerationRequest(
        model="sd-v1-5",
        prompt="a hamster\nin a hat",
        negative_prompt="blurry",
        width=side,
        height=side,
        steps=20,
        guidance_scale=7.0,
        sampler=Sampler.EULER_A,
        seed=5,
        format=kind,
    )


def finished(finisher: Finisher, side: int = 256, kind: Format = Format.PNG) -> bytes:
    content, _ = finisher.finish(picture(side), request(side, kind), seed=6, model_hash="6ce0161689")
    return content


def found_in(content: bytes, key: SigningKey) -> Findings:
    return examine(content, marks=["DRKROM"], key=key)


@pytest.mark.parametrize("kind", Format)
def test_everything_is_in_the_file_whatever_its_format(kind: Format, key: SigningKey) -> None:
    found = found_in(finished(Finisher(version="0.1.0", watermark="DRKROM", key=key), kind=kind), key)
    assert (found.format, found.width, found.height) == (kind.upper(), 256, 256)
    assert found.recipe is not None
    assert (found.recipe.made_with, found.recipe.prompt) == ("Darkroom 0.1.0", "a hamster\nin a hat")
    assert found.recipe.settings["Seed"] == "6"
    assert [mark.text for mark in found.watermarks] == ["DRKROM"]
    assert found.source_type == "trainedAlgorithmicMedia"
    assert found.signature is not None
    assert found.signature.state is State.OURS
    assert found.reliable


def test_the_steps_are_taken_in_their_order(key: SigningKey, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []

    def spied(name: str, step: object) -> object:
        def call(*arguments: object) -> object:
            taken.append(name)
            return step(*arguments)  # type: ignore[operator]

        return call

    monkeypatch.setattr(watermark, "embed", spied("watermark", watermark.embed))
    monkeypatch.setattr(finishing, "encode", spied("texts and XMP", encode))
    monkeypatch.setattr(finishing, "sign", spied("signature", sign))
    finished(Finisher(version="0.1.0", watermark="DRKROM", key=key))
    assert taken == ["watermark", "texts and XMP", "signature"]


@pytest.mark.parametrize("kind", Format)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # sd-parsers on newer Pillow
def test_an_independent_reader_reads_our_infotext(kind: Format, key: SigningKey) -> None:
    content = finished(Finisher(version="0.1.0", key=key), kind=kind)
    with Image.open(io.BytesIO(content)) as image:
        theirs = ParserManager().parse(image)
    assert theirs is not None
    (sampler,) = theirs.samplers
    assert [prompt.value for prompt in sampler.prompts] == ["a hamster\nin a hat"]
    assert [prompt.value for prompt in sampler.negative_prompts] == ["blurry"]
    assert (sampler.name, sampler.parameters["seed"]) == ("Euler a", "6")
    assert sampler.model is not None
    assert (sampler.model.name, sampler.model.hash) == ("sd-v1-5", "6ce0161689")


def test_the_infotext_is_what_the_file_holds() -> None:
    content, text = Finisher(version="0.1.0").finish(picture(64), request(64), seed=6, model_hash="00")
    assert read_picture(content).texts["parameters"] == text
    assert parse(text) is not None


def test_what_is_switched_off_is_not_there(key: SigningKey) -> None:
    content = finished(Finisher(version="0.1.0"))
    found = found_in(content, key)
    assert (found.watermarks, found.signature, found.reliable) == ([], None, True)
    assert np.array_equal(read_picture(content).pixels, picture(256))


def test_a_picture_too_small_for_a_mark_goes_without_and_the_log_says_why(
    key: SigningKey, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "engine.images.finishing"):
        content = finished(Finisher(version="0.1.0", watermark="DRKROM", key=key), side=64)
    assert caplog.messages == ["no watermark: a watermark needs 256 × 256 pixels; the picture has 64 × 64"]
    found = found_in(content, key)
    assert found.watermarks == []
    assert found.signature is not None
    assert found.signature.state is State.OURS
    record = record_of(read_picture(content))
    assert record is not None
    assert record.watermark == ""


def test_saved_again_by_somebody_else_only_the_mark_is_left(key: SigningKey) -> None:
    content = finished(Finisher(version="0.1.0", watermark="DRKROM", key=key))
    stream = io.BytesIO()
    with Image.open(io.BytesIO(content)) as image:
        Image.fromarray(np.asarray(image)).save(stream, "JPEG", quality=90)
    found = found_in(stream.getvalue(), key)
    assert (found.recipe, found.source_type, found.signature) == (None, "", None)
    assert [mark.text for mark in found.watermarks] == ["DRKROM"]
