"""Tiny Stable Diffusions, each as a diffusers folder and as the tensors of an original single-file checkpoint.

The way from diffusers' names to the original ones is written here a second time, and from the other side.
"""

import json
import re
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from engine.models.tokenizer import VOCABULARY, clip_tokenizer

Tensors = dict[str, torch.Tensor]
WIDTH = 32
SD = "cond_stage_model."
SD2_LAYERS = 23  # of the 24 that the file has

_SCHEDULER = {  # as the published folders have it, which do not say how timesteps are spaced
    "_class_name": "PNDMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
}
_BLOCKS = ("CrossAttn{}Block2D",) * 3 + ("{}Block2D",)
_RESNET = [("norm1", "in_layers.0"), ("conv1", "in_layers.2"), ("time_emb_proj", "emb_layers.1")]
_RESNET += [("norm2", "out_layers.0"), ("conv2", "out_layers.3"), ("conv_shortcut", "skip_connection")]
_ENDS = [("time_embedding.linear_1", "time_embed.0"), ("time_embedding.linear_2", "time_embed.2")]
_ENDS += [("add_embedding.linear_1", "label_emb.0.0"), ("add_embedding.linear_2", "label_emb.0.2")]
_ENDS += [("class_embedding", "label_emb")]
_ENDS += [("conv_in", "input_blocks.0.0"), ("conv_norm_out", "out.0"), ("conv_out", "out.2")]
_ATTENTION = [("group_norm", "norm"), ("to_out.0", "proj_out"), ("to_q", "q"), ("to_k", "k"), ("to_v", "v")]
_OPENCLIP = [("layer_norm", "ln_"), ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj"), ("self_attn", "attn")]
_OPENCLIP += [
    ("encoder.layers", "transformer.resblocks"),
    ("final_ln_", "ln_final"),
    ("embeddings.token", "token"),
]
_OPENCLIP += [("embeddings.position_embedding.weight", "positional_embedding")]


def make_pair(folder: Path, family: str, prediction: str, channels: int = 4) -> Tensors:
    """Write the diffusers folder of a random "sd1" or "sd2"; returns the same in the original layout.

    With nine `channels` it is an inpainting model.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1839)
        unet, vae, text = _unet(family, channels), tiny_vae(), _text_encoder(family)
        last = _openclip_layer(text, SD2_LAYERS) if family == "sd2" else {}
    clip_tokenizer(pad_token="!" if family == "sd2" else "<|endoftext|>").save_pretrained(
        folder / "tokenizer"
    )
    unet.save_pretrained(folder / "unet")
    vae.save_pretrained(folder / "vae")
    text.save_pretrained(folder / "text_encoder")
    (folder / "scheduler").mkdir()
    (folder / "scheduler/scheduler_config.json").write_text(
        json.dumps(_SCHEDULER | {"prediction_type": prediction})
    )
    kind = "StableDiffusionInpaintPipeline" if channels == 9 else "StableDiffusionPipeline"
    (folder / "model_index.json").write_text(json.dumps({"_class_name": kind}))
    words = openclip(text) | last if family == "sd2" else clip(text)
    return original_unet(unet) | original_vae(vae) | words


def _unet(family: str, channels: int) -> Any:
    return UNet2DConditionModel(
        in_channels=channels,
        sample_size=8,
        block_out_channels=(WIDTH, 2 * WIDTH, 2 * WIDTH, 2 * WIDTH),
        layers_per_block=2,
        down_block_types=tuple(name.format("Down") for name in _BLOCKS),
        up_block_types=tuple(name.format("Up") for name in reversed(_BLOCKS)),
        cross_attention_dim=WIDTH,
        attention_head_dim=8 if family == "sd1" else 1,
        use_linear_projection=family == "sd2",
    )


def tiny_vae(scaling_factor: float = 0.18215) -> Any:
    return AutoencoderKL(
        sample_size=64,
        block_out_channels=(WIDTH, WIDTH, WIDTH, 2 * WIDTH),
        layers_per_block=2,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        scaling_factor=scaling_factor,
    )


def _text_encoder(family: str) -> Any:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=VOCABULARY,
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            num_hidden_layers=SD2_LAYERS if family == "sd2" else 2,
            num_attention_heads=1,
            hidden_act="gelu" if family == "sd2" else "quick_gelu",
        )
    )


def original_unet(unet: Any) -> Tensors:
    first_attends = hasattr(unet.up_blocks[0], "attentions")
    return {
        f"model.diffusion_model.{unet_name(name, first_attends)}": it
        for name, it in unet.state_dict().items()
    }


def unet_name(name: str, first_attends: bool = False) -> str:
    for new, old in _ENDS:
        if name.startswith(f"{new}."):
            return name.replace(new, old, 1)
    if mid := re.match(r"mid_block\.(resnets|attentions)\.(\d)\.(.*)", name):
        place = 1 if mid[1] == "attentions" else 2 * int(mid[2])
        return f"middle_block.{place}.{_resnet(mid[3]) if mid[1] == 'resnets' else mid[3]}"
    way, block, part, number, rest = re.match(r"(down|up)_blocks\.(\d)\.(\w+)\.(\d)\.(.*)", name).groups()  # type: ignore[union-attr]
    side, place = ("input_blocks", 3 * int(block) + 1) if way == "down" else ("output_blocks", 3 * int(block))
    if part == "downsamplers":
        return f"{side}.{place + 2}.0.{rest.replace('conv', 'op')}"
    if part == "upsamplers":
        return f"{side}.{place + 2}.{1 if block == '0' and not first_attends else 2}.{rest}"
    if part == "resnets":
        return f"{side}.{place + int(number)}.0.{_resnet(rest)}"
    return f"{side}.{place + int(number)}.1.{rest}"


def _resnet(name: str) -> str:
    for new, old in _RESNET:
        name = name.replace(new, old)
    return name


def original_vae(vae: Any) -> Tensors:
    original = {}
    for name, tensor in vae.state_dict().items():
        old = _vae_name(name, levels=len(vae.config.block_out_channels))
        wide = "attn_1" in old and old.endswith("weight") and tensor.dim() == 2
        original[f"first_stage_model.{old}"] = tensor[:, :, None, None] if wide else tensor
    return original


def _vae_name(name: str, levels: int) -> str:
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda found: f"mid.block_{int(found[1]) + 1}", name)
    if "attentions" in name:
        name = name.replace("mid_block.attentions.0", "mid.attn_1")
        for new, old in _ATTENTION:
            name = name.replace(f".{new}.", f".{old}.")
    name = re.sub(r"up_blocks\.(\d)", lambda found: f"up.{levels - 1 - int(found[1])}", name)
    name = name.replace("down_blocks", "down").replace("resnets", "block").replace("samplers.0", "sample")
    return name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")


def _bare(text: Any) -> Tensors:
    return {name.removeprefix("text_model."): tensor for name, tensor in text.state_dict().items()}


def clip(text: Any, prefix: str = SD) -> Tensors:
    words = {f"{prefix}transformer.text_model.{name}": it for name, it in _bare(text).items()}
    return words | {f"{prefix}transformer.text_model.embeddings.position_ids": torch.arange(77)[None]}


def openclip(text: Any, prefix: str = SD) -> Tensors:
    bare = _bare(text)
    projection = bare.pop("text_projection.weight", torch.eye(WIDTH))
    words: Tensors = {"text_projection": projection.T.contiguous(), "logit_scale": torch.ones(())}
    for name, tensor in bare.items():
        if found := re.fullmatch(r"(.*)\.q_proj\.(weight|bias)", name):
            three = [bare[f"{found[1]}.{letter}_proj.{found[2]}"] for letter in "qkv"]
            words[f"{found[1]}.in_proj_{found[2]}"] = torch.cat(three)
        elif not re.search(r"\.[kv]_proj\.", name):
            words[name] = tensor
    return {f"{prefix}model.{_openclip_name(name)}": tensor for name, tensor in words.items()}


def _openclip_name(name: str) -> str:
    for new, old in _OPENCLIP:
        name = name.replace(new, old)
    return name


def _openclip_layer(text: Any, number: int) -> Tensors:
    """One more layer, like the first but with other numbers, as the last one that Stable Diffusion 2 leaves out."""
    first = {name: tensor for name, tensor in openclip(text).items() if ".resblocks.0." in name}
    return {
        name.replace(".resblocks.0.", f".resblocks.{number}."): torch.randn_like(tensor)
        for name, tensor in first.items()
    }
