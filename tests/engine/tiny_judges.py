"""Tiny untrained networks that look at pictures: a safety checker, a CoCa. The classes and layouts of the real ones."""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from open_clip.coca_model import CoCa
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPImageProcessor

_SEED = 1839
SIDE = 32


def make_safety_checker(folder: Path, *, limit: float) -> None:
    """Write `safety_checker` and `feature_extractor` into `folder`. Every concept has the same `limit`, a cosine."""
    vision = {
        "hidden_size": 32,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": SIDE,
        "patch_size": 8,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        checker = StableDiffusionSafetyChecker(CLIPConfig(vision_config=vision, projection_dim=16))
        for name in ("concept_embeds", "special_care_embeds"):
            getattr(checker, name).data.normal_()
            getattr(checker, f"{name}_weights").data.fill_(limit)
    checker.save_pretrained(folder / "safety_checker")
    size, crop = {"shortest_edge": SIDE}, {"height": SIDE, "width": SIDE}
    CLIPImageProcessor(size=size, crop_size=crop).save_pretrained(folder / "feature_extractor")


def make_coca(folder: Path) -> None:
    """Write an open_clip folder with an untrained CoCa, as small as its layout allows."""
    width, heads = 32, 4
    text = {"context_length": 76, "vocab_size": 49408, "width": width, "heads": heads, "layers": 1}
    config: dict[str, Any] = {
        "embed_dim": width,
        "vision_cfg": {
            **{"image_size": SIDE, "layers": 1, "width": width, "head_width": 8, "patch_size": 8},
            **{"attentional_pool": True, "attn_pooler_heads": heads, "output_tokens": True},
        },
        "text_cfg": {**text, "embed_cls": True, "output_tokens": True},
        "multimodal_cfg": {**text, "attn_pooler_heads": heads},
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        network = CoCa(**config)
        for parameter in network.parameters():
            parameter.data.normal_(std=0.3)
    folder.mkdir(parents=True)
    whole = {"model_cfg": {**config, "custom_text": True}}
    (folder / "open_clip_config.json").write_text(json.dumps(whole))
    save_file(network.state_dict(), folder / "open_clip_model.safetensors")
