"""A model that was exported before, to go on from: checkpoints are large and stay where they were made."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTokenizer


@dataclass(frozen=True)
class Exported:
    """The parts of a folder that `export` wrote, in float32 on the CPU."""

    tokenizer: Any
    clip: Any
    autoencoder: Any
    unet: Any


def read_exported(folder: Path) -> Exported:
    """Raises OSError where a part is missing."""
    clip = open_clip.create_model(f"local-dir:{folder / 'clip'}")
    return Exported(
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True),
        clip=clip.float().eval(),
        autoencoder=AutoencoderKL.from_pretrained(folder / "vae", local_files_only=True).float().eval(),
        unet=UNet2DConditionModel.from_pretrained(folder / "unet", local_files_only=True).float(),
    )
