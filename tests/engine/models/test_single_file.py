"""Single files in the original layout draw what the diffusers folder of the same weights draws, without a network."""

import hashlib
import json
import socket
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engine.models.loading import ModelBroken, load_stable_diffusion
from engine.models.registry import Registry
from tests.engine.models.drawing import draw, load
from tests.engine.models.original_layout import Tensors, make_pair
from tests.engine.worker.equality import EXACT


@dataclass
class Pair:
    """The same weights as a folder and as a file; both are models of one registry."""

    family: str
    prediction: str
    folder: Path
    tensors: Tensors

    @property
    def file(self) -> Path:
        return self.folder.with_name("file.safetensors")


@pytest.fixture(
    scope="module", params=[("sd1", "epsilon"), ("sd2", "epsilon"), ("sd2", "v_prediction")], ids="-".join
)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    family, prediction = request.param
    folder = tmp_path_factory.mktemp("models") / "folder"
    made = Pair(family, prediction, folder, make_pair(folder, family, prediction))
    save_file(
        made.tensors,
        made.file,
        metadata={"modelspec.prediction_type": prediction.removesuffix("_prediction")},
    )
    return made


def test_a_single_file_draws_what_its_folder_draws_and_asks_no_network(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(socket, "getaddrinfo")
    from_file = load(pair.file)
    assert from_file.scheduler_config["prediction_type"] == pair.prediction
    torch.testing.assert_close(draw(from_file), draw(load(pair.folder)), atol=1e-4, rtol=0)


def test_a_single_file_is_offered_with_its_family_and_size(pair: Pair) -> None:
    offered = {model.name: model for model in Registry(pair.folder.parent).models()}
    model = offered["file"]
    assert (model.title, model.family) == ("file", pair.family)
    assert model.defaults.width == (768 if pair.prediction == "v_prediction" else 512)
    assert offered.keys() == {"file", "folder"}


def test_the_hash_is_the_files_and_is_kept(pair: Pair) -> None:
    digest = hashlib.sha256(pair.file.read_bytes()).hexdigest()
    assert load(pair.file).hash == digest[:10]
    kept = json.loads((pair.folder.parent / ".digests.json").read_text())
    assert kept["file.safetensors"][2] == digest


def test_a_tensor_that_is_missing_or_has_another_shape_is_told_by_its_part(
    pair: Pair, tmp_path: Path
) -> None:
    for name, part in (
        ("model.diffusion_model.out.2.weight", "network"),
        ("first_stage_model.decoder.conv_out.bias", "VAE"),
    ):
        broken = dict(pair.tensors)
        del broken[name]
        save_file(broken, tmp_path / "m.safetensors")
        with pytest.raises(ModelBroken) as caught:
            load_stable_diffusion("m", tmp_path / "m.safetensors", EXACT)
        assert str(caught.value) == f"Model 'm' cannot be used: its {part} is damaged or incomplete."
