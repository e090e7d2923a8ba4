"""The depth estimator in Stable Diffusion 2's depth checkpoint: DPT-Hybrid, from MiDaS's names to transformers'.

The correspondence is that of transformers' converter for Intel's dpt-hybrid-midas.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

DPT_HYBRID: dict[str, Any] = {  # transformers' configuration of Intel's dpt-hybrid-midas
    "is_hybrid": True,
    "neck_hidden_sizes": [256, 512, 768, 768],
    "reassemble_factors": [1, 1, 1, 0.5],
    "use_batch_norm_in_fusion_residual": False,
}
UNUSED = "pretrained.model.head."  # of the network that it was made from, which told things apart
QKV = re.compile(r"(dpt\.encoder\.layer\.\d+\.attention)\.qkv\.(weight|bias)")
_VIT, _BIT = r"^pretrained\.model\.", "dpt.embeddings.backbone.bit."
_NECK = "neck.reassemble_stage."
_RULES = (
    (rf"{_VIT}cls_token", "dpt.embeddings.cls_token"),
    (rf"{_VIT}pos_embed", "dpt.embeddings.position_embeddings"),
    (rf"{_VIT}patch_embed\.proj\.", "dpt.embeddings.projection."),
    (rf"{_VIT}patch_embed\.backbone\.stem\.conv\.", f"{_BIT}embedder.convolution."),
    (rf"{_VIT}patch_embed\.backbone\.stem\.norm\.", f"{_BIT}embedder.norm."),
    (rf"{_VIT}patch_embed\.backbone\.stages\.(\d+)\.blocks\.", rf"{_BIT}encoder.stages.\1.layers."),
    (rf"{_VIT}norm\.", "dpt.layernorm."),
    (rf"{_VIT}blocks\.(\d+)\.norm1\.", r"dpt.encoder.layer.\1.layernorm_before."),
    (rf"{_VIT}blocks\.(\d+)\.norm2\.", r"dpt.encoder.layer.\1.layernorm_after."),
    (rf"{_VIT}blocks\.(\d+)\.attn\.qkv\.", r"dpt.encoder.layer.\1.attention.qkv."),
    (rf"{_VIT}blocks\.(\d+)\.attn\.proj\.", r"dpt.encoder.layer.\1.attention.output.dense."),
    (rf"{_VIT}blocks\.(\d+)\.mlp\.fc1\.", r"dpt.encoder.layer.\1.intermediate.dense."),
    (rf"{_VIT}blocks\.(\d+)\.mlp\.fc2\.", r"dpt.encoder.layer.\1.output.dense."),
    (r"^scratch\.output_conv\.", "head.head."),
    (r"\.out_conv\.", ".projection."),
    (r"\.resConfUnit(\d)\.conv(\d)\.", r".residual_layer\1.convolution\2."),
)
# Numbered from one there, and the fusion from behind.
_NUMBERED = (
    (r"^pretrained\.act_postprocess(\d)\.0\.project\.0\.", f"{_NECK}readout_projects.{{0}}.0."),
    (r"^pretrained\.act_postprocess(\d)\.3\.", f"{_NECK}layers.{{0}}.projection."),
    (r"^pretrained\.act_postprocess(\d)\.4\.", f"{_NECK}layers.{{0}}.resize."),
    (r"^scratch\.layer(\d)_rn\.", "neck.convs.{0}."),
    (r"^scratch\.refinenet(\d)\.", "neck.fusion_stage.layers.{1}."),
)


def dpt_tensors(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The weights of a `DPTForDepthEstimation`, by the names that MiDaS gives them."""
    weights: dict[str, Any] = {}
    for old, tensor in tensors.items():
        name = _name(old)
        if found := QKV.fullmatch(name):
            for part, piece in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                weights[f"{found[1]}.attention.{part}.{found[2]}"] = piece
        elif not old.startswith(UNUSED):
            weights[name] = tensor
    return weights


def _renumbered(new: str) -> Callable[[re.Match[str]], str]:
    return lambda found: new.format(int(found[1]) - 1, 4 - int(found[1]))


def _name(old: str) -> str:
    for pattern, new in _NUMBERED:
        old = re.sub(pattern, _renumbered(new), old)
    for pattern, new in _RULES:
        old = re.sub(pattern, new, old)
    return old
