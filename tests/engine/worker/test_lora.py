"""LoRAs in the step loop, judged by diffusers' `load_lora_weights`; none of them stays in another one's picture."""

import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline

from engine.errors import Refusal
from engine.models import lora_layers
from engine.models.adapter_folder import AdapterFolders
from engine.models.adapter_library import AdapterLibrary
from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.prompts.wildcards import Words
from engine.tasks.text_to_image import start_text_to_image
from engine.wire import GenerationRequest, Sampler, Schedule
from engine.worker.batching import RowCap
from engine.worker.bucketed import Bucketed
from engine.worker.device import Device
from engine.worker.flight import ImageInFlight
from engine.worker.ladder import Rung, Work
from engine.worker.policy import MemoryPolicy
from engine.worker.room import Room
from engine.worker.step_loop import StepLoop
from tests.engine import adapter_files
from tests.engine.worker.equality import told

Ask = Callable[..., GenerationRequest]
Weights = dict[str, tuple[float, float]]  # of the text encoder and of the network, by the LoRA's name


@pytest.fixture(scope="module")
def pipeline(model_folder: Path) -> Any:
    """diffusers' pipeline of the same weights, with the Euler sampler."""
    pipeline = StableDiffusionPipeline.from_pretrained(model_folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config)
    return pipeline


