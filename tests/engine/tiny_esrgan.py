"""A tiny untrained upscaler in the layout of RealESRGAN's animevideo models, and one of ESRGAN itself."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from spandrel.architectures.Compact import Compact
from spandrel.architectures.ESRGAN import ESRGAN

_SEED = 1850  # about when paper began to be made larger than the plate


def make_tiny_upscaler(path: Path, *, scale: int = 2, colours: int = 3) -> None:
    """Write a small Compact network, 12 layers of reach: what it draws depends on 6 pixels around."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        network = Compact(
            num_in_ch=colours, num_out_ch=colours, num_feat=8, num_conv=4, upscale=scale, act_type="prelu"
        )
    _write(network, path)


def make_tiny_esrgan(path: Path) -> None:
    """Write an ESRGAN with one block of the real kind, factor 4."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        network = ESRGAN(num_filters=8, num_blocks=1, scale=4)
    _write(network, path)


def _write(network: torch.nn.Module, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)
