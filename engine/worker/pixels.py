"""From finished latents to pixels."""

import numpy as np
import numpy.typing as npt
import torch

from engine.models.loading import StableDiffusion


class NotANumber(Exception):
    """A picture came out as NaN or infinity: never shown as a black image."""


@torch.inference_mode()
def decode_latents(model: StableDiffusion, latents: torch.Tensor) -> npt.NDArray[np.uint8]:
    """Pixels [H, W, 3] of latents [1, 4, h, w], rounded as diffusers' `VaeImageProcessor`. Raises NotANumber."""
    scaled = (latents / model.vae.config.scaling_factor).to(model.device.dtype)
    pixels = model.vae.decode(scaled, return_dict=False)[0][0].float()
    if not bool(torch.isfinite(pixels).all()):
        raise NotANumber
    unit = (pixels / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).cpu().numpy()
    rounded: npt.NDArray[np.uint8] = (unit * 255).round().astype(np.uint8)
    return rounded
