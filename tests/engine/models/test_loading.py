"""Model folders as people have them: complete, half-precision only, in shards, damaged."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.models.loading import ModelBroken, load_stable_diffusion
from engine.models.registry import Registry
from engine.worker.device import Device
from tests.engine.tiny_model import make_tiny_model

CPU = Device(place=torch.device("cpu"), dtype=torch.float32, reason="test")
UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    make_tiny_model(folder, width=16, latent_side=8)
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "tiny"))


def names(folder: Path) -> list[str]:
    return [model.name for model in Registry(folder.parent).models()]


def test_a_folder_in_half_precision_only_is_offered_and_loaded(folder: Path) -> None:
    for part, stem in (
        ("unet", "diffusion_pytorch_model"),
        ("vae", "diffusion_pytorch_model"),
        ("text_encoder", "model"),
    ):
        (folder / part / f"{stem}.safetensors").rename(folder / part / f"{stem}.fp16.safetensors")
    assert names(folder) == ["tiny"]
    assert load_stable_diffusion("tiny", folder, CPU).unet.dtype is torch.float32


def test_weights_in_shards_are_offered_and_loaded(folder: Path) -> None:
    weights = load_file(folder / UNET)
    halves = [dict(list(weights.items())[::2]), dict(list(weights.items())[1::2])]
    files = [f"diffusion_pytorch_model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    for file, half in zip(files, halves, strict=True):
        save_file(half, folder / "unet" / file)
    where = {name: file for file, half in zip(files, halves, strict=True) for name in half}
    index = {"metadata": {"total_size": 1}, "weight_map": where}
    (folder / "unet/diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    whole = load_stable_diffusion("tiny", folder, CPU)
    (folder / UNET).unlink()
    assert names(folder) == ["tiny"]
    sharded = load_stable_diffusion("tiny", folder, CPU)
    assert torch.equal(sharded.unet.conv_in.weight, whole.unet.conv_in.weight)
    assert len(sharded.hash) == 10


def test_pickles_are_neither_offered_nor_read(folder: Path) -> None:
    (folder / UNET).rename(folder / "unet/diffusion_pytorch_model.bin")
    assert names(folder) == ["demo", "demo-x4"]
    with pytest.raises(
        ModelBroken, match="Model 'tiny' cannot be used: its unet has no weights in safetensors"
    ):
        load_stable_diffusion("tiny", folder, CPU)


def test_the_hash_is_that_of_the_weights_that_are_loaded(folder: Path) -> None:
    before = load_stable_diffusion("tiny", folder, CPU).hash
    shutil.copy(folder / UNET, folder / "unet/diffusion_pytorch_model.fp16.safetensors")
    assert load_stable_diffusion("tiny", folder, CPU).hash == before
    weights = load_file(folder / UNET)
    weights["conv_in.bias"] += 1
    save_file(weights, folder / UNET)
    assert load_stable_diffusion("tiny", folder, CPU).hash != before


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_truncated_weights_are_named_without_a_path(folder: Path, part: str) -> None:
    (file,) = (folder / part).glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ModelBroken) as broken:
        load_stable_diffusion("tiny", folder, CPU)
    assert str(broken.value) == f"Model 'tiny' is damaged: its {part} could not be loaded."


@pytest.mark.parametrize("part", ["tokenizer", "scheduler"])
def test_a_missing_part_is_named(folder: Path, part: str) -> None:
    shutil.rmtree(folder / part)
    with pytest.raises(ModelBroken, match=part):
        load_stable_diffusion("tiny", folder, CPU)


def test_the_tiny_model_is_the_same_on_every_machine_and_whole_when_it_appears(
    original: Path, tmp_path: Path
) -> None:
    make_tiny_model(tmp_path / "again", width=16, latent_side=8)
    assert (tmp_path / "again" / UNET).read_bytes() == (original / UNET).read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["again"]
