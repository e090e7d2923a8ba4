"""The invisible watermark: bits in the colour of every 8 × 8 pixels, found again after PNG, JPEG and WebP.

The method is `dwtDctSvd` of the library invisible-watermark 0.2 (MIT, ShieldMnt), written anew for whole arrays:
the U plane, one Haar step, the largest singular value of each 4 × 4 block moved to the quarter or the three
quarters of a step of 36. The discrete cosine in its name is orthogonal and leaves singular values as they
are, so it is not computed. Both read each other's marks; tests/engine/images/test_watermark.py has the proof.

Also reads the older `dwtDct`, by which Stable Diffusion 1, 2 and XL marked their pictures. Blocking: call
from a thread.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

MIN_PIXELS = 256 * 256  # the method's own limit: with fewer blocks every bit rests on too few of them
STEP = 36.0
TOLERANCE = 1 / 8  # of the bits may be wrong; unmarked pictures have half of them wrong

Plane = npt.NDArray[np.int32]
Reals = npt.NDArray[np.float64]


class WatermarkLost(Exception):
    """The picture cannot carry the mark. `str()` says why."""


class Method(StrEnum):
    DWT_DCT_SVD = "dwtDctSvd"
    DWT_DCT = "dwtDct"


@dataclass(frozen=True)
class Mark:
    """A text that may be in a picture, and how it would have been put there."""

    text: str
    method: Method = Method.DWT_DCT_SVD
    message: bytes = b""  # what is really embedded, where that is no text

    @property
    def bits(self) -> npt.NDArray[np.uint8]:
        return np.unpackbits(np.frombuffer(self.message or self.text.encode(), np.uint8))


# CompVis' and Stability's scripts/txt2img.py, and diffusers' pipelines_stable_diffusion_xl/watermark.py
HISTORIC = (
    Mark("StableDiffusionV1", Method.DWT_DCT),
    Mark("SDV2", Method.DWT_DCT),
    Mark(
        "Stable Diffusion XL", Method.DWT_DCT, 0b101100111110110010010000011110111011000110011110.to_bytes(6)
    ),
)


@dataclass(frozen=True)
class FoundMark:
    """A mark that was recognised, and how many of its bits were read right."""

    text: str
    method: Method
    right: int
    bits: int


def embed(pixels: npt.NDArray[np.uint8], text: str) -> npt.NDArray[np.uint8]:
    """RGB pixels [H, W, 3] with the text's bits in them; the given ones stay as they are.

    Raises WatermarkLost where the picture is too small, or its colours leave the mark no room.
    """
    height, width, _ = pixels.shape
    if height * width < MIN_PIXELS:
        raise WatermarkLost(f"a watermark needs 256 × 256 pixels; the picture has {width} × {height}")
    luma, blue, red = _yuv(pixels)
    mark = Mark(text)
    marked = _rgb(luma, _embed_plane(blue, mark.bits), red)
    if not find(marked, [mark]):
        raise WatermarkLost("the picture's colours leave a watermark no room")
    return marked


def find(pixels: npt.NDArray[np.uint8], marks: Sequence[Mark]) -> list[FoundMark]:
    """Which of `marks` are in RGB pixels [H, W, 3]. A picture without one passes for marked once in 100 000."""
    if pixels.shape[0] * pixels.shape[1] < MIN_PIXELS:
        return []
    tiles = _tiles(_average(_even(_yuv(pixels)[1])))
    votes = {method: _VOTES[method](tiles) for method in {mark.method for mark in marks}}
    found = []
    for mark in marks:
        wanted = mark.bits.astype(bool)
        read = np.array([votes[mark.method][i :: len(wanted)].mean() for i in range(len(wanted))]) > 0.5
        right = int((read == wanted).sum())
        if len(wanted) - right <= TOLERANCE * len(wanted):
            found.append(FoundMark(mark.text, mark.method, right, len(wanted)))
    return found


def _embed_plane(plane: Plane, bits: npt.NDArray[np.uint8]) -> Plane:
    """The plane [H, W] with the bits in it, over and over.

    The library truncates where this rounds, and swaps two detail bands, which transposes the colours of every
    2 × 2 pixels. Neither is needed to read the mark, and both cost quality: docs/decisions/0009-provenance.md.
    """
    average = _average(_even(plane))
    tiles = _tiles(average)
    left, singular, right = np.linalg.svd(tiles)
    largest = singular[:, 0]
    wanted = (largest // STEP + 0.25 + 0.5 * np.resize(bits, len(tiles))) * STEP
    change = (wanted - largest)[:, None, None] * left[:, :, :1] * right[:, :1, :]
    rows, columns = average.shape[0] // 4 * 4, average.shape[1] // 4 * 4
    joined = change.reshape(rows // 4, columns // 4, 4, 4).swapaxes(1, 2).reshape(rows, columns)
    marked = plane.copy()
    inside = marked[: 2 * rows, : 2 * columns]
    inside[:] = np.rint(inside + np.kron(joined / 2, np.ones((2, 2)))).clip(0, 255)
    return marked


def _even(plane: Plane) -> Plane:
    """Without the last rows and columns that are no multiple of four."""
    return plane[: plane.shape[0] // 4 * 4, : plane.shape[1] // 4 * 4]


def _average(plane: Plane) -> Reals:
    """The low band of one Haar step, [H/2, W/2]: twice the mean of every 2 × 2 pixels."""
    return (plane[0::2, 0::2] + plane[0::2, 1::2] + plane[1::2, 0::2] + plane[1::2, 1::2]) / 2


def _tiles(average: Reals) -> Reals:
    """Whole 4 × 4 blocks in reading order, [n, 4, 4]."""
    rows, columns = average.shape[0] // 4, average.shape[1] // 4
    return average[: 4 * rows, : 4 * columns].reshape(rows, 4, columns, 4).swapaxes(1, 2).reshape(-1, 4, 4)


def _singular_votes(tiles: Reals) -> npt.NDArray[np.bool_]:
    return np.linalg.svd(tiles, compute_uv=False)[:, 0] % STEP > STEP / 2


def _largest_votes(tiles: Reals) -> npt.NDArray[np.bool_]:
    """`dwtDct`: the largest coefficient after the first carries the bit."""
    largest: Reals = np.abs(tiles.reshape(-1, 16)[:, 1:]).max(axis=1)
    return largest % STEP > STEP / 2


_VOTES = {Method.DWT_DCT_SVD: _singular_votes, Method.DWT_DCT: _largest_votes}


def _yuv(pixels: npt.NDArray[np.uint8]) -> tuple[Plane, Plane, Plane]:
    """OpenCV's COLOR_RGB2YUV for 8 bits, to the last bit: the library's planes."""
    red, green, blue = (pixels[..., channel].astype(np.int32) for channel in range(3))
    luma = (red * 4899 + green * 9617 + blue * 1868 + 8192) >> 14
    middle = (128 << 14) + 8192
    return luma, ((blue - luma) * 8061 + middle) >> 14, (((red - luma) * 14369 + middle) >> 14).clip(0, 255)


def _rgb(luma: Plane, blue: Plane, red: Plane) -> npt.NDArray[np.uint8]:
    """OpenCV's COLOR_YUV2RGB for 8 bits, to the last bit."""
    u, v = blue - 128, red - 128
    channels = (
        luma + ((18678 * v + 8192) >> 14),
        luma + ((-6472 * u - 9519 * v + 8192) >> 14),
        luma + ((33292 * u + 8192) >> 14),
    )
    return np.stack(channels, axis=-1).clip(0, 255).astype(np.uint8)
