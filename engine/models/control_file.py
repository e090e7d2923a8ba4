"""How the ControlNet of a single file in the original layout is built: its configuration, from shapes. No torch.

The layout is that of https://github.com/lllyasviel/ControlNet (`cldm/cldm.py`): the encoder half of the UNet, with
`input_hint_block` for the picture and `zero_convs` for what goes out.
"""

from typing import Any

from engine.models.fault import WrongKind
from engine.models.header import Header

PREFIXES = ("control_model.", "")  # of a whole training state, and of the network alone
HEAD_WIDTH = 64  # of attention in SD 2.x, which has as many heads as that fits; SD 1.x has 8


def original_prefix(header: Header) -> str:
    """What the tensors' names begin with. Raises WrongKind where they are not the original ones."""
    for prefix in PREFIXES:
        if f"{prefix}input_hint_block.0.weight" in header.shapes:
            return prefix
    raise WrongKind("its tensors have diffusers' names: put it into a folder with its config.json")


def controlnet_config(header: Header, prefix: str) -> dict[str, Any]:
    """The configuration of diffusers' ControlNetModel. Raises Corrupt where tensors are missing, WrongKind for SDXL."""
    if f"{prefix}label_emb.0.0.weight" in header.shapes:
        raise WrongKind("it is a ControlNet of SDXL in the original layout: only folders of those are read")
    first, hint = f"{prefix}input_blocks.1.1.", f"{prefix}input_hint_block."
    widths = [header.width(f"{prefix}input_blocks.{n}.0.out_layers.3.weight", 0) for n in (1, 4, 7, 10)]
    linear = len(header.shapes.get(f"{first}proj_in.weight", ())) == 2
    return {
        "conditioning_channels": header.width(f"{hint}0.weight", 1),
        "conditioning_embedding_out_channels": [header.width(f"{hint}{n}.weight", 0) for n in (0, 4, 8, 12)],
        "block_out_channels": widths,
        "cross_attention_dim": header.width(f"{first}transformer_blocks.0.attn2.to_k.weight", 1),
        "use_linear_projection": linear,
        "attention_head_dim": [max(1, width // HEAD_WIDTH) for width in widths] if linear else 8,
    }
