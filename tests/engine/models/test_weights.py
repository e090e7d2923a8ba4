"""Parameters counted from headers are those that are loaded."""

from pathlib import Path

import pytest
from safetensors.torch import save_file

from engine.models.registry import Registry
from engine.worker.placement import weights_of
from tests.engine.models.drawing import load
from tests.engine.models.original_layout import make_pair


@pytest.mark.parametrize("family", ["sd1", "sd2"])
def test_a_folder_and_a_file_are_counted_without_being_loaded(tmp_path: Path, family: str) -> None:
    tensors = make_pair(tmp_path / "folder", family, "epsilon")
    save_file(tensors, tmp_path / "file.safetensors")
    models = {model.name: model.weights for model in Registry(tmp_path).models()}
    loaded = weights_of(load(tmp_path / "folder"))
    assert models["folder"] == loaded
    assert models["file"] is not None
    assert (models["file"].unet, models["file"].vae) == (loaded.unet, loaded.vae)
    assert models["file"].text >= loaded.text  # it may hold layers that are left out


def test_a_torn_folder_is_not_offered_and_the_log_says_which_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_pair(tmp_path / "folder", "sd1", "epsilon")
    weights = next((tmp_path / "folder" / "vae").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-3])
    assert [model.name for model in Registry(tmp_path).models()] == ["demo", "demo-x4"]
    assert caplog.messages == [
        "model folder is not offered: its vae cannot be used: it ends 3 bytes too early: copy or download it again"
    ]
