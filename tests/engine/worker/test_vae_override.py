"""Another VAE in the place of the model's own, judged by diffusers' pipeline with that VAE."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
)
from PIL import Image

from engine.errors import Refusal
from engine.models.adapter_folder import AdapterFolders
from engine.models.adapter_library import AdapterLibrary
from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.tasks.image_to_image import start_image_to_image
from engine.tasks.text_to_image import start_text_to_image
from engine.wire import GenerationRequest, Schedule, Task
from engine.worker.batching import RowCap
from engine.worker.device import Device
from engine.worker.flight import ImageInFlight
from engine.worker.ladder import Rung, Work
from engine.worker.policy import MemoryPolicy
from engine.worker.room import Room
from engine.worker.step_loop import StepLoop
from tests.engine.adapter_files import Tensors, write
from tests.engine.models.original_layout import original_vae
from tests.engine.worker.equality import decoded_by

Ask = Callable[..., GenerationRequest]
OLD_NAMES = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


@pytest.fixture(scope="module")
def pipeline(model_folder: Path) -> Any:
    pipeline = StableDiffusionPipeline.from_pretrained(model_folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        pipeline.vae = AutoencoderKL.from_config(pipeline.vae.config).eval()
    return pipeline


@pytest.fixture(scope="module")
def folder(pipeline: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pipeline's VAE in every layout."""
    folder = tmp_path_factory.mktemp("vaes")
    tensors: Tensors = pipeline.vae.state_dict()
    original = original_vae(pipeline.vae)
    write(folder / "new.safetensors", tensors)
    write(folder / "old.safetensors", {_old(name): it for name, it in tensors.items()})
    write(folder / "original.safetensors", original | {"loss.logvar": torch.zeros(1)})
    write(
        folder / "bare.safetensors",
        {name.removeprefix("first_stage_model."): it for name, it in original.items()},
    )
    return folder


def _old(name: str) -> str:
    for new, old in OLD_NAMES.items():
        name = name.replace(f".{new}.", f".{old}.") if "attentions" in name else name
    return name


@pytest.fixture(scope="module")
def library(folder: Path) -> AdapterLibrary:
    return AdapterLibrary(AdapterFolders.of(loras=folder / "no", embeddings=folder / "no", vaes=folder))


def drawn(model: StableDiffusion, image: ImageInFlight) -> Any:
    """Pixels in [0, 1], not yet rounded."""
    loop = StepLoop(model=model, cap=RowCap(fixed=2))
    loop.join(image)
    while loop.images:
        assert not loop.tick().failed
    with torch.inference_mode():
        decoded = model.vae.decode(image.latents / model.vae.config.scaling_factor).sample[0]
    return (decoded / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).numpy()


@pytest.mark.parametrize("name", ["new", "old", "original", "bare"])
def test_a_picture_through_another_vae_equals_the_pipelines(
    model: StableDiffusion, library: AdapterLibrary, pipeline: Any, ask: Ask, name: str
) -> None:
    request = ask(schedule=Schedule.NORMAL, steps=3, vae=name)
    other = model.with_vae(library.vae(model, name))
    words = model.prompts.encode(request.prompt, request.negative_prompt, guided=True)
    ours = drawn(other, start_text_to_image(other, "job", request, 0, words))
    expected = pipeline(
        request.prompt,
        negative_prompt=request.negative_prompt,
        width=request.width,
        height=request.height,
        num_inference_steps=request.steps,
        generator=torch.Generator("cpu").manual_seed(request.seed),
        output_type="np",
    ).images[0]
    assert np.abs(ours - expected).max() <= 1e-4
    own = drawn(model, start_text_to_image(model, "job", request, 0, words))
    assert np.abs(ours - own).max() > 1e-2


def test_a_picture_to_start_from_is_encoded_by_the_other_vae(
    model: StableDiffusion, library: AdapterLibrary, pipeline: Any, ask: Ask
) -> None:
    request = ask(task=Task.IMG2IMG, strength=0.6, schedule=Schedule.NORMAL, vae="new")
    picture = Image.linear_gradient("L").resize((64, 64)).convert("RGB")
    other = model.with_vae(library.vae(model, "new"))
    words = model.prompts.encode(request.prompt, request.negative_prompt, guided=True)
    ours = drawn(other, start_image_to_image(other, "job", request, 0, words, picture))
    theirs = StableDiffusionImg2ImgPipeline(**pipeline.components, requires_safety_checker=False)
    theirs.set_progress_bar_config(disable=True)
    expected = theirs(
        request.prompt,
        negative_prompt=request.negative_prompt,
        image=picture,
        strength=request.strength,
        num_inference_steps=request.steps,
        generator=torch.Generator("cpu").manual_seed(request.seed),
        output_type="np",
    ).images[0]
    assert np.abs(ours - expected).max() <= 1e-4


def test_a_vae_that_does_not_go_with_the_model_is_refused_in_words(
    model: StableDiffusion, library: AdapterLibrary, folder: Path
) -> None:
    good = {f"encoder.{name}.weight": torch.zeros(2) for name in ("conv_in", "down_blocks")}
    for name, tensors, code, says in (
        (
            "tiny",
            good | {"decoder.conv_in.weight": torch.zeros(2)},
            "vae_incompatible",
            "built in another way",
        ),
        (
            "lora",
            {"lora_unet_x.lora_up.weight": torch.zeros(2)},
            "vae_incompatible",
            "it is a LoRA, not a VAE",
        ),
    ):
        write(folder / f"{name}.safetensors", tensors)
        with pytest.raises(Refusal, match=says) as caught:
            library.vae(model, name)
        assert (caught.value.body.code, caught.value.body.field) == (code, "vae")
    (folder / "cut.safetensors").write_bytes((folder / "new.safetensors").read_bytes()[:-1])
    for name, code in (("cut", "adapter_broken"), ("none", "unknown_vae"), ("../new", "unknown_vae")):
        with pytest.raises(Refusal) as caught:
            library.vae(model, name)
        assert (caught.value.body.code, caught.value.body.field) == (code, "vae")


def test_a_vae_is_read_once(model: StableDiffusion, library: AdapterLibrary) -> None:
    assert library.vae(model, "new") is library.vae(model, "new")


@pytest.mark.parametrize("rung", Rung)
def test_where_memory_is_short_another_vae_draws_the_same(
    model: StableDiffusion, model_folder: Path, exact: Device, folder: Path, ask: Ask, rung: Rung
) -> None:
    vaes = AdapterFolders.of(loras=folder / "no", embeddings=folder / "no", vaes=folder)
    request = ask(steps=1)
    words = model.prompts.encode(request.prompt, request.negative_prompt, guided=True)
    image = start_text_to_image(model, "job", request, 0, words)
    expected = decoded_by(StepLoop(model=model, cap=RowCap()), image, AdapterLibrary(vaes).vae(model, "new"))
    short = load_stable_diffusion("tiny", model_folder, exact)
    room = Room(short, MemoryPolicy(rungs=(rung,)))
    assert room.step_down((64, 64), Work.UNET if rung is Rung.SLICES else Work.VAE)
    room.settle((64, 64), Work.VAE)
    vae = AdapterLibrary(vaes).vae(short, "new")  # read while the model's own is away
    drawn = decoded_by(StepLoop(model=short, cap=RowCap(), room=room), image, vae)
    assert vae.network.use_tiling == (rung is Rung.TILES)
    if rung is not Rung.TILES:  # their seams show
        assert np.abs(drawn.astype(int) - expected.astype(int)).max() <= 1
