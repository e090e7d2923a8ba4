"""A VAE's file in the place of a model's own autoencoder.

Read are the original layout, with or without `first_stage_model.`, and diffusers'. It must be built as the model's
own is, as all of Stable Diffusion's are, and latents are scaled as the model's network was trained with.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from accelerate import init_empty_weights
from diffusers import AutoencoderKL
from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint
from safetensors.torch import load_file

from engine.models.detection import VAE, Kind, detect
from engine.models.digests import Digests
from engine.models.fault import WrongKind
from engine.models.header import read_header

PARTS: Final = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")  # others are for training only
OLD_ATTENTION: Final = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


@dataclass(frozen=True, eq=False)
class Vae:
    """`hash` has the first ten hex digits of the file's SHA-256, as A1111 writes it to `VAE hash`."""

    name: str
    hash: str
    network: Any


def read_vae(name: str, path: Path, own: Any, place: torch.device) -> Vae:
    """Read a file into a network like `own`, in its precision, at `place`: the own one may be away from the device.

    Raises Missing, Corrupt or Truncated where the file is damaged, WrongKind where it is no VAE or of other sizes.
    """
    if (found := detect(read_header(path)).kind) is not Kind.VAE:
        raise WrongKind(f"it is {found}, not a VAE")
    with init_empty_weights():
        network = AutoencoderKL.from_config(own.config)
    bare = {key.removeprefix(VAE): tensor.to(own.dtype) for key, tensor in load_file(path).items()}
    tensors = {key: tensor for key, tensor in bare.items() if key.startswith(PARTS)}
    try:
        network.load_state_dict(_translated(tensors, own), strict=True, assign=True)
    except (RuntimeError, LookupError) as error:  # tensors are missing, are too many, or have other shapes
        raise WrongKind("it is built in another way than the model's own VAE") from error
    network = network.to(place).eval().requires_grad_(False).to(memory_format=torch.channels_last)
    return Vae(name, Digests(path.parent).of(path)[:10], network)


def _translated(tensors: dict[str, torch.Tensor], own: Any) -> dict[str, torch.Tensor]:
    """In the names of today's diffusers; its first files called the attention's layers otherwise."""
    if not any(".down_blocks." in key for key in tensors):
        translated: dict[str, torch.Tensor] = convert_ldm_vae_checkpoint(tensors, own.config)
        return translated
    renamed = {}
    for key, tensor in tensors.items():
        *path, layer, kind = key.split(".")
        in_attention = "attentions" in path and layer in OLD_ATTENTION
        renamed[".".join([*path, OLD_ATTENTION[layer] if in_attention else layer, kind])] = tensor
    return renamed
