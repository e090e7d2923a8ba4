"""PNG files: complete or not there, with their infotext readable by anybody."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.images.encoding import write_png
from engine.images.previews import preview_jpeg


@pytest.mark.parametrize("text", ["a hamster\nSteps: 20", "ein Häuschen", "仓鼠 🐹"])
def test_the_infotext_is_in_the_parameters_chunk_in_any_script(tmp_path: Path, text: str) -> None:
    pixels = np.arange(64 * 48 * 3, dtype=np.uint8).reshape(64, 48, 3)
    sha256, size = write_png(tmp_path / "0.png", pixels, text)
    written = (tmp_path / "0.png").read_bytes()
    assert (hashlib.sha256(written).hexdigest(), len(written)) == (sha256, size)
    with Image.open(tmp_path / "0.png") as image:
        assert image.info["parameters"] == text
        assert np.array_equal(np.asarray(image), pixels)
    assert [path.name for path in tmp_path.iterdir()] == ["0.png"]


def test_a_preview_is_a_small_jpeg_in_the_pictures_shape() -> None:
    latents = np.random.default_rng(0).normal(size=(4, 96, 64)).astype(np.float32)
    jpeg = preview_jpeg(latents)
    assert jpeg[:3] == b"\xff\xd8\xff"
    assert len(jpeg) < 40_000


def test_a_preview_of_nan_latents_is_a_picture_all_the_same() -> None:
    assert preview_jpeg(np.full((4, 8, 8), np.nan, np.float32))[:3] == b"\xff\xd8\xff"
