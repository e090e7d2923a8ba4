"""The upscalers folder: names, never paths; what is no upscaler is not offered, and the log says why."""

import logging
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.errors import Refusal
from engine.models.conversion import convert
from engine.models.fault import Unsafe
from engine.models.upscaler_folder import UpscalerFolder
from tests.engine.models.test_conversion import Runs
from tests.engine.tiny_esrgan import make_tiny_upscaler


def test_a_folder_that_is_not_there_has_no_upscalers(tmp_path: Path) -> None:
    assert UpscalerFolder(tmp_path / "none").names() == ()


def test_whole_files_are_offered_by_name_and_the_log_says_once_what_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_tiny_upscaler(tmp_path / "4x-Sharp.safetensors")
    make_tiny_upscaler(tmp_path / "lanczos.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(b"\x00" * 4)
    torch.save({"params": {}}, tmp_path / "RealESRGAN.pth")
    save_file({"x.lora_up.weight": torch.zeros(2, 2)}, tmp_path / "lora.safetensors")
    (tmp_path / "notes.txt").write_text("not a model")
    folder = UpscalerFolder(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert folder.names() == folder.names() == ("4x-Sharp",)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 4
    assert f"darkroom models convert {tmp_path / 'RealESRGAN.pth'}" in " ".join(said)
    assert "upscaler lora.safetensors is not offered: it is a LoRA, not an upscaler" in said


def test_a_name_is_never_a_path(tmp_path: Path) -> None:
    make_tiny_upscaler(tmp_path / "upscalers" / "good.safetensors")
    make_tiny_upscaler(tmp_path / "outside.safetensors")
    (tmp_path / "upscalers" / "link.safetensors").symlink_to(tmp_path / "outside.safetensors")
    folder = UpscalerFolder(tmp_path / "upscalers")
    assert folder.names() == ("good",)
    assert folder.lookup("good") == tmp_path / "upscalers" / "good.safetensors"
    for name in ("../outside", "link", str(tmp_path / "outside"), "good.safetensors"):
        with pytest.raises(Refusal, match="There is no upscaler called"):
            folder.lookup(name)


def test_a_pth_becomes_safetensors_of_its_averaged_weights(tmp_path: Path) -> None:
    make_tiny_upscaler(tmp_path / "made.safetensors")
    weights = load_file(tmp_path / "made.safetensors")
    params = {name: torch.zeros_like(value) for name, value in weights.items()}
    torch.save({"params": params, "params_ema": weights}, tmp_path / "x2.pth")
    made = convert(tmp_path / "x2.pth", environ=os.environ)
    converted = load_file(made)
    assert converted.keys() == weights.keys()
    assert all(torch.equal(converted[name], value) for name, value in weights.items())
    assert "x2" in UpscalerFolder(tmp_path).names()


def test_a_pth_that_runs_code_is_named_unsafe_and_does_not_run(tmp_path: Path) -> None:
    torch.save({"params": Runs(os.system, f"touch {tmp_path / 'ran'}")}, tmp_path / "bad.pth")
    with pytest.raises(Unsafe):
        convert(tmp_path / "bad.pth", environ=os.environ)
    assert not (tmp_path / "ran").exists()
    assert UpscalerFolder(tmp_path).names() == ()
