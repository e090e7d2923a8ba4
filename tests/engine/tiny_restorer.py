"""A tiny untrained face restorer in RestoreFormer's layout."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from spandrel.architectures.RestoreFormer import RestoreFormer

_SEED = 1860  # about when portraits began to be retouched


def make_tiny_restorer(path: Path) -> None:
    """Write one of the least channels that its norms allow; like the real ones it takes 512 × 512 pixels."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        network = RestoreFormer(
            n_embed=4, embed_dim=4, z_channels=32, ch=32, ch_mult=(1,) * 6, num_res_blocks=1
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)
