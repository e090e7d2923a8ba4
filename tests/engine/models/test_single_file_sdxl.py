"""SDXL, its refiner and inpainting networks from single files draw what their diffusers folders draw."""

import json
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from accelerate import init_empty_weights
from diffusers import AutoencoderKL, UNet2DConditionModel
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from engine.images.canvas import Canvas
from engine.models.checkpoint import read_checkpoint
from engine.models.fault import WrongKind
from engine.models.loading import ModelBroken, StableDiffusion, load_stable_diffusion
from engine.models.registry import Registry
from engine.tasks.image_to_image import start_image_to_image
from engine.tasks.inpaint import start_inpaint
from engine.wire import GenerationRequest, Sampler, Task
from engine.worker.batching import RowCap
from engine.worker.step_loop import StepLoop
from tests.engine.models import headers
from tests.engine.models.drawing import draw, load
from tests.engine.models.original_layout import (
    Tensors,
    clip,
    make_pair,
    openclip,
    original_unet,
    original_vae,
)
from tests.engine.models.original_sdxl import make_sdxl_pair
from tests.engine.worker.equality import EXACT


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def base(root: Path) -> Tensors:
    tensors = make_sdxl_pair(root / "base-folder")
    save_file(tensors, root / "base.safetensors")
    return tensors


@pytest.fixture(scope="module")
def refiner(root: Path) -> Tensors:
    tensors = make_sdxl_pair(root / "refiner-folder", refiner=True)
    save_file(tensors, root / "refiner.safetensors")
    return tensors


def redraw(model: StableDiffusion, task: Task) -> torch.Tensor:
    """Latents of a small picture that is drawn anew, in the middle for inpaint."""
    request = GenerationRequest(
        task=task,
        model="tiny",
        prompt="a hamster with a brush",
        width=64,
        height=64,
        steps=2,  # a random network magnifies, step by step, the last bits that differ between kernels
        guidance_scale=3.0,
        sampler=Sampler.EULER,
        seed=42,
        strength=0.8,
    )
    picture, mask = Image.radial_gradient("L").resize((64, 64)).convert("RGB"), Image.new("L", (64, 64))
    mask.paste(255, (16, 16, 48, 48))
    conditioning = model.prompts.encode(request.prompt, "", guided=True)
    if task is Task.IMG2IMG:
        image = start_image_to_image(model, "job", request, 0, conditioning, picture)
    else:
        image = start_inpaint(model, "job", request, 0, conditioning, Canvas.of(request, picture, mask))
    loop = StepLoop(model=model, cap=RowCap(fixed=2))
    loop.join(image)
    while loop.images:
        assert not loop.tick().failed
    return image.latents


def assert_equal(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-5)


@pytest.mark.usefixtures("base")
def test_an_sdxl_file_draws_what_its_folder_draws(root: Path) -> None:
    assert_equal(draw(load(root / "base.safetensors")), draw(load(root / "base-folder")))


@pytest.mark.usefixtures("base")
def test_an_sdxl_file_is_offered_as_one(root: Path) -> None:
    model = next(model for model in Registry(root).models() if model.name == "base")
    assert (model.family, model.defaults.width, model.defaults.guidance_scale) == ("sdxl", 1024, 5.0)
    assert model.tasks == (Task.TXT2IMG, Task.IMG2IMG, Task.INPAINT, Task.OUTPAINT)


@pytest.mark.usefixtures("refiner")
def test_a_refiner_file_draws_what_its_folder_draws_and_begins_no_picture(root: Path) -> None:
    ours, theirs = (
        redraw(load_stable_diffusion(name, root / name, EXACT), Task.IMG2IMG)
        for name in ("refiner.safetensors", "refiner-folder")
    )
    assert_equal(ours, theirs)
    model = next(model for model in Registry(root).models() if model.name == "refiner")
    assert (model.family, model.tasks) == ("sdxl", (Task.IMG2IMG, Task.INPAINT, Task.OUTPAINT))


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_an_inpainting_file_draws_what_its_folder_draws(tmp_path: Path, family: str) -> None:
    if family == "sdxl":
        tensors = make_sdxl_pair(tmp_path / "folder", channels=9)
    else:
        tensors = make_pair(tmp_path / "folder", family, "epsilon", channels=9)
    save_file(tensors, tmp_path / "file.safetensors", metadata={"modelspec.prediction_type": "epsilon"})
    ours, theirs = load(tmp_path / "file.safetensors"), load(tmp_path / "folder")
    assert_equal(redraw(ours, Task.INPAINT), redraw(theirs, Task.INPAINT))
    model = next(model for model in Registry(tmp_path).models() if model.name == "file")
    assert (model.tasks, model.defaults.strength) == ((Task.INPAINT, Task.OUTPAINT), 1.0)


