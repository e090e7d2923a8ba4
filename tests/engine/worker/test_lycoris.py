"""LoHa, LoKr, Tucker's decomposition and DoRA in LyCORIS' names, judged by peft's formulas and by diffusers."""

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline
from peft.tuners.loha import layer as peft_loha
from peft.tuners.lokr import layer as peft_lokr
from torch.nn import functional

from engine.errors import Refusal
from engine.models import lora_layers
from engine.models.adapter_folder import AdapterFolders
from engine.models.adapter_library import AdapterLibrary
from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.models.lora import read_lora
from engine.prompts.wildcards import Words
from engine.wire import GenerationRequest, Schedule, Seamless
from engine.worker.batching import RowCap
from engine.worker.ladder import Rung, Work
from engine.worker.policy import MemoryPolicy
from engine.worker.room import Room
from engine.worker.seamless import seamless
from engine.worker.step_loop import StepLoop
from tests.engine import adapter_files
from tests.engine.adapter_files import Tensors
from tests.engine.tiny_sdxl import make_tiny_sdxl
from tests.engine.worker.equality import EXACT
from tests.engine.worker.test_lora import latents_of, start

Ask = Callable[..., GenerationRequest]
PEFT_LOHA: Any = peft_loha  # without types
PEFT_LOKR: Any = peft_lokr
RANK, ALPHA = 2, 3.0
SCALE = ALPHA / RANK
LINEAR = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
CONVOLUTION = "mid_block.resnets.0.conv1"
WORDS = "encoder.layers.1.mlp.fc1"
PLACES = ("linear", "convolution", "words")


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed + sum(shape))) * 0.3


def loha(out: int, into: int, *sides: int) -> tuple[Tensors, torch.Tensor]:
    """Tensors as LyCORIS writes them, and the ΔW that peft makes of them."""
    flat = into * (sides[0] * sides[1] if sides else 1)
    own = {"hada_w1_a": random(out, RANK), "hada_w1_b": random(RANK, flat, seed=1)}
    own |= {"hada_w2_a": random(out, RANK, seed=2), "hada_w2_b": random(RANK, flat, seed=3)}
    return own, PEFT_LOHA.make_weight(*own.values(), torch.tensor(SCALE))


def loha_with_cores(out: int, into: int, *sides: int) -> tuple[Tensors, torch.Tensor]:
    own = {}
    for side in ("1", "2"):
        own[f"hada_t{side}"] = random(RANK, RANK, *(sides or (1, 1)), seed=int(side))
        own[f"hada_w{side}_a"] = random(RANK, out, seed=int(side))
        own[f"hada_w{side}_b"] = random(RANK, into, seed=int(side))
    return own, PEFT_LOHA.make_weight_cp(*(own[name] for name in _CORES), torch.tensor(SCALE))


_CORES = ("hada_t1", "hada_w1_a", "hada_w1_b", "hada_t2", "hada_w2_a", "hada_w2_b")


