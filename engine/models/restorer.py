"""Networks that draw a worn or blurred face anew (GFPGAN, RestoreFormer), as spandrel reads them.

CodeFormer is not among them: its licence forbids commercial use, so spandrel keeps it apart, and we do not read it.
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from engine.errors import Refusal
from engine.models.fault import NotAModel, WrongKind
from engine.models.network_file import Network, best_format, read_network
from engine.models.upscaler import FACES
from engine.worker.device import Device
from engine.worker.pixels import NotANumber

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Restorer:
    """A network on the device that makes a better face of a face."""

    name: str
    network: Network
    device: Device

    def restore(self, face: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """An upright face, [512, 512, 3], drawn anew. Raises NotANumber."""
        self.network.to(
            self.device.place, best_format(self.network, self.device)
        )  # it may have been elsewhere
        unit = torch.from_numpy(face.astype(np.float32) / 255).permute(2, 0, 1)[None]
        with torch.inference_mode():
            drawn = self.network(unit.to(self.device.place, self.network.dtype))[0].float().cpu()
        if not bool(torch.isfinite(drawn).all()):
            raise NotANumber
        rounded: npt.NDArray[np.uint8] = (
            (drawn.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        )
        return rounded

    def on_cpu(self) -> "Restorer":
        """The same network, for the CPU in full precision."""
        return replace(self, device=replace(self.device, place=torch.device("cpu"), dtype=torch.float32))


def load_restorer(name: str, path: Path, device: Device) -> Restorer:
    """Raises Refusal restorer_broken where the file is damaged or restores no faces."""
    try:
        network = read_network(path, "face restorer")
        if network.purpose != FACES:
            raise WrongKind(f"it is {network.architecture.name}, which restores no faces")
    except NotAModel as fault:
        raise Refusal("restorer_broken", f"Face restorer '{name}' cannot be used: {fault}.") from None
    network.eval().model.requires_grad_(False)
    log.info("face restorer %s loaded: %s", name, network.architecture.name)
    return Restorer(name=name, network=network, device=device)
