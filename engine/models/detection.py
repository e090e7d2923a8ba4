"""What a safetensors file is, told by the names and shapes of its tensors alone. No torch.

The names are those of the original Stable Diffusion code, as AUTOMATIC1111's and every trainer's files have them.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from engine.models.fault import Corrupt, WrongKind
from engine.models.header import Header
from engine.models.layout import ENLARGES

UNET = "model.diffusion_model."
VAE = "first_stage_model."
TEXT = "cond_stage_model."
CONDITIONERS = "conditioner.embedders."  # SDXL's text encoders
DEPTH = "depth_model.model."  # MiDaS, which estimates it
CONV_IN = f"{UNET}input_blocks.0.0.weight"
CONTEXT = re.compile(rf"{re.escape(UNET)}input_blocks\.\d+\.1\.transformer_blocks\.0\.attn2\.to_k\.weight")
REFINER_CONTEXT = 1280
FAMILIES = {768: "sd1", 1024: "sd2", 2048: "sdxl", REFINER_CONTEXT: "sdxl"}  # by the text's width
LORA = re.compile(r"\.(lora_(up|down|mid|A|B)\b|hada_w|lokr_w|oft_|dora_scale)|^lora_(unet|te)")
EMBEDDING_NAMES = {"emb_params", "clip_l", "clip_g"}
EMBEDDING_WIDTHS = {768, 1024, 1280}
DRAWN = ("sd1", "sd2", "sdxl")
TITLES = {"sd1": "Stable Diffusion 1.x", "sd2": "Stable Diffusion 2.x", "sdxl": "SDXL"}
INPUTS = {4: "", 5: "", ENLARGES: "an upscaler", 8: "a model for editing", 9: ""}  # 5: depth; 9: inpainting
# As spandrel tells face restorers from all else: GFPGAN, RestoreFormer; and CodeFormer, which it does not read.
GFPGAN = {"toRGB.0.weight", "stylegan_decoder.style_mlp.1.weight"}
RESTOREFORMER = {
    "quantize.embedding.weight",
    "encoder.conv_in.weight",
    "encoder.conv_out.weight",
    "quant_conv.weight",
}
CODEFORMER = {"quantize.embedding.weight", "position_emb", "idx_pred_layer.1.weight"}
EDM = ("edm_mean", "edm_vpred.sigma_max")  # marking tensors of Playground 2.5 and CosXL


class Kind(StrEnum):
    """What a file is, in words that follow "it is"."""

    CHECKPOINT = "a checkpoint"
    LORA = "a LoRA"
    EMBEDDING = "an embedding"
    VAE = "a VAE"
    CONTROLNET = "a ControlNet"
    IP_ADAPTER = "an IP-Adapter"
    FACE = "a face restorer"
    CODEFORMER = "CodeFormer, whose licence forbids commercial use"
    PART = "one part of a folder in diffusers' layout"
    TRANSFORMER = "a model of a newer family (such as FLUX or Stable Diffusion 3)"
    UNKNOWN = "something else"


@dataclass(frozen=True, kw_only=True)
class Found:
    """`family` is "sd1", "sd2", "sdxl" or, unknown, ""; it and the rest are a checkpoint's only.

    `in_channels`: 4 draw from text; 9 inpaint; 5 take depth, which the file may also estimate; 7 enlarge.
    `lacks` names the networks that are not in the file.
    `is_refiner` is SDXL's second model, and `is_edm` an SDXL that was trained on another kind of noise.
    """

    kind: Kind
    family: str = ""
    in_channels: int = 0
    is_refiner: bool = False
    is_edm: bool = False
    estimates_depth: bool = False
    lacks: tuple[str, ...] = ()

    @property
    def enlarges(self) -> bool:
        """Whether it is Stable Diffusion 2's ×4 upscaler, the only one of its kind."""
        return self.family == "sd2" and self.in_channels == ENLARGES


