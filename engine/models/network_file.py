"""A network for pictures in one file, of the kinds that spandrel tells apart by the names and shapes of its tensors.

Only safetensors are read.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from engine.models.damage import note_damage
from engine.models.fault import NotAModel, WrongKind
from engine.models.header import Header, read_header
from engine.worker.device import Device

if TYPE_CHECKING:  # forty architectures, which most workers never need
    from spandrel import ImageModelDescriptor

log = logging.getLogger(__name__)

COLOURS = 3
DIGITS = 3  # of a number in a tensor's name: no network has a thousand blocks

Network: TypeAlias = "ImageModelDescriptor[torch.nn.Module]"


def read_network(path: Path, wanted: str) -> Network:
    """A network that makes a coloured picture of a coloured picture. Raises NotAModel; `wanted` is for its words."""
    from spandrel import ImageModelDescriptor, ModelLoader, UnsupportedModelError

    _check_parts(read_header(path))
    try:
        network: Network = ModelLoader().load_from_state_dict(load_file(path))
    except UnsupportedModelError:
        raise WrongKind(f"it is no {wanted} of a kind that spandrel knows") from None
    except (OSError, SafetensorError):
        raise NotAModel("it cannot be read") from None
    except Exception as error:  # whatever wrong shapes provoke in forty architectures
        note_damage(path.name, error)
        raise WrongKind("its tensors do not fit together") from None
    if not isinstance(network, ImageModelDescriptor):
        raise WrongKind(f"it fills holes in pictures and is no {wanted}")
    if (network.input_channels, network.output_channels) != (COLOURS, COLOURS):
        raise WrongKind(
            f"it takes {network.input_channels} channels and gives {network.output_channels}, not {COLOURS}"
        )
    return network


def _check_parts(header: Header) -> None:
    """spandrel builds as many blocks as the highest number in a name says, were there a single tensor of it."""
    numbers = (part for name in header.shapes for part in name.split(".") if part.isdecimal())
    if any(len(number) > DIGITS for number in numbers):
        raise WrongKind(f"it claims to have {10**DIGITS:,} parts, or more")


def best_format(network: Network, device: Device) -> torch.dtype:
    """The device's format where the network bears it."""
    bears = {torch.float16: network.supports_half, torch.bfloat16: network.supports_bfloat16}
    return device.dtype if bears.get(device.dtype, True) else torch.float32
