"""Tiny untrained tiny autoencoders, in each layout in which TAESD is passed around."""

from pathlib import Path

import torch
from diffusers import AutoencoderTiny
from safetensors.torch import save_file

_SEED = 1925  # the first camera that fits into a pocket and is good


def tiny_autoencoder(latent_channels: int = 4) -> AutoencoderTiny:
    """diffusers' own, with eight channels instead of 64."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        network = AutoencoderTiny(
            encoder_block_out_channels=(8,) * 4,
            decoder_block_out_channels=(8,) * 4,
            latent_channels=latent_channels,
        )
    return network.eval().requires_grad_(False)


def write_folder(path: Path) -> None:
    """As `AutoencoderTiny.save_pretrained` writes it."""
    tiny_autoencoder().save_pretrained(path)


def write_decoder(path: Path, *, latent_channels: int = 4) -> None:
    """As taesd_decoder.safetensors of the author's repository: its layers are counted with the clamp."""
    save_file(_originals("decoder", "", 1, latent_channels), path)


def write_pair(path: Path) -> None:
    """Encoder and decoder in one file."""
    both = _originals("encoder", "encoder.", 0, 4) | _originals("decoder", "decoder.", 1, 4)
    save_file(both, path)


def _originals(part: str, prefix: str, more: int, latent_channels: int) -> dict[str, torch.Tensor]:
    tensors = getattr(tiny_autoencoder(latent_channels), part).layers.state_dict()
    split = {name: name.split(".", 1) for name in tensors}
    return {f"{prefix}{int(layer) + more}.{rest}": tensors[name] for name, (layer, rest) in split.items()}
