"""The edges of a picture: Canny 1986, with the choices of the preprocessor that ControlNets were trained on.

That is OpenCV's `Canny` with its defaults (its documentation, "Canny Edge Detector"): no blur, Sobel's 3 × 3 gradient
of the channel where it is steepest, |dx| + |dy| as its length, and thresholds of 100 and 200.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image

WEAK, STRONG = 100, 200
SLOPE = 0.41421356  # tan 22.5°: flatter is horizontal, steeper than its inverse is vertical

Integers = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]


def canny(picture: Image.Image, *, weak: int = WEAK, strong: int = STRONG) -> npt.NDArray[np.uint8]:
    """[H, W], 255 on edges and 0 elsewhere: thin lines, of gradients over `weak` that meet one over `strong`."""
    dx, dy = _gradient(np.asarray(picture.convert("RGB"), np.int32))
    length = np.abs(dx) + np.abs(dy)
    ridges = _ridges(dx, dy, length) & (length > weak)
    return np.where(_reached(ridges, ridges & (length > strong)), 255, 0).astype(np.uint8)


def _gradient(pixels: Integers) -> tuple[Integers, Integers]:
    """Sobel's derivatives of [H, W, 3], each pixel's of its steepest channel. The border is repeated."""
    padded = np.pad(pixels, ((1, 1), (1, 1), (0, 0)), mode="edge")
    across = padded[:, 2:] - padded[:, :-2]
    down = padded[2:] - padded[:-2]
    dx = across[:-2] + 2 * across[1:-1] + across[2:]
    dy = down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]
    steepest = (np.abs(dx) + np.abs(dy)).argmax(axis=2)[..., None]
    return np.take_along_axis(dx, steepest, 2)[..., 0], np.take_along_axis(dy, steepest, 2)[..., 0]


def _ridges(dx: Integers, dy: Integers, length: Integers) -> Mask:
    """Where the gradient is longer than on both sides along its direction; of two equal ones the first."""
    padded = np.pad(length, 1)

    def beside(y: int, x: int) -> Integers:
        return padded[1 + y : padded.shape[0] - 1 + y, 1 + x : padded.shape[1] - 1 + x]

    horizontal = np.abs(dy) < SLOPE * np.abs(dx)
    vertical = np.abs(dx) < SLOPE * np.abs(dy)
    falling = (dx < 0) == (dy < 0)
    return np.select(
        [horizontal, vertical, falling],
        [
            (length > beside(0, -1)) & (length >= beside(0, 1)),
            (length > beside(-1, 0)) & (length >= beside(1, 0)),
            (length > beside(-1, -1)) & (length > beside(1, 1)),
        ],
        (length > beside(-1, 1)) & (length > beside(1, -1)),
    )


def _reached(ridges: Mask, seeds: Mask) -> Mask:
    """The ridges that are connected with a seed, corners included. In linear time: each is walked over once."""
    border = np.pad(ridges, 1)
    width = border.shape[1]
    left = bytearray(np.pad(ridges & ~seeds, 1).tobytes())
    reached = np.flatnonzero(np.pad(seeds, 1)).tolist()
    around = [y * width + x for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]
    while reached:
        place = reached.pop()
        for step in around:
            if left[place + step]:
                left[place + step] = 0
                reached.append(place + step)
    unreached = np.frombuffer(left, np.bool_).reshape(border.shape)
    found: Mask = (border & ~unreached)[1:-1, 1:-1]
    return found
