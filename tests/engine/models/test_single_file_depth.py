"""A depth model in a single file draws what its folder draws, over a depth that is given."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import DPTConfig, DPTForDepthEstimation

from engine.models.checkpoint import read_checkpoint
from engine.models.loading import StableDiffusion
from engine.models.midas import DPT_HYBRID, dpt_tensors
from engine.models.registry import Registry
from engine.models.single_file import load_parts
from engine.tasks.depth_to_image import depth_cells, start_depth_to_image
from engine.wire import GenerationRequest, Sampler, Task
from engine.worker.batching import RowCap
from engine.worker.step_loop import StepLoop
from tests.engine.models.drawing import load
from tests.engine.models.original_layout import make_pair
from tests.engine.models.test_midas import original

CONV_IN = "model.diffusion_model.input_blocks.0.0.weight"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same random weights as a folder and as a file, both without an estimator."""
    root = tmp_path_factory.mktemp("models")
    tensors = make_pair(root / "folder", "sd2", "epsilon")
    plain = UNet2DConditionModel.from_pretrained(root / "folder" / "unet")
    wider = UNet2DConditionModel.from_config({**plain.config, "in_channels": 5})
    weights = plain.state_dict() | {"conv_in.weight": wider.conv_in.weight.detach()}
    wider.load_state_dict(weights)
    wider.save_pretrained(root / "folder" / "unet")
    index = {"_class_name": "StableDiffusionDepth2ImgPipeline"}
    (root / "folder" / "model_index.json").write_text(json.dumps(index))
    save_file(tensors | {CONV_IN: weights["conv_in.weight"]}, root / "file.safetensors")
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


def test_it_estimates_depth_with_its_own_midas(root: Path) -> None:
    midas = tiny_midas()
    weights = load_file(root / "file.safetensors") | {
        f"depth_model.model.{name}": tensor for name, tensor in in_midas_names(midas).items()
    }
    save_file(weights, root / "whole.safetensors")
    (model,) = [model for model in Registry(root).models() if model.name == "whole"]
    assert (model.tasks, model.estimates_depth) == ((Task.DEPTH2IMG, Task.IMG2IMG), True)
    checkpoint = read_checkpoint(root / "whole.safetensors")
    assert checkpoint.config["depth_estimator"] == DPT_HYBRID
    smaller = checkpoint.config | {"depth_estimator": TINY}
    parts = load_parts(replace(checkpoint, config=smaller), torch.float32)
    pixels = torch.rand((1, 3, 32, 32), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = midas.eval()(pixels).predicted_depth
        assert expected.std() > 0
        ours = parts.depth_estimator.eval()(pixels).predicted_depth
        torch.testing.assert_close(ours, expected, atol=1e-6, rtol=1e-5)


TINY: dict[str, Any] = DPT_HYBRID | {  # as many layers, and so the same names
    "image_size": 32,
    "hidden_size": 32,
    "intermediate_size": 37,
    "num_attention_heads": 4,
    "initializer_range": 0.1,
    "fusion_hidden_size": 8,
    "neck_hidden_sizes": [16, 32, 32, 32],
    "backbone_featmap_shape": [1, 64, 2, 2],
    "backbone_config": {
        "model_type": "bit",
        "global_padding": "same",
        "layer_type": "bottleneck",
        "depths": [3, 4, 9],
        "out_features": ["stage1", "stage2", "stage3"],
        "embedding_dynamic_padding": True,
        "embedding_size": 8,
        "hidden_sizes": [16, 32, 64, 128],
        "num_groups": 2,
    },
}


def tiny_midas() -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(6)
        return DPTForDepthEstimation(DPTConfig(**TINY))


def in_midas_names(network: Any) -> dict[str, torch.Tensor]:
    """Its weights under the names that the whole estimator has."""
    weights, named = network.state_dict(), {}
    for old, tensor in original().items():
        new = list(dpt_tensors({old: tensor}))
        if new:
            named[old] = torch.cat([weights.pop(name) for name in new])
    assert not weights
    return named


def test_it_is_offered_for_depth_that_is_given(root: Path) -> None:
    offered = {model.name: model for model in Registry(root).models()}
    for name in ("file", "folder"):
        model = offered[name]
        assert (model.family, model.tasks, model.estimates_depth) == ("sd2-depth", (Task.DEPTH2IMG,), False)
        assert model.defaults.width == (512 if name == "file" else 64)
