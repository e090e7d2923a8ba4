"""How the networks of a single-file checkpoint are built: its family's configuration, with the file's own sizes.

The configurations in `configs/` are the public ones of Stable Diffusion 1.5 and 2.1, in diffusers' words. No torch.
"""

import json
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from engine.models.detection import TEXT, UNET, VAE, Found
from engine.models.fault import Corrupt
from engine.models.header import Header
from engine.models.layout import SEES_DEPTH
from engine.models.midas import DPT_HYBRID

Prediction = Literal["epsilon", "v_prediction"]
Config = dict[str, Any]

HEAD_WIDTH = 64  # of attention in SD 2.x and of the text encoders: there are as many heads as that fits
V_SIDE = 96  # latent cells: SD 2.x that predicts v was trained at 768 pixels
V_KEY, ZERO_SNR_KEY = "v_pred", "ztsnr"  # empty tensors by which trainers mark files, read as ComfyUI does
SMALL_NAME = re.compile(r"base|512", re.IGNORECASE)  # Stability's: 512-base-ema, v2-1_512-ema-pruned
PARAMETERIZATION = re.compile(r"^\s*parameterization:\s*[\"']?(\w+)", re.MULTILINE)
MAX_YAML_BYTES = 64 * 1024

_TEXT_NAMES = {  # where the sizes of the two text encoders are to be seen
    "sd1": ("embeddings.token_embedding.weight", "encoder.layers.", "0.mlp.fc1.weight"),
    "sd2": ("token_embedding.weight", "transformer.resblocks.", "0.mlp.c_fc.weight"),
}


def configuration(header: Header, found: Found, prediction: Prediction) -> Config:
    """The parts "unet", "vae", "text_encoder", "tokenizer" and "scheduler", each a configuration of diffusers' class.

    "depth_estimator" too, where the file has one.

    Raises Corrupt where tensors are missing or do not go with each other. `found` must be drawable.
    """
    config: Config = json.loads(files("engine.models").joinpath(f"configs/{found.family}.json").read_bytes())
    config["unet"] |= {"in_channels": found.in_channels} | _unet_sizes(header, found)
    config["vae"] |= _vae_sizes(header)
    config["text_encoder"] |= _text_sizes(header, found, config["text_encoder"]["num_hidden_layers"])
    if config["unet"]["cross_attention_dim"] != config["text_encoder"]["hidden_size"]:
        raise Corrupt("its text encoder does not go with its network")
    if found.in_channels == SEES_DEPTH and found.estimates_depth:
        config["depth_estimator"] = dict(DPT_HYBRID)
    config["scheduler"] |= {"prediction_type": prediction}
    if {V_KEY, ZERO_SNR_KEY} <= header.shapes.keys():
        config["scheduler"] |= {"rescale_betas_zero_snr": True}
    if prediction == "v_prediction" and found.family == "sd2":
        config["unet"]["sample_size"] = V_SIDE
    return config


def prediction(
    header: Header, found: Found, path: Path, card: Prediction | None
) -> tuple[Prediction, Literal["card", "file", "assumed"]]:
    """What the network predicts, and who says so.

    The names and shapes of tensors cannot tell: SD 2.x "base" and 768-v have the same. In order: the model's card,
    the file's metadata, a marking tensor, the YAML file beside it that Stability's and A1111's code reads. Else it is
    assumed: noise for SD 1.x, and for SD 2.x v, as diffusers does, unless "base" or "512" is in the name or it is shown
    depth, which there is of the one kind alone.
    """
    if card is not None:
        return card, "card"
    if noted := _noted(header.metadata) or _beside(path):
        return noted, "file"
    if V_KEY in header.shapes:
        return "v_prediction", "file"
    is_v = found.family == "sd2" and found.in_channels == 4 and not SMALL_NAME.search(path.stem)
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
    first = f"{UNET}input_blocks.1.1."
    widths = [header.width(f"{UNET}input_blocks.{n}.0.out_layers.3.weight", 0) for n in (1, 4, 7, 10)]
    sizes: Config = {
        "block_out_channels": widths,
        "cross_attention_dim": header.width(f"{first}transformer_blocks.0.attn2.to_k.weight", 1),
        "use_linear_projection": len(header.shapes.get(f"{first}proj_in.weight", ())) == 2,
    }
    if found.family == "sd2":
        sizes["attention_head_dim"] = [_heads(width) for width in widths]
    return sizes


def _vae_sizes(header: Header) -> Config:
    widths = [header.width(f"{VAE}encoder.down.{n}.block.0.conv1.weight", 0) for n in range(4)]
    return {"block_out_channels": widths}


def _text_sizes(header: Header, found: Found, most_layers: int) -> Config:
    """SD 2.x leaves the encoder's last layer out: files have it, or not."""
    prefix = text_prefix(header)
    embedding, layers, widening = _TEXT_NAMES[found.family]
    width = header.width(f"{prefix}{embedding}", 1)
    return {
        "vocab_size": header.width(f"{prefix}{embedding}", 0),
        "hidden_size": width,
        "num_attention_heads": _heads(width),
        "num_hidden_layers": min(header.count(f"{prefix}{layers}"), most_layers),
        "intermediate_size": header.width(f"{prefix}{layers}{widening}", 0),
    }


def text_prefix(header: Header) -> str:
    """What the text encoder's tensors begin with: one of three, by family and by age of the program."""
    prefixes = (f"{TEXT}transformer.text_model.", f"{TEXT}transformer.", f"{TEXT}model.")
    return next(
        (prefix for prefix in prefixes if any(name.startswith(prefix) for name in header.shapes)), prefixes[0]
    )


def _heads(width: int) -> int:
    return max(1, width // HEAD_WIDTH)
