"""From trained networks to the folders that ship: diffusers' pipelines. The model that draws has its CLIP beside it."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from engine.demo.training.autoencoder import to_pixels
from engine.demo.training.captions import with_article
from engine.demo.training.clip import save_clip, text_encoder_of
from engine.demo.training.corpus import Corpus, Pictures
from engine.demo.training.diffusion import NOISE, Latents
from engine.demo.training.upscaling import LOW_RES_NOISE, Targets, UpscalingDenoiser
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
from engine.wire import MAX_NOISE_LEVEL

SAMPLE = 512  # canvases that the previews' matrix is fitted to
FORMAT = torch.float16  # of the weights that ship
DEFAULTS = {  # strong where it is decided what stands where, mild after that: it roughens what is there
    "steps": 20,
    "guidance_scale": 8.0,
    "guidance_end": 0.3,
    "guidance_after": 2.5,
}
UPSCALER_DEFAULTS = {"steps": 2, "guidance_scale": 1.0}  # more steps roughen what is there

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
_UPSCALER_INDEX = {
    "_class_name": "StableDiffusionUpscalePipeline",
    "low_res_scheduler": ["diffusers", "DDPMScheduler"],
    "max_noise_level": MAX_NOISE_LEVEL,
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
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
    autoencoder.register_to_config(scaling_factor=factor)
    networks = {"text_encoder": text_encoder_of(clip), "vae": autoencoder, "unet": unet}
    _save_parts(folder, networks | {"tokenizer": tokenizer, "scheduler": DDIMScheduler(**NOISE)})
    shutil.rmtree(folder / "clip", ignore_errors=True)
    save_clip(clip, tokenizer, folder / "clip")
    save_phrases(corpus.kinds, folder / "phrases")
    card = _card(corpus.kinds, latent_to_rgb(latents * factor, corpus.pictures))
    _write(folder, {"model_index.json": _INDEX, "darkroom.json": card})


def export_upscaler(
    folder: Path,
    *,
    tokenizer: Path,
    autoencoder: Any,
    denoiser: UpscalingDenoiser,
    factor: float,
    targets: Targets,
) -> None:
    """Write the upscaler to `folder`, a diffusers `StableDiffusionUpscalePipeline`.

    `tokenizer` is a folder, taken over to the byte; `targets` are for the matrix of its previews.
    """
    autoencoder.register_to_config(scaling_factor=factor)
    parts = {
        "text_encoder": denoiser.text_encoder,
        "vae": autoencoder,
        "unet": denoiser.unet,
        "scheduler": DDIMScheduler(**NOISE),
        "low_res_scheduler": DDPMScheduler(**LOW_RES_NOISE),
    }
    _save_parts(folder, parts)
    shutil.copytree(tokenizer, folder / "tokenizer", dirs_exist_ok=True)
    card = {
        "title": "Darkroom demo, ×4",
        "defaults": UPSCALER_DEFAULTS,
        "keeps_colours": True,
        "latent_to_rgb": latent_to_rgb(targets.latents[:SAMPLE] * factor, targets.pictures),
    }
    _write(folder, {"model_index.json": _UPSCALER_INDEX, "darkroom.json": card})


def _save_parts(folder: Path, parts: dict[str, Any]) -> None:
    """Each in a folder of its own, anew; networks in the format that ships."""
    for name, part in parts.items():
        shutil.rmtree(folder / name, ignore_errors=True)
        if isinstance(part, torch.nn.Module):
            part.to(FORMAT)
        part.save_pretrained(folder / name)
        if isinstance(part, torch.nn.Module):
            _forget_origin(folder / name / "config.json")


def _write(folder: Path, files: dict[str, dict[str, Any]]) -> None:
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")


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


def latent_to_rgb(latents: np.ndarray[Any, Any], pictures: Pictures) -> list[list[float]]:
    """Least squares from scaled latents to colours in [-1, 1]: four rows of three, and a last row that is added."""
    cells = latents[:SAMPLE].astype(np.float64).transpose(0, 2, 3, 1).reshape(-1, latents.shape[1])
    side = latents.shape[-1]
    pixels = to_pixels(pictures[: len(latents[:SAMPLE])])
    small = (
        torch.nn.functional.avg_pool2d(pixels, pixels.shape[-1] // side).permute(0, 2, 3, 1).reshape(-1, 3)
    )
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
