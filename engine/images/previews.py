"""Small pictures of unfinished latents: a linear map to RGB, then a JPEG. Costs about a millisecond."""

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from engine.images.veil import veiled

PREVIEW_SIDE = 256
JPEG_QUALITY = 80

# Latent to RGB for Stable Diffusion 1.x and 2.x: the widely used least-squares fit of the autoencoder
# (as in ComfyUI's latent_formats). Rows are latent channels; the last one is what is added everywhere.
STABLE_DIFFUSION = (
    (0.3512, 0.2297, 0.3227),
    (0.3250, 0.4974, 0.2350),
    (-0.2829, 0.1762, 0.2721),
    (-0.2120, -0.2616, -0.7177),
    (0.0, 0.0, 0.0),
)

SDXL = (  # the same for its autoencoder, and from the same place
    (0.3920, 0.4054, 0.4549),
    (-0.2634, -0.0196, 0.0653),
    (0.0568, 0.1687, -0.0755),
    (-0.3112, -0.2359, -0.2076),
    (0.0, 0.0, 0.0),
)


def preview_jpeg(
    latents: npt.NDArray[np.float32],
    latent_to_rgb: Sequence[Sequence[float]] = STABLE_DIFFUSION,
    *,
    hidden: bool = False,
) -> bytes:
    """A JPEG, longest side 256 pixels, of latents [4, h, w] in the network's scale. The matrix is [5, 3].

    A `hidden` one only shows that something is being drawn.
    """
    matrix = np.array(latent_to_rgb, np.float32)
    rgb = np.einsum("chw,cr->hwr", latents, matrix[:-1]) + matrix[-1]
    pixels = np.nan_to_num((rgb / 2 + 0.5).clip(0, 1) * 255).astype(np.uint8)
    return jpeg(pixels, hidden=hidden)


def jpeg(pixels: npt.NDArray[np.uint8], *, hidden: bool = False) -> bytes:
    """A JPEG, longest side 256 pixels, of RGB pixels [H, W, 3]. A `hidden` one only shows that something is drawn."""
    image = veiled(Image.fromarray(pixels)) if hidden else Image.fromarray(pixels)
    scale = PREVIEW_SIDE / max(image.size)
    size = (round(image.width * scale), round(image.height * scale))
    stream = io.BytesIO()
    image.resize(size, Image.Resampling.BICUBIC).save(stream, "JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()
