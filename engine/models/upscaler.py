"""Upscalers of the ESRGAN class (ESRGAN, RealESRGAN, SwinIR, HAT, DAT, OmniSR, SPAN, …), as spandrel reads them.

What a network is, spandrel tells by the names and shapes of its tensors. Only safetensors are read.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import torch

from engine.errors import Refusal
from engine.models.fault import NotAModel, WrongKind
from engine.models.network_file import Network, best_format, read_network
from engine.worker.device import Device

log = logging.getLogger(__name__)

FACES = "FaceSR"  # as spandrel calls what restores them


@dataclass(frozen=True, kw_only=True)
class Upscaler:
    """A network on the device that makes a picture `scale` times as wide and high; 1 for one that only mends it."""

    name: str
    network: Network
    device: Device

    @property
    def scale(self) -> int:
        return int(self.network.scale)

    @property
    def tiles_itself(self) -> bool:
        """Whether the network needs the whole picture at once."""
        from spandrel import ModelTiling

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
        network = read_network(path, "upscaler")
        if network.purpose == FACES:
            raise WrongKind("it restores faces: put it into the folder of those")
    except NotAModel as fault:
        raise Refusal("upscaler_broken", f"Upscaler '{name}' cannot be used: {fault}.") from None
    network.to(device.place, best_format(network, device)).eval()
    network.model.requires_grad_(False)
    log.info("upscaler %s loaded: %s, ×%d", name, network.architecture.name, network.scale)
    return Upscaler(name=name, network=network, device=device)