@pytest.fixture(scope="module")
def folder(pipeline: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of LoRAs for this model."""
    folder = tmp_path_factory.mktemp("loras")
    networks = pipeline.unet, pipeline.text_encoder
    write = adapter_files.write
    write(folder / "film.safetensors", adapter_files.kohya(*networks, seed=1))
    write(folder / "ink.safetensors", adapter_files.diffusers(*networks, seed=2))
    write(folder / "locon.safetensors", adapter_files.kohya(*networks, seed=3, convolutions=True))
    both = adapter_files.kohya(*networks, seed=4)
    for part in ("unet", "te"):
        one = {name: it for name, it in both.items() if name.startswith(f"lora_{part}_")}
        write(folder / f"{part}.safetensors", one)
    tensors = adapter_files.diffusers(*networks, seed=2)
    # the same numbers as ink, and only the metadata say that they weigh half
    write(folder / "noted.safetensors", tensors, adapter_files.settings(tensors, alpha=2))
    return folder


@pytest.fixture
def library(folder: Path) -> AdapterLibrary:
    return AdapterLibrary(AdapterFolders.of(loras=folder, embeddings=folder / "no", vaes=folder / "no"))


@pytest.fixture
def plainly(ask: Ask) -> Ask:
    """A request as the pipeline draws it."""
    return lambda **changes: ask(**({"schedule": Schedule.NORMAL, "steps": 4} | changes))


@pytest.fixture
def draw(model: StableDiffusion, library: AdapterLibrary) -> Callable[..., list[torch.Tensor]]:
    """The finished latents of requests that are drawn at the same time."""

    def draw(*requests: GenerationRequest) -> list[torch.Tensor]:
        loop = StepLoop(model=model, cap=RowCap(fixed=16))
        images = [start(model, library, request) for request in requests]
        for image in images:
            loop.join(image)
        while loop.images:
            assert not loop.tick().failed
        return [image.latents for image in images]

    return draw


def run(model: StableDiffusion, image: ImageInFlight) -> torch.Tensor:
    """The finished latents of an image that is drawn alone."""
    loop = StepLoop(model=model, cap=RowCap(fixed=2))
    loop.join(image)
    while loop.images:
        assert not loop.tick().failed
    return image.latents


def start(model: StableDiffusion, library: AdapterLibrary, request: GenerationRequest) -> ImageInFlight:
    words = Words(request.prompt, request.negative_prompt)
    adapters = library.adapters(model, words)
    guided = request.guidance_scale > 1
    conditioning = model.prompts.encode(words.prompt, words.negative_prompt, guided=guided, adapters=adapters)
    return start_text_to_image(model, f"job-{request.seed}", request, 0, conditioning)


@pytest.fixture
def by_diffusers(pipeline: Any, folder: Path) -> Iterator[Callable[..., torch.Tensor]]:
    """The finished latents of diffusers' pipeline with these LoRAs."""

    def draw(request: GenerationRequest, weights: Weights) -> torch.Tensor:
        for name in weights:
            pipeline.load_lora_weights(folder, weight_name=f"{name}.safetensors", adapter_name=name)
        parts = [{"text_encoder": text, "unet": unet} for text, unet in weights.values()]
        pipeline.set_adapters(list(weights), adapter_weights=parts)
        return latents_of(pipeline, request)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a library about itself
        yield draw
    pipeline.unload_lora_weights()


def latents_of(pipeline: Any, request: GenerationRequest) -> torch.Tensor:
    """The finished latents of a pipeline as it is."""
    pipeline.set_progress_bar_config(disable=True)
    latents = pipeline(
        prompt=request.prompt.split("<")[0],
        negative_prompt=request.negative_prompt,
        width=request.width,
        height=request.height,
        **told(request),
        output_type="latent",
    ).images
    assert isinstance(latents, torch.Tensor)
    return latents


@pytest.mark.parametrize(
    ("tags", "weights"),
    [
        ("<lora:film:1>", {"film": (1, 1)}),
        ("<lora:film:0.3:0.8>", {"film": (0.3, 0.8)}),
        ("<lora:ink:0.7>", {"ink": (0.7, 0.7)}),
        ("<lora:noted:1>", {"noted": (1, 1)}),
        ("<lora:locon:-0.5>", {"locon": (-0.5, -0.5)}),
        ("<lora:unet:1>", {"unet": (1, 1)}),
        ("<lora:te:1>", {"te": (1, 1)}),
        ("<lora:film:0.5:0.9><lora:ink:1.2:0.4>", {"film": (0.5, 0.9), "ink": (1.2, 0.4)}),
    ],
)
def test_a_picture_with_loras_equals_the_pipelines(
    draw: Any, by_diffusers: Any, plainly: Ask, tags: str, weights: Weights
) -> None:
    request = plainly(prompt=f"a cat {tags}")
    drawn = draw(request)[0]
    torch.testing.assert_close(drawn, by_diffusers(request, weights), atol=1e-4, rtol=0)
    assert not torch.allclose(drawn, draw(plainly(prompt="a cat "))[0], atol=1e-2)


def test_with_without_and_with_again_nothing_is_left_behind(draw: Any, plainly: Ask) -> None:
    without, with_one = plainly(prompt="a cat"), plainly(prompt="a cat <lora:film:1>")
    first, changed = draw(without)[0], draw(with_one)[0]
    draw(plainly(prompt="a cat <lora:ink:2:0.5> <lora:film:0.1>"))
    assert torch.equal(draw(without)[0], first)
    assert torch.equal(draw(with_one)[0], changed)
    assert not torch.allclose(first, changed, atol=1e-2)


def test_pictures_with_other_loras_drawn_at_the_same_time_equal_those_drawn_alone(
    draw: Any, plainly: Ask
) -> None:
    prompts = ("a cat", "a cat <lora:film:1>", "a cat <lora:film:1:0.5>", "a [cat:dog:2] <lora:ink:1>")
    requests = [plainly(prompt=prompt, seed=seed) for seed, prompt in enumerate(prompts)]
    alone = [draw(request)[0] for request in requests]
    for together, single in zip(draw(*requests), alone, strict=True):
        torch.testing.assert_close(together, single, atol=1e-4, rtol=0)


def test_only_images_with_the_same_weights_in_the_network_share_a_tick(
    model: StableDiffusion, library: AdapterLibrary, plainly: Ask
) -> None:
    loop = StepLoop(model=model, cap=RowCap(fixed=16))
    tags = ("", "<lora:film:1>", "<lora:film:0:1>", "<lora:film:0.9>", "<lora:film:1:0>", "<lora:film:1>")
    images = [start(model, library, plainly(prompt=f"a cat {tag}")) for tag in tags]
    for image in images:
        loop.join(image)
    plain, one, other_words, weaker, words_alone, again = images
    assert loop.tick().advanced == [plain, words_alone]
    for image in (plain, words_alone):
        loop.images.remove(image)
    assert loop.tick().advanced == [one, other_words, again]
    assert one.shape == weaker.shape != plain.shape


def test_a_weight_of_zero_and_an_empty_sum_are_no_lora(draw: Any, plainly: Ask) -> None:
    plain = draw(plainly(prompt="a cat"))[0]
    assert torch.equal(draw(plainly(prompt="a cat<lora:film:0>"))[0], plain)
    assert torch.equal(draw(plainly(prompt="a cat<lora:film:1><lora:film:-1>"))[0], plain)


def test_tags_in_every_part_and_in_the_negative_prompt_count(draw: Any, plainly: Ask) -> None:
    first = draw(plainly(prompt="a cat <lora:film:0.5> AND a dog <lora:film:0.5>"))[0]
    second = draw(plainly(prompt="a cat AND a dog <lora:film:1>"))[0]
    torch.testing.assert_close(first, second, atol=1e-5, rtol=0)
    beside = draw(plainly(prompt="a cat AND a dog", negative_prompt="blurry<lora:film:1>"))[0]
    torch.testing.assert_close(beside, second, atol=1e-5, rtol=0)


def test_ranks_and_alphas_that_differ_from_layer_to_layer_are_each_layers_own(
    model: StableDiffusion, library: AdapterLibrary, pipeline: Any, folder: Path, plainly: Ask
) -> None:
    tensors = adapter_files.kohya(pipeline.unet, pipeline.text_encoder, seed=5)
    text = "lora_te_text_model_encoder_layers_1_self_attn_q_proj"
    block = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_ff_net_2"
    for name in (text, block):
        tensors[f"{name}.lora_down.weight"] = tensors[f"{name}.lora_down.weight"][:2]
        tensors[f"{name}.lora_up.weight"] = tensors[f"{name}.lora_up.weight"][:, :2]
        tensors[f"{name}.alpha"] = torch.tensor(1.0)
    adapter_files.write(folder / "uneven.safetensors", tensors)
    image = start(model, library, plainly(prompt="a cat <lora:uneven:1>"))
    lora_layers.apply(model.unet, image.conditioning.adapters.for_unet, model.device.place)
    for name, layer in (
        (text, model.prompts.text_encoder.encoder.layers[1].self_attn.q_proj),
        (block, model.unet.down_blocks[1].attentions[0].transformer_blocks[0].ff.net[2]),
    ):
        x = torch.randn(3, layer.in_features, generator=torch.Generator().manual_seed(0))
        expected = tensors[f"{name}.lora_up.weight"] @ tensors[f"{name}.lora_down.weight"] / 2
        torch.testing.assert_close(layer(x) - layer.forward(x), x @ expected.T, atol=1e-5, rtol=0)


@pytest.mark.parametrize("rung", [Rung.OFFLOAD, Rung.SEQUENTIAL, Rung.CPU])
def test_a_network_whose_weights_are_away_takes_loras_too(
    model: StableDiffusion,
    model_folder: Path,
    exact: Device,
    library: AdapterLibrary,
    plainly: Ask,
    rung: Rung,
) -> None:
    short = load_stable_diffusion("tiny", model_folder, exact)
    room = Room(short, MemoryPolicy(rungs=(rung,)))
    loop = StepLoop(model=short, cap=RowCap(fixed=2), room=room)
    assert room.step_down((64, 64), Work.UNET)
    for prompt in ("a cat <lora:ink:1><lora:film:0.5>", "a cat"):
        image = room.run((64, 64), Work.TEXT, partial(start, short, library, plainly(prompt=prompt)))
        loop.join(image)
        while loop.images:
            assert not loop.tick().failed
        expected = run(model, start(model, library, plainly(prompt=prompt)))
        torch.testing.assert_close(image.latents, expected, atol=1e-5, rtol=0)
        loop.park()


def test_only_so_many_loras_stay_in_a_network(
    model: StableDiffusion,
    pipeline: Any,
    folder: Path,
    draw: Any,
    plainly: Ask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lora_layers, "MOST_INSIDE", 2)
    networks = pipeline.unet, pipeline.text_encoder
    for seed in range(lora_layers.MOST_INSIDE + 2):
        name = f"many{seed}"
        adapter_files.write(folder / f"{name}.safetensors", adapter_files.diffusers(*networks, seed=seed))
        first = draw(plainly(prompt=f"a cat <lora:{name}:1>"))[0]
        assert len(lora_layers.inside(model.unet)) <= lora_layers.MOST_INSIDE
        (folder / f"{name}.safetensors").unlink()
    adapter_files.write(folder / "many0.safetensors", adapter_files.diffusers(*networks, seed=seed))
    torch.testing.assert_close(draw(plainly(prompt="a cat <lora:many0:1>"))[0], first)


def test_a_lora_that_does_not_go_with_the_model_is_refused_in_words(
    model: StableDiffusion, library: AdapterLibrary, pipeline: Any, folder: Path
) -> None:
    def refused(name: str, tensors: adapter_files.Tensors) -> tuple[str, str]:
        adapter_files.write(folder / f"{name}.safetensors", tensors)
        with pytest.raises(Refusal) as caught:
            library.adapters(model, Words(f"a cat <lora:{name}:1>"))
        (folder / f"{name}.safetensors").unlink()
        return caught.value.body.code, str(caught.value)

    good = adapter_files.kohya(pipeline.unet, pipeline.text_encoder)
    query = next(name.removesuffix(".lora_down.weight") for name in good if "attn1_to_q.lora_down" in name)
    wide = good | {f"{query}.lora_down.weight": torch.zeros(4, 320)}
    half = {name: it for name, it in good.items() if name != f"{query}.lora_up.weight"}
    layer = {f"lora_unet_no_such_layer.lora_{side}.weight": torch.zeros(4, 4) for side in ("up", "down")}
    norms = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_norm1"
    norm = {f"{norms}.lora_down.weight": torch.zeros(1, 1), f"{norms}.lora_up.weight": torch.zeros(16, 1)}
    sdxl = {name.replace("lora_te_", "lora_te1_"): it for name, it in good.items()}
    for name, tensors, says in (
        ("wide", wide, "has another size"),
        ("layer", good | layer, "the model has no layer no.such.layer"),
        ("norm", good | norm, "is neither linear nor a convolution"),
        ("half", half, "Darkroom does not know"),
        ("sdxl", sdxl, "it is for SDXL"),
        ("loha", {f"{query}.hada_w1_a": torch.zeros(4, 4)}, "Darkroom does not know: hada_w1_a"),
        ("dora", good | {f"{query}.dora_scale": torch.zeros(4, 1)}, "has another size"),
        ("oft", {f"{query}.oft_blocks": torch.zeros(4, 4)}, "it is an OFT, which Darkroom does not read yet"),
        ("ia3", good | {f"{query}.on_input": torch.ones(1)}, "it is an (IA)³, which"),
        ("glora", good | {f"{query}.a1.weight": torch.zeros(4, 4)}, "it is a GLoRA"),
        ("whole", good | {f"{query}.diff_b": torch.zeros(4)}, "it is a LoRA with whole differences"),
        ("bias", good | {f"{query}.lora_up.bias": torch.zeros(4)}, "Darkroom does not know"),
        ("vae", {"first_stage_model.x": torch.zeros(2)}, "it is a VAE, not a LoRA"),
    ):
        code, message = refused(name, tensors)
        assert code == "lora_incompatible"
        assert says in message


def test_layers_are_named_in_a_files_settings_and_no_expression_is_run(
    model: StableDiffusion, library: AdapterLibrary, pipeline: Any, folder: Path
) -> None:
    tensors = adapter_files.diffusers(pipeline.unet)
    name = next(iter(tensors)).removeprefix("unet.").split(".lora_")[0]
    (noted,) = adapter_files.settings(tensors, alpha=2.0).items()
    settings = json.loads(noted[1])
    for pattern, refused in ((name, False), (f"^{name}", False), ("(a+)+$|(.*.*)*x", True)):
        told = {noted[0]: json.dumps(settings | {"unet.alpha_pattern": {pattern: 8.0}})}
        adapter_files.write(folder / "own.safetensors", tensors, told)
        if refused:
            with pytest.raises(Refusal, match="its settings name layers by an expression"):
                library.adapters(model, Words("a cat <lora:own:1>"))
        else:
            (lora,) = library.adapters(model, Words("a cat <lora:own:1>")).loras
            scaled = lora.lora.networks["unet"][name].lora_up
            torch.testing.assert_close(scaled, tensors[f"unet.{name}.lora_B.weight"] * 2)
        (folder / "own.safetensors").unlink()


def test_only_so_many_loras_may_be_named(
    model: StableDiffusion, library: AdapterLibrary, folder: Path
) -> None:
    for index in range(9):
        (folder / f"copy{index}.safetensors").write_bytes((folder / "film.safetensors").read_bytes())
    tags = [f"<lora:copy{index}:0.1>" for index in range(9)]
    adapters = library.adapters(model, Words("".join(tags[:7]), tags[0] + tags[7]))
    assert len(set(adapters.unet_key)) == 8  # each for itself, though all hold the same
    with pytest.raises(Refusal, match="may name at most 8 LoRAs") as caught:
        library.adapters(model, Words("".join(tags[:8]), tags[8]))
    assert (caught.value.body.code, caught.value.body.field) == ("invalid_field", "negative_prompt")


def test_a_file_that_was_cut_off_or_is_a_pickle_is_named_as_such(
    model: StableDiffusion, library: AdapterLibrary, folder: Path
) -> None:
    content = (folder / "film.safetensors").read_bytes()
    for name, damaged, says in (
        ("cut", content[:-10], "it ends 10 bytes too early"),
        ("empty", b"", "it is empty"),
        ("web", b"<html>" + b" " * 20, "it is a web page"),
        ("pickle", b"\x80\x02" + b" " * 20, "it is a pickle under another name"),
    ):
        (folder / f"{name}.safetensors").write_bytes(damaged)
        with pytest.raises(Refusal, match=says) as caught:
            library.adapters(model, Words(f"<lora:{name}:1>"))
        assert (caught.value.body.code, caught.value.body.field) == ("adapter_broken", "prompt")
        (folder / f"{name}.safetensors").unlink()


def test_a_path_is_no_name(model: StableDiffusion, library: AdapterLibrary, folder: Path) -> None:
    for name in ("../film", "film.safetensors", str(folder / "film")):
        with pytest.raises(Refusal) as caught:
            library.adapters(model, Words("", f"<lora:{name}:1>"))
        assert (caught.value.body.code, caught.value.body.field) == ("unknown_lora", "negative_prompt")


def test_a_compiled_network_draws_with_a_lora_as_it_is(
    model: StableDiffusion, library: AdapterLibrary, draw: Any, plainly: Ask
) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("what was compiled knows no LoRA")

    request = plainly(prompt="a cat <lora:film:1>")
    compiled = replace(model, unet=Bucketed(model.unet, never))
    drawn = run(compiled, start(compiled, library, request))
    torch.testing.assert_close(drawn, draw(request)[0], atol=1e-4, rtol=0)


def test_a_lora_has_the_precision_of_its_model(
    model_folder: Path, library: AdapterLibrary, plainly: Ask
) -> None:
    half = Device(place=torch.device("cpu"), dtype=torch.bfloat16, reason="as it draws on new machines")
    model = load_stable_diffusion("half", model_folder, half)
    drawn = run(model, start(model, library, plainly(prompt="a cat <lora:film:1>", sampler=Sampler.DPMPP_2M)))
    assert torch.isfinite(drawn).all()
    assert {parameter.dtype for parameter in model.unet.parameters()} == {torch.bfloat16}