def detect(header: Header) -> Found:
    """What the file is. Raises Corrupt where it looks like a checkpoint with tensors of impossible shapes."""
    names = header.shapes.keys()
    if any(LORA.search(name) for name in names):
        return Found(kind=Kind.LORA)
    if _has(names, "control_model.", "input_hint_block.", "controlnet_cond_embedding."):
        return Found(kind=Kind.CONTROLNET)
    if _has(names, "ip_adapter.") and _has(names, "image_proj."):
        return Found(kind=Kind.IP_ADAPTER)
    if CONV_IN in names:
        return _checkpoint(header)
    if any(".double_blocks." in f".{name}" or ".joint_blocks." in f".{name}" for name in names):
        return Found(kind=Kind.TRANSFORMER)
    if names >= GFPGAN or names >= RESTOREFORMER:
        return Found(kind=Kind.FACE)
    if names >= CODEFORMER:
        return Found(kind=Kind.CODEFORMER)
    if _has(names, VAE) or {"encoder.conv_in.weight", "decoder.conv_in.weight"} <= names:
        return Found(kind=Kind.VAE)
    if _is_embedding(header):
        return Found(kind=Kind.EMBEDDING)
    if _has(names, "down_blocks.", "text_model.", "vision_model."):
        return Found(kind=Kind.PART)
    return Found(kind=Kind.UNKNOWN)


def check_drawable(found: Found) -> None:
    """Raises WrongKind, with what the file is, where it is nothing that the engine can draw with."""
    if found.kind is Kind.UNKNOWN:
        raise WrongKind("it holds no model of a family that Darkroom knows")
    if found.kind is not Kind.CHECKPOINT:
        raise WrongKind(f"it is {found.kind}, not a checkpoint")
    if found.family not in DRAWN:
        title = TITLES.get(found.family, "of a family that Darkroom does not know")
        known = ", ".join(TITLES[family] for family in DRAWN)
        raise WrongKind(f"it is {title}, which cannot be drawn with: {known} can")
    what = INPUTS.get(found.in_channels, "a model with an unknown kind of input")
    if what and not found.enlarges:
        raise WrongKind(f"it is {what} of {TITLES[found.family]}, which cannot be drawn with yet")
    if found.is_edm:
        raise WrongKind("it is an SDXL trained on EDM's noise, which cannot be drawn with yet")
    if found.lacks:
        raise WrongKind(f"it lacks {' and '.join(found.lacks)}: only whole checkpoints can be drawn with")


def _checkpoint(header: Header) -> Found:
    names, family = header.shapes.keys(), _family(header)
    alone = f"{CONDITIONERS}0.model."  # the refiner's only text encoder is the base's second one
    is_refiner = family == "sdxl" and (_has(names, alone) or _context(header) == REFINER_CONTEXT)
    if family != "sdxl":
        needed = {"its text encoder": TEXT}
    elif is_refiner:
        needed = {"its text encoder": alone}
    else:
        needed = {
            "its first text encoder": f"{CONDITIONERS}0.transformer.",
            "its second text encoder": f"{CONDITIONERS}1.model.",
        }
    needed["its VAE"] = VAE
    return Found(
        kind=Kind.CHECKPOINT,
        family=family,
        in_channels=header.width(CONV_IN, 1),
        is_refiner=is_refiner,
        is_edm=any(name in names for name in EDM),
        estimates_depth=_has(names, f"{DEPTH}pretrained."),
        lacks=tuple(part for part, prefix in needed.items() if not _has(names, prefix)),
    )


def _family(header: Header) -> str:
    """By the width of the text that the network attends to; where that is unusual, by the text encoder's names.

    Raises Corrupt where the two contradict each other.
    """
    names = header.shapes.keys()
    if _has(names, CONDITIONERS):
        return "sdxl"
    by_width = FAMILIES.get(_context(header), "")
    by_names = {(True, False): "sd1", (False, True): "sd2"}.get(
        (_has(names, f"{TEXT}transformer."), _has(names, f"{TEXT}model.")), ""
    )
    if by_width and by_names and by_width != by_names:
        raise Corrupt("its text encoder is of another family than its network")
    return by_width or by_names


def _context(header: Header) -> int:
    """The width of the text that the network attends to; 0 where no tensor tells it."""
    name = next((name for name in header.shapes if CONTEXT.fullmatch(name)), "")
    return header.width(name, 1) if name else 0


def _is_embedding(header: Header) -> bool:
    if not header.shapes or len(header.shapes) > len(EMBEDDING_NAMES):
        return False
    if header.shapes.keys() <= EMBEDDING_NAMES:
        return True
    if any(len(shape) not in (1, 2) for shape in header.shapes.values()):
        return False
    return all(name.startswith("<") or shape[-1] in EMBEDDING_WIDTHS for name, shape in header.shapes.items())


def _has(names: Collection[str], *prefixes: str) -> bool:
    return any(name.startswith(prefixes) for name in names)
