"""Training of a small CLIP with open_clip: pictures and their captions side by side in one space.

Its text tower is the diffusion model's text encoder. The whole of it ships, for ranking and search.
"""

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.loss import ClipLoss
from open_clip.model import CLIPTextCfg, CLIPVisionCfg
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

from engine.demo.training.autoencoder import to_pixels
from engine.demo.training.corpus import Corpus, Pictures
from engine.demo.training.networks import TOKENS, WIDTH
from engine.demo.training.scenes import CANVAS, PICTURE
from engine.demo.training.training_run import TrainingRun

SIDE = 64  # pixels of the picture that the image tower sees
LAYERS, HEADS = 3, 6
BATCH = 128
LR = 1e-3
HOTTEST = math.log(100)  # of the logit scale, as CLIP's

TEXT_TOWER = (
    "token_embedding",
    "positional_embedding",
    "transformer",
    "ln_final",
)  # what `CLIPTextModel` has of it

THUMBNAIL = CANVAS * SIDE // PICTURE  # of the whole canvas
VISION = {"image_size": SIDE, "layers": [1, 1, 1, 1], "width": 16, "head_width": 64}


def make_clip(vocabulary: int) -> Any:
    """An untrained `open_clip.CLIP`: a small ResNet and a small transformer, WIDTH wide both."""
    return open_clip.CLIP(
        embed_dim=WIDTH,
        vision_cfg=CLIPVisionCfg(**VISION),
        text_cfg=CLIPTextCfg(
            context_length=TOKENS, vocab_size=vocabulary, width=WIDTH, heads=HEADS, layers=LAYERS
        ),
    )


def train_clip(
    corpus: Corpus,
    tokenizer: Any,
    *,
    file: Path,
    steps: int,
    seed: int,
    device: torch.device,
    autocast: Callable[[], Any],
    start: Any = None,
) -> Any:
    """The trained CLIP. Each batch pairs BATCH cuts of scenes with captions of chance.

    Where it begins with `start`, that one's text tower stays as it is, and its picture tower learns to follow.
    """
    torch.manual_seed(seed)
    network = (make_clip(len(tokenizer)) if start is None else start).to(device)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(start is None or not name.startswith(TEXT_TOWER))
    thumbnails, contrast = _thumbnails(corpus), ClipLoss()

    def loss_at(step: int) -> torch.Tensor:
        random = np.random.default_rng([seed, step])
        numbers = random.choice(corpus.size, BATCH, replace=False)
        captions = [corpus.caption(int(number), step) for number in numbers]
        top, left = random.integers(0, THUMBNAIL - SIDE + 1, 2)
        pixels = to_pixels(thumbnails[numbers, top : top + SIDE, left : left + SIDE]).to(device)
        with autocast():
            images, texts, scale = network(pixels, tokens_of(tokenizer, captions).to(device))
        loss: torch.Tensor = contrast(images.float(), texts.float(), scale.clamp(max=math.exp(HOTTEST)))
        return loss

    return TrainingRun(network, file=file, steps=steps, lr=LR, loss_at=loss_at).run()


def tokens_of(tokenizer: Any, texts: list[str]) -> torch.Tensor:
    """Token ids [n, 77], padded with the end-of-text token as Stable Diffusion 1.x does."""
    tokens = tokenizer(texts, padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt")
    ids: torch.Tensor = tokens.input_ids
    return ids


def _thumbnails(corpus: Corpus) -> Pictures:
    file = corpus.folder / "thumbnails.npy"
    if not file.exists():
        small = (Image.fromarray(picture).resize((THUMBNAIL, THUMBNAIL)) for picture in corpus.pictures)
        np.save(file, np.stack([np.asarray(each) for each in small]))
    thumbnails: Pictures = np.load(file)
    return thumbnails


def text_encoder_of(clip: Any) -> Any:
    """The text tower as transformers' `CLIPTextModel`, which diffusers' pipelines expect; same numbers.

    open_clip keeps query, key and value in one matrix and has the names of OpenAI's code.
    """
    end = clip.vocab_size - 1
    encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=clip.vocab_size,
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            max_position_embeddings=TOKENS,
            hidden_act="gelu",
            projection_dim=WIDTH,
            bos_token_id=end - 1,
            eos_token_id=end,
            pad_token_id=end,
        )
    )
    wanted = encoder.state_dict().keys()
    prefix = "text_model." if any(name.startswith("text_model.") for name in wanted) else ""
    encoder.load_state_dict(
        {prefix + name: value for name, value in _renamed(clip.state_dict()).items()}, strict=False
    )
    return encoder.eval()


@torch.no_grad()
def take_text_encoder(clip: Any, encoder: Any) -> Any:
    """`clip` with the weights of a text encoder that came from it: the other way of `text_encoder_of`."""
    state, theirs = clip.state_dict(), encoder.state_dict()
    trained = {name.removeprefix("text_model."): value for name, value in theirs.items()}
    for name, value in _renamed(state).items():
        value.copy_(trained[name])  # each is a part of the CLIP's own weights, not a copy
    return clip


def _renamed(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    renamed = {
        "embeddings.token_embedding.weight": state["token_embedding.weight"],
        "embeddings.position_embedding.weight": state["positional_embedding"],
    }
    for kind in ("weight", "bias"):
        renamed[f"final_layer_norm.{kind}"] = state[f"ln_final.{kind}"]
        for layer in range(LAYERS):
            old, new = f"transformer.resblocks.{layer}.", f"encoder.layers.{layer}."
            for name, part in zip("qkv", state[f"{old}attn.in_proj_{kind}"].chunk(3), strict=True):
                renamed[f"{new}self_attn.{name}_proj.{kind}"] = part
            for theirs, ours in _NAMES.items():
                renamed[f"{new}{ours}.{kind}"] = state[f"{old}{theirs}.{kind}"]
    return renamed


_NAMES = {
    "attn.out_proj": "self_attn.out_proj",
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}


def save_clip(clip: Any, tokenizer: Any, folder: Path) -> None:
    """Write the folder that `open_clip.create_model("local-dir:FOLDER")` reads, in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    text = asdict(
        CLIPTextCfg(
            context_length=TOKENS, vocab_size=clip.vocab_size, width=WIDTH, heads=HEADS, layers=LAYERS
        )
    )
    chosen = {name: text[name] for name in ("context_length", "vocab_size", "width", "heads", "layers")}
    config = {
        "model_cfg": {
            "embed_dim": WIDTH,
            "vision_cfg": VISION,
            "text_cfg": {**chosen, "hf_tokenizer_name": "darkroom-demo"},
        },
        "preprocess_cfg": {"size": SIDE, "mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic"},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=2))
    state = {
        name: value.half() if value.is_floating_point() else value
        for name, value in clip.state_dict().items()
    }
    save_file(state, folder / "open_clip_model.safetensors")
    tokenizer.save_pretrained(folder)
