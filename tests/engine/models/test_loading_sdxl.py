"""SDXL folders as people have them: half precision only, in shards, incomplete, damaged."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file

from engine.images.previews import SDXL
from engine.models.loading import ModelBroken, load_stable_diffusion
from engine.models.registry import Registry
from engine.worker.device import Device
from engine.worker.pixels import decode_latents, encode_pixels
from tests.engine.tiny_model import make_tiny_model
from tests.engine.tiny_sdxl import make_tiny_sdxl

CPU = Device(place=torch.device("cpu"), dtype=torch.float32, reason="test")
HALF = Device(place=torch.device("cpu"), dtype=torch.float16, reason="test")
SECOND = "text_encoder_2/model.safetensors"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "xl"
    make_tiny_sdxl(folder)
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "xl"))


def names(folder: Path) -> list[str]:
    return [model.name for model in Registry(folder.parent).models()]


def test_a_second_text_encoder_in_half_precision_only_is_loaded(folder: Path) -> None:
    (folder / SECOND).rename(folder / "text_encoder_2/model.fp16.safetensors")
    assert names(folder) == ["xl"]
    pooled = load_stable_diffusion("xl", folder, CPU).prompts.added(
        "a cat", clip_skip=1, size=(64, 64), unconditional=False
    )["text_embeds"]
    assert (pooled.shape, pooled.dtype) == ((1, 20), torch.float32)


def test_a_second_text_encoder_in_shards_is_loaded(folder: Path) -> None:
    whole = load_stable_diffusion("xl", folder, CPU)
    weights = load_file(folder / SECOND)
    halves = [dict(list(weights.items())[::2]), dict(list(weights.items())[1::2])]
    files = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    for file, half in zip(files, halves, strict=True):
        save_file(half, folder / "text_encoder_2" / file, metadata={"format": "pt"})
    where = {name: file for file, half in zip(files, halves, strict=True) for name in half}
    index = {"metadata": {"total_size": 1}, "weight_map": where}
    (folder / "text_encoder_2/model.safetensors.index.json").write_text(json.dumps(index))
    (folder / SECOND).unlink()
    assert names(folder) == ["xl"]
    sharded = load_stable_diffusion("xl", folder, CPU)
    one, other = (model.prompts.encode("a cat", "", guided=True).at(1, 1) for model in (whole, sharded))
    assert torch.equal(one, other)


@pytest.mark.parametrize("part", ["text_encoder", "text_encoder_2", "tokenizer_2"])
def test_a_missing_part_is_named(folder: Path, part: str) -> None:
    shutil.rmtree(folder / part)
    with pytest.raises(ModelBroken, match=f"{part}\\b"):
        load_stable_diffusion("xl", folder, CPU)


def test_a_truncated_second_text_encoder_is_named(folder: Path) -> None:
    (folder / SECOND).write_bytes((folder / SECOND).read_bytes()[:1000])
    with pytest.raises(ModelBroken) as broken:
        load_stable_diffusion("xl", folder, CPU)
    assert str(broken.value) == "Model 'xl' is damaged: its text_encoder_2 could not be loaded."


def test_weights_of_other_shapes_than_the_configuration_says_are_told(folder: Path) -> None:
    config = json.loads((folder / "unet/config.json").read_text())
    (folder / "unet/config.json").write_text(json.dumps(config | {"cross_attention_dim": 99}))
    with pytest.raises(ModelBroken, match="its unet could not be loaded"):
        load_stable_diffusion("xl", folder, CPU)


def test_a_text_encoder_of_another_model_is_told(folder: Path) -> None:
    make_tiny_model(folder.parent / "other", width=32)
    shutil.rmtree(folder / "text_encoder")
    shutil.move(folder.parent / "other/text_encoder", folder / "text_encoder")
    with pytest.raises(ModelBroken, match="its text encoders do not go with its unet"):
        load_stable_diffusion("xl", folder, CPU)


def test_a_base_that_says_it_is_a_refiner_is_told(folder: Path) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"requires_aesthetics_score": True}))
    with pytest.raises(ModelBroken, match="its unet is to be told other numbers than SDXL's"):
        load_stable_diffusion("xl", folder, CPU)


@pytest.mark.parametrize(("upcast", "expected"), [(True, torch.float32), (False, torch.float16)])
def test_the_autoencoder_runs_in_float32_where_half_precision_would_overflow(
    folder: Path, upcast: bool, expected: torch.dtype
) -> None:
    config = json.loads((folder / "vae/config.json").read_text())
    (folder / "vae/config.json").write_text(json.dumps(config | {"force_upcast": upcast}))
    model = load_stable_diffusion("xl", folder, HALF)
    assert (model.unet.dtype, model.vae.dtype) == (torch.float16, expected)
    if upcast:
        assert decode_latents(model, torch.randn(1, 4, 8, 8)).shape == (64, 64, 3)


def test_previews_are_those_of_its_own_autoencoder_unless_the_card_has_others(folder: Path) -> None:
    assert load_stable_diffusion("xl", folder, CPU).latent_to_rgb == SDXL
    mine = tuple((float(row),) * 3 for row in range(5))
    (folder / "darkroom.json").write_text(json.dumps({"latent_to_rgb": mine}))
    assert load_stable_diffusion("xl", folder, CPU).latent_to_rgb == mine


def test_a_mean_and_a_deviation_for_each_channel_are_those_of_the_autoencoder(folder: Path) -> None:
    statistics = {"latents_mean": [-1.6, 1.1, 3.3, -0.8], "latents_std": [8.4, 9.8, 9.9, 7.9]}
    config = json.loads((folder / "vae/config.json").read_text())
    (folder / "vae/config.json").write_text(json.dumps(config | statistics))
    model = load_stable_diffusion("xl", folder, CPU)
    vae = AutoencoderKL.from_pretrained(folder / "vae")
    mean, deviation = (torch.tensor(values).view(1, 4, 1, 1) for values in statistics.values())

    class Still:
        """No noise: the posterior's mean."""

        def draw(self, shape: torch.Size, place: torch.device, dtype: torch.dtype) -> torch.Tensor:
            return torch.zeros(shape, device=place, dtype=dtype)

    pixels = torch.rand(1, 3, 64, 64) * 2 - 1
    with torch.inference_mode():
        expected = (vae.encode(pixels).latent_dist.mean - mean) * vae.config.scaling_factor / deviation
        latents = torch.randn(1, 4, 8, 8)
        decoded = vae.decode(latents * deviation / vae.config.scaling_factor + mean).sample[0]
    ours = encode_pixels(model, pixels, Still())  # type: ignore[arg-type]
    torch.testing.assert_close(ours, expected)
    unit = (decoded / 2 + 0.5).clamp(0, 1).permute(1, 2, 0) * 255
    assert (torch.from_numpy(decode_latents(model, latents)) - unit).abs().max() <= 0.5 + 1e-3
