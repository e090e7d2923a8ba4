"""diffusers' tiled decode, cut where others may go on: the tiles of latents, and the picture of them decoded.

`AutoencoderKL.tiled_decode` does all of it in one go. What comes out is the same.
"""

from dataclasses import dataclass
from typing import Any

import torch

from engine.worker.placement import Size, tile_side

Rows = list[list[torch.Tensor]]


@dataclass(frozen=True)
class VaeTiles:
    """Of pictures of `size` pixels, as `vae` decodes them, each cell `factor` pixels wide."""

    vae: Any
    size: Size
    factor: int

    @staticmethod
    def known(vae: Any) -> bool:
        """Whether this autoencoder works in such tiles; a tiny one has others, and is quick."""
        return hasattr(vae, "tiled_decode")

    def cut(self, latents: torch.Tensor) -> Rows:
        """Overlapping tiles of latents [1, 4, h, w], row by row."""
        side = tile_side(self.size, self.factor)
        step = int(side * (1 - self.vae.tile_overlap_factor))
        return [
            [latents[..., top : top + side, left : left + side] for left in range(0, latents.shape[3], step)]
            for top in range(0, latents.shape[2], step)
        ]

    @torch.inference_mode()
    def joined(self, rows: Rows) -> torch.Tensor:
        """Pixels [1, 3, H, W] of the decoded tiles, which are blended in place: each into the next."""
        side = self.factor * tile_side(self.size, self.factor)
        blend = int(side * self.vae.tile_overlap_factor)
        for above, row in zip([None, *rows], rows, strict=False):
            for number, tile in enumerate(row):
                if above is not None:
                    self.vae.blend_v(above[number], tile, blend)
                if number:
                    self.vae.blend_h(row[number - 1], tile, blend)
        kept = [torch.cat([tile[..., : side - blend, : side - blend] for tile in row], dim=3) for row in rows]
        return torch.cat(kept, dim=2)