@pytest.mark.parametrize(
    ("prefix", "says"),
    [
        ("conditioner.embedders.0.", "it lacks its first text encoder"),
        ("conditioner.embedders.1.", "it lacks its second text encoder"),
        ("first_stage_model.", "it lacks its VAE"),
    ],
)
def test_what_a_file_lacks_is_named(base: Tensors, tmp_path: Path, prefix: str, says: str) -> None:
    kept = {name: tensor for name, tensor in base.items() if not name.startswith(prefix)}
    save_file(kept, tmp_path / "m.safetensors")
    with pytest.raises(WrongKind, match=says):
        read_checkpoint(tmp_path / "m.safetensors")


@pytest.mark.parametrize(
    ("tensor", "part"),
    [
        ("conditioner.embedders.0.transformer.text_model.final_layer_norm.bias", "text encoder"),
        ("conditioner.embedders.1.model.ln_final.bias", "text encoder 2"),
        ("model.diffusion_model.label_emb.0.2.bias", "network"),
        ("first_stage_model.decoder.conv_out.bias", "VAE"),
    ],
)
def test_a_part_with_a_missing_tensor_is_named(base: Tensors, tmp_path: Path, tensor: str, part: str) -> None:
    broken = {name: it for name, it in base.items() if name != tensor}
    save_file(broken, tmp_path / "m.safetensors")
    with pytest.raises(ModelBroken) as caught:
        load_stable_diffusion("m", tmp_path / "m.safetensors", EXACT)
    assert str(caught.value) == f"Model 'm' cannot be used: its {part} is damaged or incomplete."


def test_marking_tensors_say_that_v_is_predicted_from_pure_noise_on(base: Tensors, tmp_path: Path) -> None:
    marks = {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}
    save_file(base | marks, tmp_path / "m.safetensors")
    config = load_stable_diffusion("m", tmp_path / "m.safetensors", EXACT).scheduler_config
    assert (config["prediction_type"], config["rescale_betas_zero_snr"]) == ("v_prediction", True)


@pytest.mark.parametrize("mark", ["edm_mean", "edm_vpred.sigma_max"])
def test_an_sdxl_of_another_noise_is_refused(base: Tensors, tmp_path: Path, mark: str) -> None:
    save_file(base | {mark: torch.zeros(4)}, tmp_path / "m.safetensors")
    with pytest.raises(WrongKind, match="it is an SDXL trained on EDM's noise"):
        read_checkpoint(tmp_path / "m.safetensors")


@pytest.mark.parametrize(("name", "unet_parameters"), [("sdxl", 2_567_463_684), ("sdxl_refiner", None)])
def test_a_full_size_header_gives_the_published_configuration_back(
    tmp_path: Path, name: str, unet_parameters: int | None
) -> None:
    published = json.loads(files("engine.models").joinpath(f"configs/{name}.json").read_bytes())
    with init_empty_weights():
        unet = UNet2DConditionModel.from_config(published["unet"])
        vae = AutoencoderKL.from_config(published["vae"])
        texts = [CLIPTextModelWithProjection(CLIPTextConfig(**published["text_encoder_2"]))]
        if name == "sdxl":
            texts.insert(0, CLIPTextModel(CLIPTextConfig(**published["text_encoder"])))
    assert unet_parameters in (None, sum(tensor.numel() for tensor in unet.parameters()))
    tensors = original_unet(unet) | original_vae(vae)
    if name == "sdxl":
        tensors |= clip(texts[0], "conditioner.embedders.0.")
    tensors |= openclip(texts[-1], f"conditioner.embedders.{len(texts) - 1}.")
    shapes = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
    found = read_checkpoint(headers.write(tmp_path / "m.safetensors", shapes)).config
    for part in published:
        theirs = published[part]
        if part == "unet":  # blocks that attend to nothing have no depth
            theirs = theirs | {"transformer_layers_per_block": found[part]["transformer_layers_per_block"]}
        assert found[part] == theirs
    assert found["unet"]["transformer_layers_per_block"][1:3] == ([2, 10] if name == "sdxl" else [4, 4])
