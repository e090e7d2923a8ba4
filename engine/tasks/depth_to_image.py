"""Depth-to-image: an image in flight whose network is shown how far away everything is to be."""

import numpy as np
import torch
from PIL import Image, ImageOps

from engine.models.loading import StableDiffusion
from engine.prompts.conditioning import Conditioning
from engine.tasks.image_to_image import start_image_to_image
from engine.tasks.text_to_image import start_text_to_image
from engine.wire import GenerationRequest
from engine.worker.flight import ImageInFlight
from engine.worker.pixels import NotANumber


def start_depth_to_image(
    model: StableDiffusion,
    job_id: str,
    request: GenerationRequest,
    index: int,
    conditioning: Conditioning,
    picture: Image.Image | None,
    cells: torch.Tensor,
) -> ImageInFlight:
    """Image `index` of the request, as diffusers' `StableDiffusionDepth2ImgPipeline` would start it alone.

    Without a picture it starts from noise, as text-to-image. `cells` are those of `depth_cells`.
    """
    each = (model, job_id, request, index, conditioning)
    image = start_text_to_image(*each) if picture is None else start_image_to_image(*each, picture)
    image.shown = cells
    return image


@torch.inference_mode()
def depth_cells(
    model: StableDiffusion, request: GenerationRequest, picture: Image.Image | None, depth: Image.Image | None
) -> torch.Tensor:
    """What the network is shown, [1, 1, h, w] of the latents' size in [-1, 1]: 1 is near.

    The depth image, grey with white near, where one is given, else what the model's estimator sees in the picture.
    Either fills the request's size, as the picture does. Raises NotANumber.
    """
    size = (request.width, request.height)
    if depth is not None:
        near = torch.from_numpy(np.asarray(ImageOps.fit(depth, size), np.float32))[None]
    else:
        assert picture is not None  # the front refuses what has neither
        assert model.depth_estimator is not None
        near = model.depth_estimator.estimate(ImageOps.fit(picture, size))
    cells = (request.height // model.vae_factor, request.width // model.vae_factor)
    near = torch.nn.functional.interpolate(near[:, None].to(model.device.place), size=cells, mode="bicubic")
    return normalised(near)


def normalised(near: torch.Tensor) -> torch.Tensor:
    """[1, 1, h, w] of any scale, stretched to [-1, 1]; 0 everywhere where nothing is nearer than the rest.

    Stability's formula, which divides by zero there. Raises NotANumber.
    """
    lowest, highest = near.min(), near.max()
    span = highest - lowest
    if not bool(torch.isfinite(span)):
        raise NotANumber
    return 2 * (near - lowest) / span - 1 if bool(span > 0) else torch.zeros_like(near)
