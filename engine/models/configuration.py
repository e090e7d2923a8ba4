"""How the networks of a single-file checkpoint are built: its family's configuration, with the file's own sizes.

The configurations in `configs/` are the public ones of Stable Diffusion 1.5, 2.1, the ×4 upscaler and XL 1.0, in
diffusers' words.
No torch.
"""

import json
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from engine.models.detection import UNET, VAE, Found
from engine.models.fault import Corrupt
from engine.models.header import Header
from engine.models.layout import SEES_DEPTH
from engine.models.midas import DPT_HYBRID
from engine.models.text_parts import heads, text_parts, text_sizes

Prediction = Literal["epsilon", "v_prediction"]
Config = dict[str, Any]

V_SIDE = 96  # latent cells: SD 2.x that predicts v was trained at 768 pixels
V_KEY, ZERO_SNR_KEY = "v_pred", "ztsnr"  # empty tensors by which trainers mark files, read as ComfyUI does
SMALL_NAME = re.compile(r"base|512", re.IGNORECASE)  # Stability's: 512-base-ema, v2-1_512-ema-pruned
PARAMETERIZATION = re.compile(r"^\s*parameterization:\s*[\"']?(\w+)", re.MULTILINE)
MAX_YAML_BYTES = 64 * 1024
TIME_IDS, REFINER_TIME_IDS = 6, 5  # numbers that SDXL is told beside the pooled text


def configuration(header: Header, found: Found, prediction: Prediction) -> Config:
    """The parts "unet", "vae", "text_encoder", "tokenizer" and "scheduler", each a configuration of diffusers' class.

    SDXL has "text_encoder_2" and "tokenizer_2" too, and its refiner these alone; a file that estimates depth has
    "depth_estimator", and the ×4 upscaler "low_res_scheduler".

    Raises Corrupt where tensors are missing or do not go with each other. `found` must be drawable.
    """
    name = found.family + ("_refiner" if found.is_refiner else "_upscaler" if found.enlarges else "")
    config: Config = json.loads(files("engine.models").joinpath(f"configs/{name}.json").read_bytes())
    parts = text_parts(header, found)
    for part in parts:
        config[part.name] |= text_sizes(header, part, config[part.name]["num_hidden_layers"])
    config["unet"] |= {"in_channels": found.in_channels}
    config["unet"] |= (
        _xl_sizes(header, found, config) if found.family == "sdxl" else _unet_sizes(header, found)
    )
    config["vae"] |= _vae_sizes(header, len(config["vae"]["block_out_channels"]))
    if config["unet"]["cross_attention_dim"] != sum(config[part.name]["hidden_size"] for part in parts):
        raise Corrupt("its text encoder does not go with its network")
    if found.in_channels == SEES_DEPTH and found.estimates_depth:
        config["depth_estimator"] = dict(DPT_HYBRID)
    config["scheduler"] |= {"prediction_type": prediction}
    if {V_KEY, ZERO_SNR_KEY} <= header.shapes.keys():
        config["scheduler"] |= {"rescale_betas_zero_snr": True}
    if prediction == "v_prediction" and found.family == "sd2" and not found.enlarges:
        config["unet"]["sample_size"] = V_SIDE
    return config


def prediction(
    header: Header, found: Found, path: Path, card: Prediction | None
) -> tuple[Prediction, Literal["card", "file", "assumed"]]:
    """What the network predicts, and who says so.

    The names and shapes of tensors cannot tell: SD 2.x "base" and 768-v have the same. In order: the model's card,
    the file's metadata, a marking tensor, the YAML file beside it that Stability's and A1111's code reads. Else it is
    assumed: noise for SD 1.x, and for SD 2.x v, as diffusers does, unless "base" or "512" is in the name. What is shown
    depth and what enlarges there is of one kind each.
    """
    if card is not None:
        return card, "card"
    if noted := _noted(header.metadata) or _beside(path):
        return noted, "file"
    if V_KEY in header.shapes:
        return "v_prediction", "file"
    is_large = found.family == "sd2" and found.in_channels == 4 and not SMALL_NAME.search(path.stem)
    is_v = found.enlarges or is_large
    return "v_prediction" if is_v else "epsilon", "assumed"


def _noted(metadata: Mapping[str, str]) -> Prediction | None:
    """As https://github.com/Stability-AI/ModelSpec has it."""
    word = metadata.get("modelspec.prediction_type", "").lower()
    return _meaning(word.removesuffix("_prediction").removesuffix("-prediction"))


def _beside(path: Path) -> Prediction | None:
    try:
        with path.with_suffix(".yaml").open("rb") as stream:
            text = stream.read(MAX_YAML_BYTES).decode("utf-8", "replace")
    except OSError:
        return None
    found = PARAMETERIZATION.search(text)
    return _meaning(found[1].lower()) if found else None


def _meaning(word: str) -> Prediction | None:
    meanings: dict[str, Prediction] = {"v": "v_prediction", "epsilon": "epsilon", "eps": "epsilon"}
    return meanings.get(word)


def _unet_sizes(header: Header, found: Found) -> Config:
    first = f"{UNET}input_blocks.{4 if found.enlarges else 1}.1."  # that attends to the text
    widths = [header.width(f"{UNET}input_blocks.{n}.0.out_layers.3.weight", 0) for n in (1, 4, 7, 10)]
    sizes: Config = {
        "block_out_channels": widths,
        "cross_attention_dim": header.width(f"{first}transformer_blocks.0.attn2.to_k.weight", 1),
        "use_linear_projection": len(header.shapes.get(f"{first}proj_in.weight", ())) == 2,
    }
    if found.enlarges:
        sizes["num_class_embeds"] = header.width(f"{UNET}label_emb.weight", 0)  # levels of noise
    elif found.family == "sd2":
        sizes["attention_head_dim"] = [heads(width) for width in widths]
    return sizes


def _xl_sizes(header: Header, found: Found, config: Config) -> Config:
    """Which blocks attend to the text is the family's, how often and how wide is the file's."""
    blocks = [f"{UNET}input_blocks.{1 + 3 * n}." for n in range(len(config["unet"]["block_out_channels"]))]
    widths = [header.width(f"{block}0.out_layers.3.weight", 0) for block in blocks]
    attending = next(n for n, kind in enumerate(config["unet"]["down_block_types"]) if "Attn" in kind)
    middle = header.count(f"{UNET}middle_block.1.transformer_blocks.")
    told = header.width(f"{UNET}label_emb.0.0.weight", 1)
    numbers = REFINER_TIME_IDS if found.is_refiner else TIME_IDS
    return {
        "block_out_channels": widths,
        "attention_head_dim": [heads(width) for width in widths],
        "transformer_layers_per_block": [
            header.count(f"{block}1.transformer_blocks.") or middle for block in blocks
        ],
        "cross_attention_dim": header.width(
            f"{blocks[attending]}1.transformer_blocks.0.attn2.to_k.weight", 1
        ),
        "projection_class_embeddings_input_dim": told,
        "addition_time_embed_dim": (told - config["text_encoder_2"]["projection_dim"]) // numbers,
    }


def _vae_sizes(header: Header, levels: int) -> Config:
    widths = [header.width(f"{VAE}encoder.down.{n}.block.0.conv1.weight", 0) for n in range(levels)]
    return {"block_out_channels": widths}
