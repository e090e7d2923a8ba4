"""Tiny autoencoders (TAESD, TAESDXL): a decoder of a million numbers where the model's own has forty-nine.

Bohan's, github.com/madebyollin/taesd. They take latents as the network has them, without the autoencoder's scale. Read
are diffusers' folders of `AutoencoderTiny`, its single files, and the author's own: decoder alone or with its encoder.
Which family one is for does not show in its tensors, so it goes by its name, as in AUTOMATIC1111 and ComfyUI.
"""

import re
from pathlib import Path
from typing import Any, Final

import diffusers
import torch
from accelerate import init_empty_weights
from safetensors.torch import load_file

from engine.errors import Refusal
from engine.models.checkpoint import SUFFIX
from engine.models.digests import Digests
from engine.models.fault import Missing, NotAModel, WrongKind
from engine.models.header import read_header
from engine.models.loading import StableDiffusion
from engine.models.vae import Vae
from engine.worker.device import Device

NAMES: Final = {False: "taesd", True: "taesdxl"}  # by whether the model is an SDXL
WEIGHTS: Final = "diffusion_pytorch_model.safetensors"
LATENT_CHANNELS: Final = 4
FACTOR: Final = 8  # pixels per cell along a side
OVERLAP: Final = 0.25  # of a tile, where memory is short: as the large autoencoders'
FIRST: Final = "layers.0.weight"
_KEY = re.compile(r"(decoder\.)?(?P<theirs>layers\.)?(?P<layer>\d+)\.(?P<rest>.+)")


class TinyDecoders:
    """Those in one folder, each read when it is first needed: `taesd…` for SD 1.x and 2.x, `taesdxl…` for SDXL."""

    def __init__(self, root: Path, device: Device) -> None:
        self._root = root
        self._device = device
        self._kept: dict[str, Vae] = {}

    def of(self, model: StableDiffusion) -> Vae:
        """The one for a model's family. Raises Refusal decoder_broken."""
        name = NAMES[model.is_sdxl]
        try:
            if model.vae_factor != FACTOR:
                raise WrongKind(f"a cell of {model.name} is no {FACTOR} × {FACTOR} pixels")
            if name not in self._kept:
                self._kept[name] = read_tiny_decoder(name, self._place(name), self._device)
        except NotAModel as fault:
            message = f"The tiny autoencoder {name} cannot decode for {model.name}: {fault}."
            raise Refusal("decoder_broken", message) from fault
        return self._kept[name]

    def _place(self, name: str) -> Path:
        places = (f"{name}_decoder{SUFFIX}", f"{name}{SUFFIX}", f"{name}/{WEIGHTS}")
        for place in places:
            if (self._root / place).is_file():
                return self._root / place
        raise Missing(f"none of {', '.join(places)} is there")


def read_tiny_decoder(name: str, path: Path, device: Device) -> Vae:
    """The decoder in a file, on the device. Raises NotAModel."""
    read_header(path)
    try:
        tensors = _translated(load_file(path))
        width, channels = tensors[FIRST].shape[:2]
        if channels != LATENT_CHANNELS:
            raise WrongKind(
                f"it is made for latents of {channels} channels, as newer families have, not {LATENT_CHANNELS}"
            )
        with init_empty_weights():  # what a file only claims takes no memory
            network = diffusers.AutoencoderTiny(
                encoder_block_out_channels=(8,) * 4, decoder_block_out_channels=(width,) * 4
            )
        network.decoder.load_state_dict(tensors, strict=True, assign=True)
    except (RuntimeError, KeyError, ValueError) as error:
        if isinstance(error, NotAModel):
            raise
        raise WrongKind("it holds no decoder of a tiny autoencoder") from error
    network.tile_overlap_factor = OVERLAP
    network.encoder = torch.nn.Identity()  # pictures are encoded by the model's own
    network = network.to(device.place, device.dtype).eval().requires_grad_(False)
    return Vae(name, Digests(path.parent).of(path)[:10], network)


def _translated(tensors: dict[str, Any]) -> dict[str, Any]:
    """By diffusers' names: the author counts a clamp, which has no numbers, as the first layer."""
    found = {}
    for key, tensor in tensors.items():
        if (match := _KEY.fullmatch(key)) is not None:
            layer = int(match["layer"]) - (0 if match["theirs"] else 1)
            found[f"layers.{layer}.{match['rest']}"] = tensor
    return found
