"""A picture that is drawn anew, larger: what was drawn gets its colours back. Blocking: call from a thread."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from engine.wire import UPSCALE_FACTOR

MARGIN = 8  # pixels around the small picture: a convolution draws a frame where it takes a picture to end
AREA = 4  # pixels of the small picture, along a side, whose mean colour is kept
MOST_CONTRAST = 2.0  # by which that of what was drawn is multiplied at most

Channel = npt.NDArray[np.float32]  # [H, W]
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Original:
    """`picture` is RGB. What comes out has UPSCALE_FACTOR times its sides; what is drawn, those of `seen`."""

    picture: Image.Image
    kept: None = None  # no pixel comes out as it was

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of what comes out."""
        return self.picture.width * UPSCALE_FACTOR, self.picture.height * UPSCALE_FACTOR

    @property
    def seen(self) -> Image.Image:
        """The picture with MARGIN pixels more on each side, each of the colour of the edge there."""
        beyond = (MARGIN, MARGIN)
        return Image.fromarray(np.pad(np.asarray(self.picture), (beyond, beyond, (0, 0)), mode="edge"))

    def finished(self, drawn: Pixels) -> Pixels:
        """What was drawn of `seen`, without the margin and with the contrast and the colours of the small picture.

        Of [4·(h + 16), 4·(w + 16), 3] pixels, for a picture of w × h, come [4·h, 4·w, 3].

        As the colour correction of StableSR (Wang et al. 2023, arXiv 2305.07015): first one factor for the contrast of
        each channel, then coarse differences are the small picture's. Fine ones are as they were drawn.
        """
        small = np.asarray(self.picture, np.float32)
        beyond = MARGIN * UPSCALE_FACTOR
        drawn = drawn[beyond:-beyond, beyond:-beyond]
        matched = [_matched(drawn[..., channel], small[..., channel]) for channel in range(3)]
        return np.stack(matched, axis=-1)


def _matched(drawn: Pixels, small: Channel) -> Pixels:
    large = _with_contrast(drawn.astype(np.float32), small)
    height, width = (max(1, round(side / AREA)) for side in small.shape)
    missing = _averaged(small, (width, height)) - _averaged(large, (width, height))
    size = (large.shape[1], large.shape[0])
    large += np.asarray(Image.fromarray(missing).resize(size, Image.Resampling.BICUBIC))
    return large.clip(0, 255).round().astype(np.uint8)


def _with_contrast(large: Channel, small: Channel) -> Channel:
    """By least squares, as near to the small picture as one factor and one summand bring it."""
    seen = _averaged(large, (small.shape[1], small.shape[0]))
    middle, given = seen.mean(), small.mean()
    spread = np.square(seen - middle).mean()
    contrast = ((seen - middle) * (small - given)).mean() / spread if spread else 1.0
    adjusted: Channel = (large - middle) * np.float32(np.clip(contrast, 0, MOST_CONTRAST)) + given
    return adjusted


def _averaged(channel: Channel, size: tuple[int, int]) -> Channel:
    """The mean of the area of each pixel of a picture of `size`, width and height."""
    return np.asarray(Image.fromarray(channel).resize(size, Image.Resampling.BOX))
