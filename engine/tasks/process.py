"""A picture that is there already, and is only processed: A1111's "Extras"."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from engine.images.canvas import Canvas
from engine.prompts.wildcards import Words
from engine.wire import GenerationRequest


@dataclass(frozen=True, kw_only=True)
class GivenImage:
    """Where drawing has an image in flight, processing has this."""

    job_id: str
    index: int
    seed: int
    words: Words
    pixels: npt.NDArray[np.uint8]  # RGB, [H, W, 3]
    canvas: Canvas | None = None


def given_image(job_id: str, request: GenerationRequest, path: Path) -> GivenImage:
    """The picture of a process request. Raises OSError for a lost file."""
    with Image.open(path) as file:
        pixels = np.asarray(file.convert("RGB"))
    words = Words(request.prompt, request.negative_prompt)
    return GivenImage(job_id=job_id, index=0, seed=request.seed, words=words, pixels=pixels)