def lokr(out: int, into: int, *sides: int, first: str = "", second: str = "") -> tuple[Tensors, torch.Tensor]:
    """Each of its matrices whole, factored or, the second, with a core."""
    own: Tensors = {}
    flat = into // 2 * (sides[0] * sides[1] if sides else 1)
    if first:
        own |= {"lokr_w1_a": random(2, RANK), "lokr_w1_b": random(RANK, 2, seed=1)}
        w1 = own["lokr_w1_a"] @ own["lokr_w1_b"]
    else:
        w1 = own["lokr_w1"] = random(2, 2)
    if second == "core":
        own["lokr_t2"] = random(RANK, RANK, *(sides or (1, 1)))
        own |= {"lokr_w2_a": random(RANK, out // 2), "lokr_w2_b": random(RANK, into // 2, seed=1)}
        w2 = PEFT_LOKR.make_weight_cp(own["lokr_t2"], own["lokr_w2_a"], own["lokr_w2_b"])
    elif second:
        own |= {"lokr_w2_a": random(out // 2, RANK), "lokr_w2_b": random(RANK, flat, seed=1)}
        w2 = own["lokr_w2_a"] @ own["lokr_w2_b"]
    else:
        w2 = own["lokr_w2"] = random(out // 2, into // 2, *sides)
    return own, PEFT_LOKR.make_kron(w1, w2, SCALE if first or second else 1.0)


def locon(out: int, into: int, *sides: int) -> tuple[Tensors, torch.Tensor]:
    own = {"lora_up.weight": random(out, RANK), "lora_down.weight": random(RANK, into, *sides)}
    return own, own["lora_up.weight"] @ own["lora_down.weight"].flatten(1) * SCALE


def locon_with_core(out: int, into: int, *sides: int) -> tuple[Tensors, torch.Tensor]:
    up, down = random(out, RANK), random(RANK, into, seed=1)
    core = random(RANK, RANK, *(sides or (1, 1)))
    own = {"lora_up.weight": up, "lora_down.weight": down, "lora_mid.weight": core}
    return own, torch.einsum("oi,ijhw,jn->onhw", up, core, down) * SCALE


KINDS: dict[str, Callable[..., tuple[Tensors, torch.Tensor]]] = {
    "loha": loha,
    "loha with cores": loha_with_cores,
    "lokr": lokr,
    "lokr, first factored": partial(lokr, first="factored"),
    "lokr, second factored": partial(lokr, second="factored"),
    "lokr, both factored": partial(lokr, first="factored", second="factored"),
    "lokr with a core": partial(lokr, second="core"),
    "locon": locon,
    "locon with a core": locon_with_core,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def library(folder: Path) -> AdapterLibrary:
    return AdapterLibrary(AdapterFolders.of(loras=folder, embeddings=folder / "no", vaes=folder / "no"))


@pytest.fixture(autouse=True)
def bare(model: StableDiffusion) -> Iterator[None]:
    """The networks are other tests' too."""
    yield
    for network in (model.unet, model.prompts.text_encoder):
        lora_layers.apply(network, [], torch.device("cpu"))


def layers_of(model: StableDiffusion) -> dict[str, tuple[str, Any]]:
    """A linear layer, a convolution and a layer that reads words: kohya's name, and the layer."""
    text_encoder = model.prompts.text_encoder
    return {
        "linear": (f"lora_unet_{LINEAR}".replace(".", "_"), model.unet.get_submodule(LINEAR)),
        "convolution": (f"lora_unet_{CONVOLUTION}".replace(".", "_"), model.unet.get_submodule(CONVOLUTION)),
        "words": (f"lora_te_text_model_{WORDS}".replace(".", "_"), text_encoder.get_submodule(WORDS)),
    }


def wear(model: StableDiffusion, library: AdapterLibrary, tags: str) -> None:
    """Let the networks compute with these LoRAs."""
    adapters, place = library.adapters(model, Words(tags)), torch.device("cpu")
    lora_layers.apply(model.unet, adapters.for_unet, place)
    lora_layers.apply(model.prompts.text_encoder, adapters.of("text_encoder"), place)


def with_weights(layer: Any, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """What a layer makes of `x` with other weights."""
    if weight.dim() > 2:
        return functional.conv2d(x, weight, layer.bias, layer.stride, layer.padding)
    return functional.linear(x, weight, layer.bias)


def seen_by(layer: Any) -> torch.Tensor:
    inputs = layer.weight.shape[1]
    return random(2, inputs, 5, 5, seed=9) if layer.weight.dim() > 2 else random(2, 3, inputs, seed=9)


def under(tensors: Tensors, name: str) -> Tensors:
    return {f"{name}.{own}": it for own, it in tensors.items()}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_computes_as_with_pefts_delta_in_its_weights(
    model: StableDiffusion, library: AdapterLibrary, folder: Path, kind: str, place: str
) -> None:
    name, layer = layers_of(model)[place]
    tensors, delta = KINDS[kind](*layer.weight.shape)
    noted = tensors | {"alpha": torch.tensor(ALPHA)}
    adapter_files.write(folder / "odd.safetensors", under(noted, name))
    wear(model, library, "<lora:odd:0.7>")
    x = seen_by(layer)
    expected = with_weights(layer, x, layer.weight + 0.7 * delta.reshape(layer.weight.shape))
    torch.testing.assert_close(layer(x), expected, atol=1e-4, rtol=0)
    assert not torch.allclose(layer.forward(x), expected, atol=1e-3)


@pytest.mark.parametrize("axis", ["outputs", "inputs"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ["locon", "loha", "lokr with a core"])
def test_a_dora_gives_each_output_or_input_a_length_of_its_own(
    model: StableDiffusion, library: AdapterLibrary, folder: Path, kind: str, place: str, axis: str
) -> None:
    name, layer = layers_of(model)[place]
    weight = layer.weight
    tensors, delta = KINDS[kind](*weight.shape)
    sides = (len(weight), 1) if axis == "outputs" else (1, weight.shape[1])
    magnitude = 1 + random(*sides, *[1] * (weight.dim() - 2)).abs()
    noted = tensors | {"alpha": torch.tensor(ALPHA), "dora_scale": magnitude}
    adapter_files.write(folder / "dora.safetensors", under(noted, name))
    wear(model, library, "<lora:dora:0.7>")
    changed = weight + delta.reshape(weight.shape)
    others = [axis for axis in range(weight.dim()) if magnitude.shape[axis] == 1]
    whole = magnitude * changed / changed.square().sum(dim=others, keepdim=True).sqrt()
    x = seen_by(layer)
    expected = with_weights(layer, x, weight + 0.7 * (whole - weight))
    torch.testing.assert_close(layer(x), expected, atol=1e-4, rtol=0)


def test_kinds_mix_and_leave_nothing_behind(
    model: StableDiffusion, library: AdapterLibrary, folder: Path
) -> None:
    name, layer = layers_of(model)["linear"]
    expected, x = layer.weight, seen_by(layer)
    before = layer(x)
    for kind, weight in (("loha", 0.5), ("lokr", -0.3), ("locon", 1.2)):
        tensors, delta = KINDS[kind](*layer.weight.shape)
        noted = tensors | {"alpha": torch.tensor(ALPHA)}
        adapter_files.write(folder / f"{kind}.safetensors", under(noted, name))
        expected = expected + weight * delta
    wear(model, library, "<lora:loha:0.5><lora:lokr:-0.3><lora:locon:1.2>")
    torch.testing.assert_close(layer(x), with_weights(layer, x, expected), atol=1e-4, rtol=0)
    wear(model, library, "")
    assert torch.equal(layer(x), before)


@pytest.mark.parametrize("kind", ["loha", "locon"])
def test_a_seamless_picture_is_seamless_with_a_lora_of_convolutions(
    model: StableDiffusion, library: AdapterLibrary, folder: Path, kind: str
) -> None:
    name, layer = layers_of(model)["convolution"]
    adapter_files.write(folder / "odd.safetensors", under(KINDS[kind](*layer.weight.shape)[0], name))
    wear(model, library, "<lora:odd:1>")
    x = seen_by(layer)
    with seamless(Seamless.BOTH):
        moved = layer(x.roll((2, 1), dims=(2, 3)))
        torch.testing.assert_close(moved, layer(x).roll((2, 1), dims=(2, 3)), atol=1e-4, rtol=0)


def whole_dora(pipeline: Any) -> Tensors:
    """As diffusers' trainers write a DoRA of the network."""
    tensors = adapter_files.diffusers(pipeline.unet, seed=3)
    for name in [name for name in tensors if name.endswith(".lora_A.weight")]:
        layer = name.removesuffix(".lora_A.weight")
        weight = pipeline.unet.get_submodule(layer.removeprefix("unet.")).weight
        tensors[f"{layer}.lora_magnitude_vector"] = weight.norm(dim=1) * 1.1
    return tensors


@pytest.fixture
def pipeline(model_folder: Path) -> Any:
    pipeline = StableDiffusionPipeline.from_pretrained(model_folder, dtype=torch.float32)
    pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config)
    return pipeline


def run(loop: StepLoop, image: Any) -> torch.Tensor:
    loop.join(image)
    while loop.images:
        assert not loop.tick().failed
    latents: torch.Tensor = image.latents
    return latents


def test_a_picture_with_a_dora_equals_the_pipelines_wherever_the_weights_are(
    model: StableDiffusion,
    model_folder: Path,
    library: AdapterLibrary,
    folder: Path,
    pipeline: Any,
    ask: Ask,
) -> None:
    path = adapter_files.write(folder / "dora.safetensors", whole_dora(pipeline))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a library about itself
        pipeline.load_lora_weights(folder, weight_name=path.name)
    request = ask(prompt="a cat <lora:dora:1>", schedule=Schedule.NORMAL, steps=3)
    expected = latents_of(pipeline, request)
    drawn = run(StepLoop(model=model, cap=RowCap(fixed=2)), start(model, library, request))
    torch.testing.assert_close(drawn, expected, atol=1e-4, rtol=0)
    for rung in (Rung.OFFLOAD, Rung.SEQUENTIAL, Rung.CPU):
        short = load_stable_diffusion("tiny", model_folder, EXACT)
        room = Room(short, MemoryPolicy(rungs=(rung,)))
        assert room.step_down((64, 64), Work.UNET)
        image = room.run((64, 64), Work.TEXT, partial(start, short, library, request))
        latents = run(StepLoop(model=short, cap=RowCap(fixed=2), room=room), image)
        torch.testing.assert_close(latents, expected, atol=1e-4, rtol=0)


def test_a_lora_moves_with_its_network(
    model: StableDiffusion, model_folder: Path, library: AdapterLibrary, folder: Path
) -> None:
    name, layer = layers_of(model)["linear"]
    tensors, _ = loha(*layer.weight.shape)
    adapter_files.write(folder / "odd.safetensors", under(tensors, name))
    own = load_stable_diffusion("own", model_folder, EXACT)
    wear(own, library, "<lora:odd:1>")
    own.unet.to("meta")
    assert {parameter.device.type for parameter in own.unet.loras.parameters()} == {"meta"}


def test_names_of_sdxls_original_network_are_read_for_every_kind(folder: Path) -> None:
    make_tiny_sdxl(folder / "xl")
    model = load_stable_diffusion("xl", folder / "xl", EXACT)
    networks = {"unet": model.unet, **model.prompts.text_encoders}
    name = "lora_unet_input_blocks_3_1_transformer_blocks_0_attn2_to_k"
    second = "lora_te2_text_model_encoder_layers_0_self_attn_out_proj"
    tensors = under(loha(8, 8)[0], name) | under(lokr(24, 24)[0], second)
    changes = read_lora("xl", adapter_files.write(folder / "xl.safetensors", tensors), networks).networks
    assert [*changes["unet"]] == ["down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"]
    assert [*lora_layers.fitted(networks["text_encoder_2"], changes["text_encoder_2"])] == [
        "text_model.encoder.layers.0.self_attn.out_proj"
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda own: own | {"hada_w1_a": torch.zeros(3, RANK)}, "has another size"),
        (lambda own: own | {"hada_w2_b": torch.zeros(5, 7)}, "has another size"),
        (lambda own: {"hada_w1_a": own["hada_w1_a"]}, "Darkroom does not know: hada_w1_a"),
        (lambda own: own | {"dora_scale": torch.ones(3, 1)}, "has another size"),
        (lambda own: own | {"scalar": torch.ones(1)}, "Darkroom does not know: hada_w1_a, hada_w1_b"),
    ],
)
def test_matrices_that_do_not_go_together_are_refused_with_their_layer(
    model: StableDiffusion,
    library: AdapterLibrary,
    folder: Path,
    change: Callable[[Tensors], Tensors],
    says: str,
) -> None:
    name, layer = layers_of(model)["linear"]
    own = change(loha(*layer.weight.shape)[0])
    adapter_files.write(folder / "odd.safetensors", under(own, name))
    with pytest.raises(Refusal, match=says) as caught:
        library.adapters(model, Words("<lora:odd:1>"))
    assert caught.value.body.code == "lora_incompatible"
    assert "attn1" in str(caught.value)
