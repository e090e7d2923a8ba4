"""What keeps the known part of a picture known while a network that sees no mask draws the rest."""

from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True, kw_only=True)
class Held:
    """`mask` [1, 1, h, w], 1 where the picture is drawn anew; `clean` latents of the picture and the `noise` that
    the image started from, both [1, 4, h, w] in float32.
    """

    mask: torch.Tensor
    clean: torch.Tensor
    noise: torch.Tensor

    def noisy(self, scheduler: Any, timestep: torch.Tensor) -> torch.Tensor:
        """The picture's latents as noisy as they are at `timestep`, [1]."""
        latents: torch.Tensor = scheduler.add_noise(self.clean, self.noise, timestep)
        return latents

    def put_back(self, latents: torch.Tensor, scheduler: Any, timestep: torch.Tensor | None) -> torch.Tensor:
        """`latents` with the known part as it is at `timestep`, [1]; clean for None, after the last step."""
        known = self.clean if timestep is None else self.noisy(scheduler, timestep)
        return (1 - self.mask) * known + self.mask * latents
