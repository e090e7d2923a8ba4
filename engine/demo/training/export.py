"""From trained networks to the folder that ships: a diffusers `StableDiffusionPipeline`, with its CLIP beside it."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler

from engine.demo.training.autoencoder import to_pixels
from engine.demo.training.captions import with_article
from engine.demo.training.clip import save_clip, text_encoder_of
from engine.demo.training.corpus import Corpus
from engine.demo.training.diffusion import NOISE, Latents
from engine.demo.training.scenes import CANVAS
from engine.demo.vocabulary import (
    ADVICE,
    COLOURS,
    LANDSCAPES,
    PLACES,
    STYLES,
    Kind,
    harmless_words,
    known_words,
)

SAMPLE = 512  # canvases that the previews' matrix is fitted to
FORMAT = torch.float16  # of the weights that ship
DEFAULTS = {  # strong where it is decided what stands where, mild after that: it roughens what is there
    "steps": 20,
    "guidance_scale": 8.0,
    "guidance_end": 0.3,
    "guidance_after": 2.5,
}

_INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "feature_extractor": [None, None],
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "requires_safety_checker": False,
}


def export(
    folder: Path,
    *,
    tokenizer: Any,
    clip: Any,
    autoencoder: Any,
    unet: Any,
    factor: float,
    latents: Latents,
    corpus: Corpus,
) -> None:
    """Write the model to `folder`; what people wrote there stays as it is. `factor` scales the latents."""
    for part in ("tokenizer", "text_encoder", "unet", "vae", "scheduler", "clip"):
        shutil.rmtree(folder / part, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    autoencoder.register_to_config(scaling_factor=factor)
    tokenizer.save_pretrained(folder / "tokenizer")
    for name, network in (("text_encoder", text_encoder_of(clip)), ("vae", autoencoder), ("unet", unet)):
        network.to(FORMAT).save_pretrained(folder / name)
        _forget_origin(folder / name / "config.json")
    DDIMScheduler(**NOISE).save_pretrained(folder / "scheduler")
    save_clip(clip, tokenizer, folder / "clip")
    (folder / "model_index.json").write_text(json.dumps(_INDEX, indent=2) + "\n")
    save_phrases(corpus.kinds, folder / "phrases")
    card = _card(corpus.kinds, latent_to_rgb(latents * factor, corpus))
    (folder / "darkroom.json").write_text(json.dumps(card, indent=2) + "\n")


def _forget_origin(config: Path) -> None:
    """diffusers notes from which folder a network was read, of whoever trained it further."""
    about = json.loads(config.read_text())
    about.pop("_name_or_path", None)
    config.write_text(json.dumps(about, indent=2) + "\n")


def save_phrases(kinds: Sequence[Kind], folder: Path) -> None:
    """The words by which the model's own CLIP describes a picture, a list for each sort: one of each is taken.

    A scene has a place or a colour behind it, so both are of one sort.
    """
    lists = {
        "subjects": [with_article(kind.name) for kind in kinds] + [names[0] for names in LANDSCAPES.values()],
        "places": [names[0] for names in PLACES.values()] + [f"{colour} background" for colour in COLOURS],
        "styles": [names[0] for names in STYLES.values()],
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, phrases in lists.items():
        (folder / f"{name}.txt").write_text("\n".join(phrases) + "\n")


def scaling_factor(latents: Latents) -> float:
    """By which the latents get unit variance, as `AutoencoderKL.config.scaling_factor`."""
    return round(1 / float(latents[:SAMPLE].astype(np.float32).std()), 5)


def latent_to_rgb(latents: np.ndarray[Any, Any], corpus: Corpus) -> list[list[float]]:
    """Least squares from scaled latents to colours in [-1, 1]: four rows of three, and a last row that is added."""
    cells = latents[:SAMPLE].astype(np.float64).transpose(0, 2, 3, 1).reshape(-1, latents.shape[1])
    side = latents.shape[-1]
    pixels = to_pixels(corpus.pictures[:SAMPLE])
    small = torch.nn.functional.avg_pool2d(pixels, CANVAS // side).permute(0, 2, 3, 1).reshape(-1, 3)
    known = np.concatenate([cells, np.ones((len(cells), 1))], axis=1)
    matrix, *_ = np.linalg.lstsq(known, small.double().numpy(), rcond=None)
    return [[round(float(value), 4) for value in row] for row in matrix]


def _card(kinds: Sequence[Kind], matrix: list[list[float]]) -> dict[str, Any]:
    return {
        "title": "Darkroom demo (small)",
        "defaults": DEFAULTS,
        "vocabulary": {"words": sorted(known_words(kinds) | harmless_words()), "advice": ADVICE},
        "latent_to_rgb": matrix,
    }
