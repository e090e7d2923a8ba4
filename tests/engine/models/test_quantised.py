"""GGUF files: a quantised network of a pipeline draws with the other parts of its base."""

import json
import shutil
from pathlib import Path
from typing import Any

import diffusers
import gguf
import numpy as np
import pytest
import torch
from diffusers import FluxPipeline, FluxTransformer2DModel

from engine.models.fault import Corrupt, Missing, NotAModel, Truncated, WrongKind
from engine.models.inventory import Inventory
from engine.models.loading import ModelBroken
from engine.models.pipeline_loading import LoadedPipeline, load_model
from engine.models.registry import Registry
from tests.engine.tiny_pipelines import make_tiny_pipeline
from tests.engine.worker.equality import EXACT

BLOCK = 32  # numbers that share a scale


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base") / "flux"
    make_tiny_pipeline("flux", folder)
    return folder


@pytest.fixture
def root(base: Path, tmp_path: Path) -> Path:
    """A models folder with the base, and a file of its network in eight bits."""
    shutil.copytree(base, tmp_path / "flux")
    network = FluxTransformer2DModel.from_pretrained(base / "transformer")
    write(tmp_path / "small.gguf", network.state_dict())
    (tmp_path / "small.darkroom.json").write_text(json.dumps({"base": "flux", "title": "Small"}))
    return tmp_path


def write(path: Path, tensors: dict[str, Any], architecture: str = "flux") -> None:
    writer = gguf.GGUFWriter(path, architecture)
    for name, tensor in tensors.items():
        numbers = tensor.numpy()
        if numbers.ndim == 2 and numbers.shape[1] % BLOCK == 0:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quants.quantize(numbers, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, numbers)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def fault(root: Path) -> NotAModel | None:
    return next(entry.fault for entry in Registry(root).entries() if entry.name == "small")


def picture(pipeline: Any) -> Any:
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator("cpu").manual_seed(1)
    options = {"num_inference_steps": 2, "output_type": "np", "generator": generator}
    return pipeline(prompt="a hamster", width=64, height=64, **options).images[0]


def test_a_file_draws_with_its_base_what_diffusers_draws(root: Path) -> None:
    model = load_model("small", root / "small.gguf", EXACT)
    assert isinstance(model, LoadedPipeline)
    network = FluxTransformer2DModel.from_single_file(
        str(root / "small.gguf"),
        config=str(root / "flux" / "transformer"),
        quantization_config=diffusers.GGUFQuantizationConfig(compute_dtype=torch.float32),
        dtype=torch.float32,
    )
    expected = picture(FluxPipeline.from_pretrained(root / "flux", transformer=network))
    drawn = picture(model.text_to_image)
    assert np.array_equal(drawn, expected)
    whole = picture(FluxPipeline.from_pretrained(root / "flux"))
    assert 0 < np.abs(drawn - whole).max() < 0.1  # eight bits are not thirty-two


def test_a_file_is_offered_as_its_card_says(root: Path) -> None:
    found = {entry.name: entry for entry in Registry(root).entries()}["small"]
    assert found.info is not None
    assert (found.info.title, found.info.family, found.info.own_pipeline) == ("Small", "flux", True)
    assert Inventory(root).check("small")[1].startswith("SHA-256: ")


def test_a_damaged_file_is_named(root: Path) -> None:
    whole = (root / "small.gguf").read_bytes()
    for content, kind in (
        (b"GGML" + whole[4:], Corrupt),
        (whole[:-40], Truncated),
        (whole[:200], Truncated),
        (whole[:5], Truncated),
        (b"", Corrupt),
    ):
        (root / "small.gguf").write_bytes(content)
        assert type(fault(root)) is kind


@pytest.mark.parametrize(
    ("card", "kind", "says"),
    [
        ({}, WrongKind, "name the folder with the other parts as base in its card"),
        ({"base": "nothing"}, Missing, "its base nothing is no folder beside it"),
        ({"base": "../flux"}, Missing, "is no folder beside it"),
    ],
)
def test_a_file_needs_a_base(root: Path, card: dict[str, str], kind: type[NotAModel], says: str) -> None:
    (root / "small.darkroom.json").write_text(json.dumps(card))
    found = fault(root)
    assert type(found) is kind
    assert says in str(found)


def test_a_network_of_another_kind_is_told_from_its_base(root: Path) -> None:
    write(root / "small.gguf", {"a": torch.zeros(2)}, architecture="llama")
    assert str(fault(root)) == "it is a network of the kind llama, and its base has a FluxTransformer2DModel"


def test_tensors_that_do_not_fit_the_base_are_named_when_they_are_loaded(root: Path) -> None:
    write(root / "small.gguf", {"a": torch.zeros(2)})
    with pytest.raises(ModelBroken, match="its FluxTransformer2DModel could not be loaded"):
        load_model("small", root / "small.gguf", EXACT)
