"""MiDaS's names become transformers', judged by timm's network, from which MiDaS made its own."""

import warnings
from typing import Any

import torch
from transformers import DPTConfig, DPTForDepthEstimation

from engine.models.midas import DPT_HYBRID, dpt_tensors

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import timm

WIDE, REFINED = 768, 256


def original() -> dict[str, Any]:
    """The tensors of DPT-Hybrid without numbers: the vision transformer's are timm's, the rest as MiDaS builds them."""
    with torch.device("meta"):
        transformer = timm.create_model("vit_base_r50_s16_384").state_dict()
        tensors = {f"pretrained.model.{name}": tensor for name, tensor in transformer.items()}
        shapes: dict[str, tuple[int, ...]] = {"pretrained.act_postprocess4.4": (WIDE, WIDE, 3, 3)}
        for stage in (3, 4):
            shapes[f"pretrained.act_postprocess{stage}.0.project.0"] = (WIDE, 2 * WIDE)
            shapes[f"pretrained.act_postprocess{stage}.3"] = (WIDE, WIDE, 1, 1)
        for level in range(1, 5):
            shapes[f"scratch.refinenet{level}.out_conv"] = (REFINED, REFINED, 1, 1)
            for unit in (1, 2):
                for conv in (1, 2):
                    name = f"scratch.refinenet{level}.resConfUnit{unit}.conv{conv}"
                    shapes[name] = (REFINED, REFINED, 3, 3)
        for number, sizes in ((0, (128, 256, 3, 3)), (2, (32, 128, 3, 3)), (4, (1, 32, 1, 1))):
            shapes[f"scratch.output_conv.{number}"] = sizes
        for name, shape in shapes.items():
            tensors |= {f"{name}.weight": torch.empty(shape), f"{name}.bias": torch.empty(shape[0])}
        for level, width in enumerate((256, 512, WIDE, WIDE), start=1):
            tensors[f"scratch.layer{level}_rn.weight"] = torch.empty((REFINED, width, 3, 3))
    return tensors


def test_every_tensor_has_its_place_in_its_shape() -> None:
    with torch.device("meta"):
        wanted = DPTForDepthEstimation(DPTConfig(**DPT_HYBRID)).state_dict()
    made = dpt_tensors(original())
    assert {name: tensor.shape for name, tensor in made.items()} == {
        name: tensor.shape for name, tensor in wanted.items()
    }


def test_queries_keys_and_values_are_taken_apart_in_this_order() -> None:
    made = dpt_tensors({"pretrained.model.blocks.7.attn.qkv.bias": torch.arange(6)})
    begin = "dpt.encoder.layer.7.attention.attention"
    assert [made[f"{begin}.{part}.bias"].tolist() for part in ("query", "key", "value")] == [
        [0, 1],
        [2, 3],
        [4, 5],
    ]
