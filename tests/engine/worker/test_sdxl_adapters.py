"""LoRAs of SDXL's two text encoders and embeddings for both, judged by diffusers' pipeline."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionXLPipeline

from engine.errors import Refusal
from engine.models.adapter_folder import AdapterFolders
from engine.models.adapter_library import AdapterLibrary
from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.prompts.wildcards import Words
from tests.engine import adapter_files
from tests.engine.tiny_sdxl import WIDTHS, make_tiny_sdxl
from tests.engine.worker.equality import EXACT

Encoded = tuple[torch.Tensor, torch.Tensor]  # the tokens' embeddings and the pooled one
Encode = Callable[[str], Encoded]
PARTS = ("unet", "text_encoder", "text_encoder_2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("xl")
    make_tiny_sdxl(folder / "base")
    make_tiny_sdxl(folder / "refiner", "refiner")
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> StableDiffusion:
    return load_stable_diffusion("base", folder / "base", EXACT)


@pytest.fixture(scope="module")
def library(folder: Path) -> AdapterLibrary:
    return AdapterLibrary(AdapterFolders.of(loras=folder, embeddings=folder, vaes=folder))


@pytest.fixture(scope="module")
def pipeline(folder: Path) -> Iterator[Any]:
    """diffusers' pipeline of the same weights, with all of this file's adapters beside it."""
    pipeline = StableDiffusionXLPipeline.from_pretrained(folder / "base", dtype=torch.float32)
    # With the 2 of SDXL's configuration it would pool at the highest token, which is then an embedding's.
    pipeline.text_encoder_2.text_model.eos_token_id = pipeline.tokenizer_2.eos_token_id
    networks = [getattr(pipeline, part) for part in PARTS]
    kohya = adapter_files.kohya(*networks, seed=1)
    own = adapter_files.diffusers(*networks, seed=2)
    files = {
        "film": kohya,
        "ink": own,
        "te2": {name: it for name, it in kohya.items() if name.startswith("lora_te2_")},
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a library about itself
        for name, tensors in files.items():
            adapter_files.write(folder / f"{name}.safetensors", tensors)
            pipeline.load_lora_weights(folder, weight_name=f"{name}.safetensors", adapter_name=name)
        noted = adapter_files.settings(own, alpha=2)  # the same numbers as ink at half its weight
        adapter_files.write(folder / "noted.safetensors", own, noted)
        yield pipeline


@pytest.fixture
def by_diffusers(pipeline: Any) -> Callable[..., Encoded]:
    """What the pipeline makes of a text with LoRAs of these weights."""

    def encode(text: str, **weights: float) -> Encoded:
        pipeline.enable_lora() if weights else pipeline.disable_lora()
        if weights:
            pipeline.set_adapters([*weights], adapter_weights=[*weights.values()])
        tokens, _, pooled, _ = pipeline.encode_prompt(text, device="cpu", do_classifier_free_guidance=False)
        return tokens, pooled

    return encode


@pytest.fixture(scope="module")
def encode(model: StableDiffusion, library: AdapterLibrary) -> Encode:
    def encode(text: str) -> Encoded:
        adapters = library.adapters(model, Words(text))
        made = model.prompts.encode(text, "", guided=False, adapters=adapters)
        return made.at(1, 1), made.added(1, 1, (64, 64))["text_embeds"]

    return encode


def vectors(count: int, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    made = (torch.randn(count, width, generator=generator) for width in WIDTHS)
    return dict(zip(("clip_l", "clip_g"), made, strict=True))


@pytest.mark.parametrize(
    ("tags", "weights"),
    [
        ("<lora:film:1>", {"film": 1}),
        ("<lora:ink:0.7>", {"ink": 0.7}),
        ("<lora:noted:1>", {"ink": 0.5}),
        ("<lora:te2:-0.8>", {"te2": -0.8}),
        ("<lora:film:0.5:0><lora:ink:1.2>", {"film": 0.5, "ink": 1.2}),
    ],
)
def test_a_text_read_with_loras_equals_the_pipelines(
    encode: Encode, by_diffusers: Callable[..., Encoded], tags: str, weights: dict[str, float]
) -> None:
    expected, plain = by_diffusers("a cat", **weights), encode("a cat")
    for ours, theirs, without in zip(encode(f"a cat{tags}"), expected, plain, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)
        assert not torch.allclose(ours, without, atol=1e-2)


@pytest.mark.usefixtures("pipeline")
def test_with_without_and_with_again_nothing_is_left_behind(
    model: StableDiffusion, library: AdapterLibrary
) -> None:
    def fresh(text: str) -> torch.Tensor:
        """Read again, not remembered."""
        adapters = library.adapters(model, Words(text))
        chunk = model.prompts.read("a cat").chunks[0]
        return model.prompts._encode(chunk, 1, adapters)[1]  # type: ignore[attr-defined, no-any-return]

    first, changed = fresh("a cat"), fresh("a cat<lora:te2:1>")
    assert torch.equal(fresh("a cat"), first)
    assert torch.equal(fresh("a cat<lora:te2:1>"), changed)
    assert not torch.allclose(first, changed, atol=1e-2)


@pytest.mark.usefixtures("pipeline")
def test_both_text_encoders_have_the_first_weight_of_a_tag_and_the_network_has_the_second(
    model: StableDiffusion, library: AdapterLibrary
) -> None:
    adapters = library.adapters(model, Words("<lora:film:0.2:0.8>"))
    assert [weight for _, _, weight in adapters.for_unet] == [0.8]
    assert [weight for _, _, weight in adapters.of("text_encoder_2")] == [0.2]
    assert len(adapters.text_key) == 1


@pytest.mark.parametrize("prompt", ["a cat, mood", "mood", "a toy in MOOD, old", "a mood mood toy"])
def test_a_prompt_with_embeddings_equals_the_pipelines(
    encode: Encode, by_diffusers: Callable[..., Encoded], pipeline: Any, folder: Path, prompt: str
) -> None:
    for name, count in (("mood", 3), ("toy", 1)):
        both = vectors(count, seed=count)
        adapter_files.write(folder / f"{name}.safetensors", both)
        if f"<{name}>" in pipeline.tokenizer.get_vocab():
            continue
        for number, key in (("", "clip_l"), ("_2", "clip_g")):
            parts = {"text_encoder": f"text_encoder{number}", "tokenizer": f"tokenizer{number}"}
            networks = {part: getattr(pipeline, own) for part, own in parts.items()}
            pipeline.load_textual_inversion(both[key], token=f"<{name}>", **networks)
    theirs = prompt.lower().replace("mood", "<mood>").replace("toy", "<toy>")
    plain = encode(prompt.lower().replace("mood", "movie").replace("toy", "doll"))
    for ours, expected, without in zip(encode(prompt), by_diffusers(theirs), plain, strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-4, rtol=0)
        assert not torch.allclose(ours, without, atol=1e-3)


def test_emphasis_weighs_every_vector_and_they_stay_in_one_chunk(
    encode: Encode, model: StableDiffusion, library: AdapterLibrary, folder: Path
) -> None:
    adapter_files.write(folder / "glow.safetensors", vectors(3, seed=7))
    embeddings = library.adapters(model, Words("glow")).embeddings
    read = model.prompts.read
    assert read("a (glow:1.5) cat", embeddings).chunks[0].weights == (1.0, 1.5, 1.5, 1.5, 1.0)
    assert [len(each.tokens) for each in read("cat " * 74 + "glow dog", embeddings).chunks] == [74, 4]
    weighed, plain = encode("a (glow:1.5) cat"), encode("a glow cat")
    assert not torch.allclose(weighed[0], plain[0], atol=1e-3)
    torch.testing.assert_close(weighed[1], plain[1])  # the pooled text has no emphasis


def test_a_changed_file_changes_its_word_in_both_encoders(encode: Encode, folder: Path) -> None:
    path, made = folder / "fresh.safetensors", []
    for seed in (5, 6):
        adapter_files.write(path, vectors(seed - 4, seed=seed))
        made.append(encode("fresh"))
    path.unlink()
    for first, second in zip(*made, strict=True):
        assert not torch.allclose(first, second, atol=1e-3)


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        ({"emb_params": torch.ones(1, 16)}, "have 16 numbers, and the model's words have 16 and 24"),
        ({"clip_g": torch.ones(1, 24)}, "have 24 numbers, and the model's words have 16 and 24"),
        (
            {"clip_l": torch.ones(1, 768), "clip_g": torch.ones(1, 1280)},
            "have 1280 and 768 numbers, and the model's words have 16 and 24",
        ),
    ],
)
def test_an_embedding_that_is_not_for_both_encoders_is_refused(
    encode: Encode, folder: Path, tensors: adapter_files.Tensors, says: str
) -> None:
    path = adapter_files.write(folder / "odd.safetensors", tensors)
    with pytest.raises(Refusal, match=says) as caught:
        encode("odd")
    assert caught.value.body.code == "embedding_incompatible"
    path.unlink()


@pytest.mark.usefixtures("pipeline")
def test_what_the_model_has_no_network_for_is_refused(folder: Path, library: AdapterLibrary) -> None:
    refiner = load_stable_diffusion("refiner", folder / "refiner", EXACT)
    with pytest.raises(Refusal, match="it has tensors for networks that the model does not have"):
        library.adapters(refiner, Words("<lora:film:1>"))
