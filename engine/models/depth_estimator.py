"""How far away things are in a picture, as MiDaS sees it: DPT, Ranftl et al. 2021 (arXiv 2103.13413)."""

from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image


@dataclass(frozen=True, kw_only=True)
class DepthEstimator:
    """transformers' `DPTForDepthEstimation`, on its device in float32, and its `DPTImageProcessor`."""

    network: Any
    processor: Any

    @torch.inference_mode()
    def estimate(self, picture: Image.Image) -> torch.Tensor:
        """The inverse of the depth of an RGB picture, [1, h, w] in float32 of any scale: larger is nearer."""
        pixels = self.processor(images=[picture], return_tensors="pt").pixel_values
        depth: torch.Tensor = self.network(pixels.to(self.network.device)).predicted_depth
        return depth
