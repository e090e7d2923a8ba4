"""From a picture's pixels to its file in the job's folder. Blocking: call from a thread."""

import numpy as np
import numpy.typing as npt

from engine.images.canvas import Canvas
from engine.images.encoding import write
from engine.images.finishing import Finisher
from engine.images.original import Original
from engine.wire import MEDIA_TYPES, ImageInfo
from engine.worker.drawing import Drawing
from engine.worker.picture import Developed
from engine.worker.selection import Candidate


def write_image(
    finisher: Finisher,
    drawing: Drawing,
    image: Developed,
    pixels: npt.NDArray[np.uint8],
) -> list[ImageInfo]:
    """Have one picture of RGB pixels [H, W, 3] judged, then finish and write it: or none yet, or several.

    Raises OSError, and Refusal where the picture must not be shown.
    """
    canvas = _canvas(drawing, image)
    if canvas is not None:
        pixels = canvas.finished(pixels)
    with drawing.judging:
        chosen = drawing.selection.add(drawing.jury.candidate(image, pixels))
    return [_write(finisher, drawing, each) for each in chosen]


def _canvas(drawing: Drawing, image: Developed) -> Canvas | Original | None:
    """What is done after drawing is done to the whole picture, which then has no canvas any more."""
    return None if drawing.request.post else image.canvas


def _write(finisher: Finisher, drawing: Drawing, chosen: Candidate) -> ImageInfo:
    request, image = drawing.request, chosen.image
    canvas = _canvas(drawing, image)
    content, text = finisher.finish(
        chosen.pixels,
        request,
        seed=image.seed,
        variation_seed=request.image_variation_seed(image.index),
        model_hash=drawing.model_hash,
        hashes=drawing.hashes[image.index],
        words=image.words,
        kept=None if canvas is None else canvas.kept,
        score=chosen.score,
    )
    sha256, size = write(drawing.folder / f"{chosen.place}.{request.format}", content)
    return ImageInfo(
        index=chosen.place,
        seed=image.seed,
        width=chosen.pixels.shape[1],
        height=chosen.pixels.shape[0],
        media_type=MEDIA_TYPES[request.format],
        bytes=size,
        sha256=sha256,
        infotext=text,
        score=chosen.score,
        safety=chosen.safety,
    )
