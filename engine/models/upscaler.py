"""Upscalers of the ESRGAN class (ESRGAN, RealESRGAN, SwinIR, HAT, DAT, OmniSR, SPAN, …), as spandrel reads them.

What a network is, spandrel tells by the names and shapes of its tensors. Only safetensors are read.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from spandrel import ImageModelDescriptor, ModelLoader, ModelTiling, UnsupportedModelError

from engine.errors import Refusal
from engine.models.fault import NotAModel, WrongKind
from engine.models.header import read_header
from engine.worker.device import Device

log = logging.getLogger(__name__)

COLOURS = 3


@dataclass(frozen=True, kw_only=True)
class Upscaler:
    """A network on the device that makes a picture `scale` times as wide and high; 1 for one that only mends it."""

    name: str
    network: ImageModelDescriptor[torch.nn.Module]
    device: Device

    @property
    def scale(self) -> int:
        return int(self.network.scale)

    @property
    def tiles_itself(self) -> bool:
        """Whether the network needs the whole picture at once."""
        return self.network.tiling is ModelTiling.INTERNAL

    @torch.inference_mode()
    def enlarge(self, pixels: torch.Tensor) -> torch.Tensor:
        """[1, 3, h, w] in [0, 1] to [1, 3, scale × h, scale × w] in float32 on the CPU.

        A size that the network does not take is padded inside, and the padding cut off.
        """
        larger: torch.Tensor = self.network(pixels.to(self.device.place, self.network.dtype))
        return larger.float().cpu()


def load_upscaler(name: str, path: Path, device: Device) -> Upscaler:
    """Raises Refusal upscaler_broken where the file is damaged or holds no upscaler."""
    try:
        network = _read(path)
    except NotAModel as fault:
        raise Refusal("upscaler_broken", f"Upscaler '{name}' cannot be used: {fault}.") from None
    network.to(device.place, _dtype(network, device)).eval()
    network.model.requires_grad_(False)
    log.info("upscaler %s loaded: %s, ×%d", name, network.architecture.name, network.scale)
    return Upscaler(name=name, network=network, device=device)


def _read(path: Path) -> ImageModelDescriptor[torch.nn.Module]:
    """Raises NotAModel."""
    read_header(path)
    try:
        network = ModelLoader().load_from_state_dict(load_file(path))
    except UnsupportedModelError:
        raise WrongKind("it is no upscaler of a kind that spandrel knows") from None
    except (OSError, SafetensorError):
        raise NotAModel("it cannot be read") from None
    except Exception:  # whatever wrong shapes provoke in forty architectures
        log.exception("%s could not be loaded", path.name)
        raise WrongKind("its tensors do not fit together") from None
    _check(network)
    return network


def _check(network: ImageModelDescriptor[torch.nn.Module]) -> None:
    """That it makes a coloured picture of a coloured picture. Raises WrongKind."""
    if not isinstance(network, ImageModelDescriptor):
        raise WrongKind("it fills holes in pictures and is no upscaler")
    if network.purpose == "FaceSR":
        raise WrongKind("it restores faces, which Darkroom does not find in a picture yet")
    if (network.input_channels, network.output_channels) != (COLOURS, COLOURS):
        raise WrongKind(
            f"it takes {network.input_channels} channels and gives {network.output_channels}, not {COLOURS}"
        )


def _dtype(network: ImageModelDescriptor[torch.nn.Module], device: Device) -> torch.dtype:
    """The device's format where the network bears it."""
    bears = {torch.float16: network.supports_half, torch.bfloat16: network.supports_bfloat16}
    return device.dtype if bears.get(device.dtype, True) else torch.float32
