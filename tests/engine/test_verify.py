"""`python -m engine.verify`: sentences or JSON, and an exit code that a script can use."""

import io
import json
import os
from pathlib import Path

import pytest
from PIL import Image

from engine import verify
from engine.images import signing_key
from engine.images.finishing import Finisher
from engine.wire import GenerationRequest, Sampler
from tests.engine.images import files
from tests.engine.images.library_watermark import picture


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command runs: no settings but its own."""
    for name in [name for name in os.environ if name.startswith("DARKROOM_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def draw(path: Path, *, mark: str = "DRKROM", side: int = 256) -> bytes:
    """Write a picture as the engine in this folder would."""
    request = GenerationRequest(
        model="sd-v1-5",
        prompt="a hamster",
        width=side,
        height=side,
        steps=20,
        guidance_scale=7.0,
        sampler=Sampler.EULER_A,
        seed=5,
    )
    key = signing_key.load_or_make(Path("data/signing.pem"))
    finisher = Finisher(version="0.1.0", watermark=mark, key=key)
    content, _ = finisher.finish(picture(side), request, seed=5, model_hash="6ce0161689")
    path.write_bytes(content)
    return content


def test_a_picture_of_ours_is_told_in_sentences(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw(folder / "a.png")
    assert verify.main(["a.png"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "A PNG of 256 × 256 pixels.",
        "Recipe: it says that Darkroom 0.1.0 made it.",
        "Prompt: a hamster",
        "Settings: Steps 20, Sampler Euler a, Schedule type Normal, CFG scale 7, Seed 5, Size 256x256, "
        "Model hash 6ce0161689, Model sd-v1-5, RNG CPU.",
        "Watermark: “DRKROM” (dwtDctSvd; 48 of 48 bits).",
        "Source: it says that an algorithm made it (trainedAlgorithmicMedia).",
        "Signature: valid. This Darkroom signed it (Darkroom 0.1.0), and nothing was changed since.",
    ]


def test_json_has_the_same_for_scripts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw(folder / "a.png")
    assert verify.main(["--json", "a.png"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    assert told["recipe"]["settings"]["Seed"] == "5"
    assert told["watermarks"] == [{"text": "DRKROM", "method": "dwtDctSvd", "right": 48, "bits": 48}]
    assert told["signature"]["state"] == "ours"


def test_a_changed_file_ends_with_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = draw(folder / "a.png")
    other = files.png({"comment": "mine"})
    start = other.index(b"tEXt") - 4
    text = other[start : start + 12 + len("comment\0mine")]
    end = content.rindex(b"IEND") - 4
    (folder / "a.png").write_bytes(content[:end] + text + content[end:])
    assert verify.main(["a.png"]) == 1
    assert "Signature: broken. The picture was changed after it was signed." in capsys.readouterr().out


def test_somebody_elses_picture_is_no_fault(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.png").write_bytes(files.png({"parameters": files.A1111}))
    assert verify.main(["a.png"]) == 0
    told = capsys.readouterr().out
    assert "it says that AUTOMATIC1111 v1.10.1 made it" in told
    assert "Watermark: none. It needs 256 × 256 pixels; the picture has 64 × 48." in told
    assert "Source: the file does not say." in told
    assert "Signature: none." in told


def test_a_picture_that_says_nothing_is_no_fault(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.BytesIO()
    Image.fromarray(picture(256)).save(stream, "WEBP")
    (folder / "a.webp").write_bytes(stream.getvalue())
    assert verify.main(["a.webp"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[:3] == [
        "A WebP of 256 × 256 pixels.",
        "Recipe: none. The file does not say how it was made.",
        "Watermark: none that is known here.",
    ]


def test_the_mark_of_the_settings_and_the_default_are_both_known(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "config.toml").write_text('[engine]\nwatermark = "MYLABO"\n')
    for mark in ("MYLABO", "DRKROM"):
        draw(folder / "a.png", mark=mark)
        verify.main(["a.png"])
        assert f"Watermark: “{mark}”" in capsys.readouterr().out


def test_looking_makes_no_key(folder: Path) -> None:
    (folder / "a.png").write_bytes(files.png({}))
    verify.main(["a.png"])
    assert not (folder / "data").exists()


def test_without_our_key_a_signature_is_valid_but_somebodys(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw(folder / "a.png")
    (folder / "data/signing.pem").write_text("damaged")
    assert verify.main(["a.png"]) == 0
    told = capsys.readouterr()
    assert (
        "Nothing was changed since Darkroom signed it (Darkroom 0.1.0); whether that name is true" in told.out
    )
    assert "signing.pem is damaged" in told.err


@pytest.mark.parametrize(
    ("arguments", "content", "code", "sentence"),
    [
        (["a.png"], None, os.EX_NOINPUT, "a.png: No such file or directory."),
        (["a.png"], b"hello", os.EX_DATAERR, "The file is not a readable PNG, JPEG or WebP."),
        (["."], None, os.EX_NOINPUT, ".: Is a directory."),
        (["a.png", "--config", "no.toml"], b"", os.EX_CONFIG, "There is no configuration file no.toml."),
    ],
)
def test_what_cannot_be_looked_at_is_one_sentence(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    content: bytes | None,
    code: int,
    sentence: str,
) -> None:
    if content is not None:
        (folder / "a.png").write_bytes(content)
    assert verify.main(arguments) == code
    assert capsys.readouterr() == ("", f"{sentence}\n")
