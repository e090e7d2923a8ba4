"""Upscalers: what is read, what is refused, and that nobody sees the tiles."""

import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors.torch import load_file, save_file
from spandrel import ImageModelDescriptor, ModelLoader

from engine.errors import Refusal
from engine.models.upscaler import Upscaler, load_upscaler
from engine.worker.device import Device
from engine.worker.pixels import NotANumber
from engine.worker.tiles import enlarged, tiles
from tests.engine.tiny_esrgan import make_tiny_esrgan, make_tiny_upscaler

Pixels = npt.NDArray[np.uint8]
EXACT = Device(place=torch.device("cpu"), dtype=torch.float32, reason="exact")


@pytest.fixture(scope="module")
def upscaler(tmp_path_factory: pytest.TempPathFactory) -> Upscaler:
    path = tmp_path_factory.mktemp("upscalers") / "tiny.safetensors"
    make_tiny_upscaler(path)
    return load_upscaler("tiny", path, EXACT)


@pytest.fixture
def photo() -> Pixels:
    return np.random.default_rng(5).integers(0, 256, (90, 131, 3), dtype=np.uint8)


def all_of(work: Generator[Any, None, Pixels]) -> tuple[list[float], Pixels]:
    shares = []
    while True:
        try:
            shares.append(next(work))
        except StopIteration as end:
            return shares, end.value


def test_the_whole_picture_is_what_spandrel_makes_of_it(tmp_path: Path, photo: Pixels) -> None:
    make_tiny_esrgan(tmp_path / "x4.safetensors")
    ours = load_upscaler("x4", tmp_path / "x4.safetensors", EXACT)
    theirs = ModelLoader().load_from_file(tmp_path / "x4.safetensors")
    assert isinstance(theirs, ImageModelDescriptor)
    assert ours.scale == theirs.scale == 4
    unit = torch.from_numpy(photo.astype(np.float32) / 255).permute(2, 0, 1)[None]
    expected = (theirs.eval()(unit)[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    assert np.array_equal(all_of(enlarged(ours, photo, side=131))[1], expected)


@pytest.mark.parametrize("side", [16, 37, 90])
def test_tiles_leave_no_seams(upscaler: Upscaler, photo: Pixels, side: int) -> None:
    whole = all_of(enlarged(upscaler, photo, side=131))[1]
    shares, tiled = all_of(enlarged(upscaler, photo, side=side))
    assert len(shares) > 1
    assert sum(shares) == pytest.approx(1)
    assert np.abs(tiled.astype(int) - whole.astype(int)).max() <= 1  # a rounding may tip over


@pytest.mark.parametrize("size", [(1, 1), (131, 90), (64, 64), (8, 300)])
def test_tiles_cover_every_pixel_once_and_none_is_too_large(size: tuple[int, int]) -> None:
    covered = np.zeros((size[1], size[0]), int)
    for left, top, right, bottom in tiles(size, 50):
        assert 0 < right - left <= 50
        assert 0 < bottom - top <= 50
        covered[top:bottom, left:right] += 1
    assert (covered == 1).all()


class Crowded:
    """An upscaler on a device that holds at most `room` pixels."""

    def __init__(self, upscaler: Upscaler, room: int) -> None:
        self._upscaler, self._room = upscaler, room
        self.scale, self.device = upscaler.scale, upscaler.device
        self.handling: list[bool] = []

    def enlarge(self, pixels: torch.Tensor) -> torch.Tensor:
        self.handling.append(sys.exc_info()[0] is not None)
        if pixels.shape[-1] * pixels.shape[-2] > self._room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self._upscaler.enlarge(pixels)


def test_a_tile_that_does_not_fit_is_quartered_after_the_exception_is_gone(
    upscaler: Upscaler, photo: Pixels
) -> None:
    whole = all_of(enlarged(upscaler, photo, side=131))[1]
    crowded = Crowded(upscaler, room=70 * 70)
    shares, tiled = all_of(enlarged(crowded, photo, side=131))  # type: ignore[arg-type]
    assert sum(shares) == pytest.approx(1)
    assert len(crowded.handling) > len(shares)  # something did not fit
    assert not any(crowded.handling)
    assert np.abs(tiled.astype(int) - whole.astype(int)).max() <= 1


def test_where_even_a_small_tile_does_not_fit_it_is_said(upscaler: Upscaler, photo: Pixels) -> None:
    with pytest.raises(torch.OutOfMemoryError):
        all_of(enlarged(Crowded(upscaler, room=10), photo, side=131))  # type: ignore[arg-type]


def test_what_is_not_a_number_is_no_picture(tmp_path: Path, photo: Pixels) -> None:
    make_tiny_upscaler(tmp_path / "nan.safetensors")
    broken = load_upscaler("nan", tmp_path / "nan.safetensors", EXACT)
    with torch.no_grad():
        next(iter(broken.network.model.parameters())).fill_(torch.nan)
    with pytest.raises(NotANumber):
        all_of(enlarged(broken, photo, side=64))


def test_half_precision_is_used_where_the_network_bears_it(tmp_path: Path, photo: Pixels) -> None:
    make_tiny_upscaler(tmp_path / "tiny.safetensors")
    half = Device(place=torch.device("cpu"), dtype=torch.bfloat16, reason="fast")
    upscaler = load_upscaler("tiny", tmp_path / "tiny.safetensors", half)
    assert upscaler.network.dtype is torch.bfloat16
    assert all_of(enlarged(upscaler, photo, side=64))[1].shape == (180, 262, 3)


def test_a_face_restorer_is_named_and_not_taken_for_an_upscaler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tiny_upscaler(tmp_path / "faces.safetensors")  # spandrel knows GFPGAN in its full 350 MB alone
    monkeypatch.setattr(ImageModelDescriptor, "purpose", property(lambda _: "FaceSR"))
    with pytest.raises(
        Refusal, match="'faces' cannot be used: it restores faces: put it into the folder of those"
    ):
        load_upscaler("faces", tmp_path / "faces.safetensors", EXACT)


def test_a_broken_file_and_one_of_another_kind_are_named(tmp_path: Path) -> None:
    make_tiny_upscaler(tmp_path / "short.safetensors")
    make_tiny_upscaler(tmp_path / "grey.safetensors", colours=1)
    content = (tmp_path / "short.safetensors").read_bytes()
    (tmp_path / "short.safetensors").write_bytes(content[:-100])
    save_file({"a.weight": torch.zeros(3, 3)}, tmp_path / "other.safetensors")
    make_tiny_esrgan(tmp_path / "many.safetensors")
    tensors = load_file(tmp_path / "many.safetensors")
    tensors["model.1.sub.30000000.RDB1.conv1.0.bias"] = torch.zeros(8)  # spandrel would build all before it
    save_file(tensors, tmp_path / "many.safetensors")
    says = {
        "many": "it claims to have 1,000 parts, or more",
        "short": "it ends 100 bytes too early: copy or download it again",
        "grey": "it takes 1 channels and gives 1, not 3",
        "other": "it is no upscaler of a kind that spandrel knows",
    }
    for name, reason in says.items():
        with pytest.raises(Refusal) as refusal:
            load_upscaler(name, tmp_path / f"{name}.safetensors", EXACT)
        assert refusal.value.body.code == "upscaler_broken"
        assert str(refusal.value) == f"Upscaler '{name}' cannot be used: {reason}."
