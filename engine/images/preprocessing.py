"""What is made of a picture before it steers a drawing, where that needs no network. Blocking: call from a thread."""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from engine.images.edges import canny
from engine.wire import Preprocess

STROKE = 127  # of 255: what is darker, in its darkest channel, is a stroke; ControlNet's own limit


def preprocess(picture: Image.Image, how: Preprocess) -> Image.Image:
    """An RGB picture, as one of the same size."""
    match how:
        case Preprocess.CANNY:
            return Image.fromarray(canny(picture)).convert("RGB")
        case Preprocess.SCRIBBLE:
            darkest = Image.fromarray(_darkest(picture))
            return darkest.point(lambda value: 255 if value < STROKE else 0).convert("RGB")
        case Preprocess.INVERT:
            return ImageOps.invert(picture)
        case Preprocess.NONE:
            return picture


def _darkest(picture: Image.Image) -> npt.NDArray[np.uint8]:
    darkest: npt.NDArray[np.uint8] = np.asarray(picture).min(axis=2)
    return darkest
