"""A tiny untrained Stable Diffusion 2 that is shown depth, with its estimator: random weights in the real layout."""

import json
from pathlib import Path
from typing import Any

import torch
from transformers import DPTConfig, DPTForDepthEstimation, DPTImageProcessor

from tests.engine.tiny_model import make_tiny_model

SIDE = 32  # pixels at which the estimator looks
_SEED = 6  # one with which the estimator does not see everything equally far


def make_tiny_depth_model(folder: Path, *, estimator: bool = True) -> None:
    """Write the model to `folder`; without an `estimator` it has to be given depth."""
    make_tiny_model(folder, width=16, latent_side=8, channels=5)
    index = json.loads((folder / "model_index.json").read_text())
    index |= {"_class_name": "StableDiffusionDepth2ImgPipeline"}
    if estimator:
        tiny_dpt().save_pretrained(folder / "depth_estimator")
        DPTImageProcessor(size={"height": SIDE, "width": SIDE}).save_pretrained(folder / "feature_extractor")
        index |= {
            "depth_estimator": ["transformers", "DPTForDepthEstimation"],
            "feature_extractor": ["transformers", "DPTImageProcessor"],
        }
    for part in ("safety_checker", "requires_safety_checker"):
        index.pop(part)
    (folder / "model_index.json").write_text(json.dumps(index))


def tiny_dpt() -> Any:
    """DPT on a plain vision transformer of two by two patches."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        return DPTForDepthEstimation(
            DPTConfig(
                image_size=SIDE,
                patch_size=16,
                hidden_size=32,
                num_hidden_layers=4,
                num_attention_heads=4,
                intermediate_size=37,
                backbone_out_indices=[0, 1, 2, 3],
                neck_hidden_sizes=[8, 8, 16, 16],
                fusion_hidden_size=16,
                initializer_range=0.1,
            )
        )
