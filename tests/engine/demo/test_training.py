"""Training: the same from the same seed, resumed without a difference, and exported without a loss."""

import copy
import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from diffusers import AutoencoderKL
from torch import nn

from engine.demo.training import clip as clip_training
from engine.demo.training import diffusion
from engine.demo.training.autoencoder import train_decoder
from engine.demo.training.clip import (
    make_clip,
    save_clip,
    take_text_encoder,
    text_encoder_of,
    tokens_of,
    train_clip,
)
from engine.demo.training.corpus import Corpus, OtherCorpus, make_corpus
from engine.demo.training.export import _forget_origin, latent_to_rgb, scaling_factor
from engine.demo.training.networks import make_autoencoder
from engine.demo.training.optimiser import Optimiser, _orthogonal
from engine.demo.training.tokenizer import make_tokenizer, tokenizer_of
from engine.demo.training.training_run import TrainingRun
from engine.demo.vocabulary import KINDS, known_words

SHARED: dict[str, Any] = {"seed": 1, "device": torch.device("cpu"), "autocast": nullcontext}


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return make_tokenizer(known_words())


@pytest.fixture(scope="module")
def clip(tokenizer: Any) -> Any:
    torch.manual_seed(0)
    return make_clip(len(tokenizer)).eval()


def test_every_known_word_is_one_token_and_any_other_text_falls_into_pieces(tokenizer: Any) -> None:
    words = [word for word in known_words() if "-" not in word]
    assert [word for word in words if len(tokenizer(word).input_ids) != 3] == []
    text = "zyzzyva 東京 🐹 naïve"
    assert tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True).split() == text.split()


def test_the_same_words_get_the_same_numbers_every_time(tmp_path: Path) -> None:
    words = ["bat", "cat", "car", "cart"]
    first = tokenizer_of(tmp_path / "tokenizer", words)
    assert tokenizer_of(tmp_path / "tokenizer", ["other"]).get_vocab() == first.get_vocab()
    assert make_tokenizer(reversed(words)).get_vocab() == first.get_vocab()
    assert first.get_vocab()["ca"] == 512  # the first merge: in three words


def test_the_text_encoder_gives_what_open_clip_gives(clip: Any, tokenizer: Any) -> None:
    ids = tokens_of(tokenizer, ["a hamster with a brush", "two cats", ""])
    with torch.inference_mode():
        states = text_encoder_of(clip)(ids).last_hidden_state
        ends = states[torch.arange(len(ids)), ids.argmax(dim=1)]
        assert torch.allclose(ends @ clip.text_projection, clip.encode_text(ids), atol=1e-5)


def test_the_clip_folder_is_read_by_open_clip_with_its_tokenizer(
    clip: Any, tokenizer: Any, tmp_path: Path
) -> None:
    save_clip(clip, tokenizer, tmp_path)
    loaded, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{tmp_path}")
    ids = open_clip.get_tokenizer(f"local-dir:{tmp_path}")(["a hamster with a brush"])
    with torch.inference_mode():
        expected = clip.encode_text(tokens_of(tokenizer, ["a hamster with a brush"]))
        assert torch.allclose(loaded.eval().encode_text(ids), expected, atol=1e-2)  # half precision on disk
    assert preprocess.transforms[0].size in (64, (64, 64))


def test_a_text_encoder_that_learned_goes_back_into_its_clip(clip: Any, tokenizer: Any) -> None:
    other = text_encoder_of(make_clip(len(tokenizer)))
    taken = take_text_encoder(copy.deepcopy(clip), other)
    ids = tokens_of(tokenizer, ["a hamster with a brush"])
    with torch.inference_mode():
        ends = other(ids).last_hidden_state[0, ids.argmax(dim=1)]
        assert torch.allclose(ends @ clip.text_projection, taken.encode_text(ids), atol=1e-5)


def regression(file: Path, steps: int) -> TrainingRun:
    torch.manual_seed(1)
    network = nn.Sequential(nn.Linear(8, 16), nn.SiLU(), nn.Linear(16, 8))

    def loss_at(step: int) -> torch.Tensor:
        inputs = torch.from_numpy(np.random.default_rng(step).standard_normal((32, 8), np.float32))
        loss: torch.Tensor = (network(inputs) - inputs.roll(1, dims=1)).square().mean()
        return loss

    return TrainingRun(network, file=file, steps=steps, lr=1e-2, loss_at=loss_at)


def weights(network: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.flatten() for parameter in network.parameters()])


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    run = regression(tmp_path / "run.pt", 400)
    before = run._loss_at(10_000).item()
    run.run()
    assert run._loss_at(10_000).item() < before / 4


def test_a_resumed_run_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    whole = regression(tmp_path / "whole.pt", 60).run()
    first = regression(tmp_path / "halves.pt", 60)
    for _ in range(30):
        first._train_step()
    first._save()
    assert torch.equal(weights(regression(tmp_path / "halves.pt", 60).run()), weights(whole))


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    done = regression(tmp_path / "run.pt", 20).run()
    again = regression(tmp_path / "run.pt", 20)
    assert torch.equal(weights(again.run()), weights(done))
    assert again.step == 20


@pytest.mark.parametrize("shape", [(4, 12), (12, 4), (8, 8)])
def test_an_orthogonal_update_has_singular_values_near_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(2)
    values = torch.linalg.svdvals(_orthogonal(torch.randn(shape)).float())
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_every_parameter_has_one_optimiser() -> None:
    network = nn.Sequential(nn.Conv2d(8, 8, 3), nn.GroupNorm(2, 8), nn.Linear(8, 8))
    groups = [
        group["params"] for part in Optimiser(network, lr=1e-3, steps=1)._parts for group in part.param_groups
    ]
    assert sorted(id(parameter) for group in groups for parameter in group) == sorted(
        map(id, network.parameters())
    )


