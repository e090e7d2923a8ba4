"""From a picture's pixels to its file in the job's folder. Blocking: call from a thread."""

import numpy as np
import numpy.typing as npt

from engine.images.encoding import write
from engine.images.finishing import Finisher
from engine.tasks.process import GivenImage
from engine.wire import MEDIA_TYPES, ImageInfo
from engine.worker.drawing import Drawing
from engine.worker.flight import ImageInFlight


def write_image(
    finisher: Finisher,
    drawing: Drawing,
    image: ImageInFlight | GivenImage,
    pixels: npt.NDArray[np.uint8],
) -> ImageInfo:
    """Finish and write one picture of RGB pixels [H, W, 3]. Raises OSError."""
    request = drawing.request
    canvas = None if request.post else image.canvas  # which what is done afterwards has no use for any more
    if canvas is not None:
        pixels = canvas.finished(pixels)
    content, text = finisher.finish(
        pixels,
        request,
        seed=image.seed,
        variation_seed=request.image_variation_seed(image.index),
        model_hash=drawing.model_hash,
        words=image.words,
        kept=None if canvas is None else canvas.kept,
    )
    sha256, size = write(drawing.folder / f"{image.index}.{request.format}", content)
    return ImageInfo(
        index=image.index,
        seed=image.seed,
        width=pixels.shape[1],
        height=pixels.shape[0],
        media_type=MEDIA_TYPES[request.format],
        bytes=size,
        sha256=sha256,
        infotext=text,
    )
