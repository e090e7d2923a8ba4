"""Embeddings in a prompt, judged by diffusers' `load_textual_inversion`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline

from engine.errors import Refusal
from engine.models.adapter_folder import AdapterFolders
from engine.models.adapter_library import AdapterLibrary
from engine.models.loading import StableDiffusion
from engine.prompts.limits import CHUNK_TOKENS, MAX_CHUNKS
from engine.prompts.wildcards import Words
from tests.engine.adapter_files import write

Encode = Callable[..., torch.Tensor]
WIDTH = 16


def vectors(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embeddings")
    write(folder / "film.safetensors", {"emb_params": vectors(3)})
    write(folder / "toy.safetensors", {"<cat-toy>": vectors(1, seed=1)[0]})
    write(folder / "long.safetensors", {"emb_params": vectors(40, seed=2)})
    return folder


@pytest.fixture(scope="module")
def library(folder: Path) -> AdapterLibrary:
    return AdapterLibrary(AdapterFolders.of(loras=folder / "no", embeddings=folder, vaes=folder / "no"))


@pytest.fixture(scope="module")
def encode(model: StableDiffusion, library: AdapterLibrary) -> Encode:
    """A prompt's embedding, [1, tokens, width]."""

    def encode(prompt: str, clip_skip: int = 1) -> torch.Tensor:
        adapters = library.adapters(model, Words(prompt))
        made = model.prompts.encode(prompt, "", guided=False, clip_skip=clip_skip, adapters=adapters)
        return made.at(1, 1)

    return encode


@pytest.fixture(scope="module")
def pipeline(model_folder: Path, folder: Path) -> Any:
    pipeline = StableDiffusionPipeline.from_pretrained(model_folder, dtype=torch.float32)
    for name in ("film", "toy"):
        file = f"{name}.safetensors"
        pipeline.load_textual_inversion(str(folder), weight_name=file, token=f"<{name}>")
    return pipeline


@pytest.mark.parametrize(
    "prompt", ["a cat, film", "film", "a toy in FILM, old", "a film film toy", "a toy, 35mm film."]
)
def test_a_prompt_with_embeddings_equals_the_pipelines(pipeline: Any, encode: Encode, prompt: str) -> None:
    theirs = prompt.lower().replace("film", "<film>").replace("toy", "<toy>")
    expected = pipeline.encode_prompt(theirs, "cpu", 1, False)[0]
    torch.testing.assert_close(encode(prompt), expected, atol=1e-4, rtol=0)
    other = prompt.lower().replace("film", "movie").replace("toy", "doll")
    assert not torch.allclose(encode(other), expected, atol=1e-3)


def test_a_name_is_a_word_of_its_own(encode: Encode, model: StableDiffusion) -> None:
    for prompt in ("films", "film-noir", "a microfilm", "film_2"):
        assert torch.equal(encode(prompt), model.prompts.embed(prompt, chunks=1, clip_skip=1))


def test_emphasis_weighs_every_vector(
    encode: Encode, model: StableDiffusion, library: AdapterLibrary
) -> None:
    adapters = library.adapters(model, Words("(film:1.5)"))
    chunk = model.prompts.read("a (film:1.5) cat", adapters.embeddings).chunks[0]
    assert chunk.weights == (1.0, 1.5, 1.5, 1.5, 1.0)
    assert not torch.allclose(encode("a (film:1.5) cat"), encode("a film cat"), atol=1e-3)


def test_vectors_count_as_tokens_and_stay_together(model: StableDiffusion, library: AdapterLibrary) -> None:
    def sizes(text: str) -> list[int]:
        embeddings = library.adapters(model, Words(text)).embeddings
        return [len(chunk.tokens) for chunk in model.prompts.read(text, embeddings).chunks]

    assert sizes("long cat") == [41]
    assert sizes("long long") == [40, 40]
    assert sizes("cat " * 74 + "film dog") == [74, 4]


def test_what_is_cut_off_is_named_with_its_embeddings(
    model: StableDiffusion, library: AdapterLibrary
) -> None:
    text = "cat " * (CHUNK_TOKENS * MAX_CHUNKS) + "dog film toy bird"
    embeddings = library.adapters(model, Words(text)).embeddings
    reading = model.prompts.read(text, embeddings)
    assert reading.cut == "dog film toy bird"
    assert reading.tokens == CHUNK_TOKENS * MAX_CHUNKS + 6


def test_clip_skip_and_schedules_see_the_vectors_too(encode: Encode) -> None:
    assert not torch.allclose(encode("film", clip_skip=2), encode("movie", clip_skip=2), atol=1e-3)
    torch.testing.assert_close(encode("[film:dog:5]"), encode("film"))


def test_a_changed_file_changes_its_word(encode: Encode, folder: Path) -> None:
    assert torch.equal(encode("fresh"), encode("fresh"))
    plain = encode("fresh")
    write(folder / "fresh.safetensors", {"emb_params": vectors(1, seed=5)})
    first = encode("fresh")
    write(folder / "fresh.safetensors", {"emb_params": vectors(2, seed=6)})
    second = encode("fresh")
    (folder / "fresh.safetensors").unlink()
    assert not torch.allclose(plain, first, atol=1e-3)
    assert not torch.allclose(first, second, atol=1e-3)
    assert torch.equal(encode("fresh"), plain)


def test_an_embedding_of_another_width_is_refused_with_both(
    model: StableDiffusion, library: AdapterLibrary, folder: Path
) -> None:
    for tensors, says in (
        ({"emb_params": torch.zeros(2, 768)}, "its vectors have 768 numbers, and the model's words have 16"),
        ({"clip_l": torch.zeros(2, 768), "clip_g": torch.zeros(2, 1280)}, "have 1280 and 768 numbers"),
    ):
        write(folder / "wide.safetensors", tensors)
        words = Words("a wide cat")
        with pytest.raises(Refusal, match=says) as caught:
            model.prompts.encode("", "", guided=False, adapters=library.adapters(model, words))
        assert caught.value.body.code == "embedding_incompatible"
        (folder / "wide.safetensors").unlink()


def test_what_is_no_embedding_is_a_word_that_is_refused(
    model: StableDiffusion, library: AdapterLibrary, folder: Path
) -> None:
    for tensors, code, says in (
        ({"lora_unet_x.lora_up.weight": torch.zeros(2, 2)}, "embedding_incompatible", "it is a LoRA"),
        ({"<a>": torch.zeros(16), "<b>": torch.zeros(16)}, "embedding_incompatible", "more than one"),
        ({"emb_params": torch.zeros(0, 16)}, "embedding_incompatible", "it has no vectors"),
        ({"emb_params": torch.tensor(1.0)}, "embedding_incompatible", "no list of vectors"),
        ({"emb_params": torch.zeros(5, 0)}, "embedding_incompatible", "no list of vectors"),
        ({"emb_params": torch.full((1, 16), torch.nan)}, "adapter_broken", "it holds what is no number"),
    ):
        write(folder / "odd.safetensors", tensors)
        with pytest.raises(Refusal, match=says) as caught:
            library.adapters(model, Words("", "odd"))
        assert (caught.value.body.code, caught.value.body.field) == (code, "negative_prompt")
        (folder / "odd.safetensors").unlink()