@pytest.fixture
def corpus(tmp_path: Path) -> Callable[[np.ndarray[Any, Any]], Corpus]:
    def make(pictures: np.ndarray[Any, Any]) -> Corpus:
        np.save(tmp_path / "pictures.npy", pictures)
        return Corpus(tmp_path, 1, len(pictures), KINDS[:8])

    return make


def test_scaled_latents_have_unit_variance() -> None:
    latents = (3 * np.random.default_rng(0).standard_normal((4, 4, 36, 36))).astype(np.float16)
    assert (latents.astype(np.float32) * scaling_factor(latents)).std() == pytest.approx(1, abs=0.01)


def test_a_network_that_ships_does_not_say_from_where_it_was_read(tmp_path: Path) -> None:
    make_autoencoder().save_pretrained(tmp_path / "first")
    AutoencoderKL.from_pretrained(tmp_path / "first").save_pretrained(tmp_path / "second")
    config = tmp_path / "second/config.json"
    assert str(tmp_path) in config.read_text()
    _forget_origin(config)
    assert str(tmp_path) not in config.read_text()
    assert (
        AutoencoderKL.from_config(AutoencoderKL.load_config(tmp_path / "second")).config.latent_channels == 4
    )


def test_the_previews_matrix_finds_a_linear_relation() -> None:
    random = np.random.default_rng(0)
    colours = random.integers(0, 256, (3, 36, 36, 3), np.uint8)
    pictures = colours.repeat(8, axis=1).repeat(8, axis=2)
    values = colours.transpose(0, 3, 1, 2) / 127.5 - 1
    latents = np.concatenate([2 * values, random.standard_normal((3, 1, 36, 36))], axis=1).astype(np.float32)
    matrix = np.array(latent_to_rgb(latents, pictures))
    assert matrix == pytest.approx(np.vstack([np.eye(3) / 2, np.zeros((2, 3))]), abs=0.01)


def test_the_decoder_learns_alone_and_the_latents_stay_what_they_were(
    corpus: Callable[[np.ndarray[Any, Any]], Corpus], tmp_path: Path
) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 288, 288, 3), np.uint8)
    torch.manual_seed(3)
    network = make_autoencoder()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    latents = np.zeros((2, 4, 36, 36), np.float16)
    trained = train_decoder(
        corpus(pictures), network, latents, file=tmp_path / "decoder.pt", steps=2, **SHARED
    )
    changed = {name for name, value in trained.state_dict().items() if not torch.equal(value, before[name])}
    assert "decoder.conv_out.weight" in changed
    assert not [name for name in changed if name.startswith(("encoder", "quant_conv"))]


def test_what_is_learned_slowly_is_seen_more_often(
    corpus: Callable[[np.ndarray[Any, Any]], Corpus],
) -> None:
    scenes = corpus(np.zeros((200, 1, 1, 3), np.uint8))
    chances = scenes.chances(200)
    assert chances.sum() == pytest.approx(1)
    easy = chances[[scene.layout.name == "alone" and scene.style is None for scene in scenes.scenes]]
    assert chances[[scene.layout.name == "above" for scene in scenes.scenes]].min() > 1.9 * easy.max()
    assert chances[[scene.style == "pixel art" for scene in scenes.scenes]].min() > 2.9 * easy.max()


def test_another_runs_scenes_are_not_taken_for_ones_own(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"size": 1, "kinds": KINDS[:8], "processes": 1}
    (tmp_path / "masks.npy").touch()
    (tmp_path / "corpus.json").write_text(
        json.dumps({"seed": 1, "size": 1, "kinds": [kind.name for kind in KINDS[:8]]})
    )
    assert make_corpus(tmp_path, seed=1, **asked).seed == 1
    with pytest.raises(OtherCorpus, match="another seed"):
        make_corpus(tmp_path, seed=2, **asked)


@pytest.mark.parametrize("joint", [False, True])
def test_the_text_encoder_learns_with_the_diffusion_only_where_both_are_trained(
    joint: bool,
    clip: Any,
    tokenizer: Any,
    corpus: Callable[[np.ndarray[Any, Any]], Corpus],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(diffusion, "BATCH", 2)
    np.save(tmp_path / "masks.npy", np.zeros((4, 36, 36), np.uint8))
    encoder = text_encoder_of(clip)
    before = weights(encoder).detach().clone()
    trained = diffusion.train_diffusion(
        corpus(np.zeros((4, 1, 1, 3), np.uint8)),
        np.random.default_rng(0).standard_normal((4, 4, 36, 36)).astype(np.float16),
        tokenizer,
        encoder,
        start=None,
        scaling_factor=1.0,
        file=tmp_path / "diffusion.pt",
        steps=2,
        joint=joint,
        compiled=False,
        **SHARED,
    )
    assert torch.equal(weights(trained.text_encoder), before) != joint


def test_a_picture_tower_follows_a_text_tower_that_stays(
    clip: Any,
    tokenizer: Any,
    corpus: Callable[[np.ndarray[Any, Any]], Corpus],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clip_training, "BATCH", 2)
    scenes = corpus(np.random.default_rng(0).integers(0, 256, (4, 288, 288, 3), np.uint8))
    start = copy.deepcopy(clip)
    trained = train_clip(scenes, tokenizer, start=start, file=tmp_path / "clip.pt", steps=2, **SHARED)
    changed = {
        name for name, value in trained.named_parameters() if not torch.equal(value, clip.get_parameter(name))
    }
    assert {"visual.conv1.weight", "text_projection"} <= changed
    assert not [name for name in changed if name.startswith(clip_training.TEXT_TOWER)]
