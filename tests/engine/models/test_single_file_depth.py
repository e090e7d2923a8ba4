"""A depth model in a single file draws what its folder draws, over a depth that is given."""

import json
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from PIL import Image
from safetensors.torch import save_file

from engine.models.loading import StableDiffusion
from engine.models.registry import Registry
from engine.tasks.depth_to_image import depth_cells, start_depth_to_image
from engine.wire import GenerationRequest, Sampler, Task
from engine.worker.batching import RowCap
from engine.worker.step_loop import StepLoop
from tests.engine.models.drawing import load
from tests.engine.models.original_layout import make_pair

CONV_IN = "model.diffusion_model.input_blocks.0.0.weight"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same random weights as a folder without an estimator and as a file, whose estimator nobody reads."""
    root = tmp_path_factory.mktemp("models")
    tensors = make_pair(root / "folder", "sd2", "epsilon")
    plain = UNet2DConditionModel.from_pretrained(root / "folder" / "unet")
    wider = UNet2DConditionModel.from_config({**plain.config, "in_channels": 5})
    weights = plain.state_dict() | {"conv_in.weight": wider.conv_in.weight.detach()}
    wider.load_state_dict(weights)
    wider.save_pretrained(root / "folder" / "unet")
    index = {"_class_name": "StableDiffusionDepth2ImgPipeline"}
    (root / "folder" / "model_index.json").write_text(json.dumps(index))
    file = tensors | {CONV_IN: weights["conv_in.weight"], "depth_model.model.scratch.bias": torch.ones(1)}
    save_file(file, root / "file.safetensors")
    return root


def test_it_draws_what_its_folder_draws(root: Path) -> None:
    torch.testing.assert_close(
        latents(load(root / "file.safetensors")), latents(load(root / "folder")), atol=1e-4, rtol=0
    )


def latents(model: StableDiffusion) -> torch.Tensor:
    request = GenerationRequest(
        model=model.name,
        task=Task.DEPTH2IMG,
        prompt="a hamster",
        width=64,
        height=64,
        steps=2,
        strength=1.0,
        guidance_scale=1.0,
        sampler=Sampler.EULER,
        seed=1,
    )
    cells = depth_cells(model, request, None, Image.linear_gradient("L"))
    words = model.prompts.encode(request.prompt, "", guided=False)
    image = start_depth_to_image(model, "job", request, 0, words, None, cells)
    loop = StepLoop(model=model, cap=RowCap(fixed=2))
    loop.join(image)
    while loop.images:
        assert not loop.tick().failed
    return image.latents


def test_it_is_offered_for_depth_that_is_given(root: Path) -> None:
    offered = {model.name: model for model in Registry(root).models()}
    for name in ("file", "folder"):
        model = offered[name]
        assert (model.family, model.tasks, model.estimates_depth) == ("sd2-depth", (Task.DEPTH2IMG,), False)
        assert model.defaults.width == (512 if name == "file" else 64)
