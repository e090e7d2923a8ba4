"""The library invisible-watermark 0.2.0 (MIT, ShieldMnt), block by block as it is written there.

The judge of engine/images/watermark.py. OpenCV's and PyWavelets' parts are written out; that the whole equals the
library to the last bit is held by checksums of what the library itself made (test_watermark.py).
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

SCALE = 36
HALF = 2**-0.5
DCT = np.array(
    [
        [(0.25 if k == 0 else 0.5) ** 0.5 * np.cos(np.pi * (2 * n + 1) * k / 8) for n in range(4)]
        for k in range(4)
    ]
)

Pixels = npt.NDArray[np.uint8]
Block = npt.NDArray[np.float64]


def picture(side: int, seed: int = 0) -> Pixels:
    """Soft colours [side, side, 3], the same on every machine: whole numbers only."""
    knots = side // 16 + 2
    number = np.arange(seed, seed + 3 * knots**2)
    noise = ((number * 2654435761 ^ number * number * 40503) >> 16 & 255).reshape(knots, knots, 3)
    ramp = np.arange(side)
    near, far = ramp // 16, ramp % 16
    rows = noise[near] * (16 - far)[:, None, None] + noise[near + 1] * far[:, None, None]
    both = rows[:, near] * (16 - far)[None, :, None] + rows[:, near + 1] * far[None, :, None]
    return (both // 256).astype(np.uint8)


def encode(pixels: Pixels, message: bytes, method: str) -> Pixels:
    """`WatermarkEncoder.encode` for RGB pixels."""
    bits = np.unpackbits(np.frombuffer(message, np.uint8))
    luma, blue, red = _yuv(pixels)
    average, across, down, both = _haar(blue.astype(np.float64))
    change = {"dwtDctSvd": _encode_svd, "dwtDct": _encode_largest}[method]
    for number, (y, x) in enumerate(_blocks(average)):
        average[y : y + 4, x : x + 4] = change(average[y : y + 4, x : x + 4], int(bits[number % len(bits)]))
    blue = (
        _haar_back(average, down, across, both).astype(np.uint8).astype(np.int64)
    )  # the two swapped, as there
    return _rgb(luma, blue, red)


def decode(pixels: Pixels, length: int, method: str) -> list[bool]:
    """`WatermarkDecoder.decode`, as bits."""
    average, *_ = _haar(_yuv(pixels)[1].astype(np.float64))
    infer: Callable[[Block], bool] = {"dwtDctSvd": _infer_svd, "dwtDct": _infer_largest}[method]
    votes: list[list[bool]] = [[] for _ in range(length)]
    for number, (y, x) in enumerate(_blocks(average)):
        votes[number % length].append(infer(average[y : y + 4, x : x + 4]))
    return [float(np.mean(each)) * 255 > 127 for each in votes]


def _blocks(average: Block) -> list[tuple[int, int]]:
    rows, columns = average.shape
    return [(y, x) for y in range(0, rows // 4 * 4, 4) for x in range(0, columns // 4 * 4, 4)]


def _encode_svd(block: Block, bit: int) -> Block:
    left, singular, right = np.linalg.svd(DCT @ block @ DCT.T)
    singular[0] = (singular[0] // SCALE + 0.25 + 0.5 * bit) * SCALE
    changed: Block = DCT.T @ (left @ np.diag(singular) @ right) @ DCT
    return changed


def _infer_svd(block: Block) -> bool:
    return bool(np.linalg.svd(DCT @ block @ DCT.T)[1][0] % SCALE > SCALE * 0.5)


def _encode_largest(block: Block, bit: int) -> Block:
    changed = block.flatten()
    place = int(np.argmax(abs(changed[1:]))) + 1
    size = (abs(changed[place]) // SCALE + 0.25 + 0.5 * bit) * SCALE
    changed[place] = size if changed[place] >= 0 else -size
    return changed.reshape(4, 4)


def _infer_largest(block: Block) -> bool:
    return bool(np.max(abs(block.flatten()[1:])) % SCALE > SCALE * 0.5)


def _haar(plane: Block) -> tuple[Block, Block, Block, Block]:
    top, bottom = plane[0::2], plane[1::2]
    low, high = top * HALF + bottom * HALF, top * HALF - bottom * HALF
    return (
        low[:, 0::2] * HALF + low[:, 1::2] * HALF,
        high[:, 0::2] * HALF + high[:, 1::2] * HALF,
        low[:, 0::2] * HALF - low[:, 1::2] * HALF,
        high[:, 0::2] * HALF - high[:, 1::2] * HALF,
    )


def _haar_back(average: Block, across: Block, down: Block, both: Block) -> Block:
    low, high = _join(average.T, down.T).T, _join(across.T, both.T).T
    return _join(low, high)


def _join(low: Block, high: Block) -> Block:
    """Two bands of rows as the rows they came from."""
    rows = np.empty((2 * low.shape[0], low.shape[1]))
    rows[0::2], rows[1::2] = low * HALF + high * HALF, low * HALF - high * HALF
    return rows


def _yuv(pixels: Pixels) -> tuple[npt.NDArray[np.int64], ...]:
    red, green, blue = (pixels[..., channel].astype(np.int64) for channel in range(3))
    luma = (red * 4899 + green * 9617 + blue * 1868 + 8192) >> 14
    offset = (128 << 14) + 8192
    return luma, ((blue - luma) * 8061 + offset) >> 14, (((red - luma) * 14369 + offset) >> 14).clip(0, 255)


def _rgb(luma: npt.NDArray[np.int64], blue: npt.NDArray[np.int64], red: npt.NDArray[np.int64]) -> Pixels:
    u, v = blue - 128, red - 128
    parts = (18678 * v, -6472 * u - 9519 * v, 33292 * u)
    return np.stack([(luma + ((part + 8192) >> 14)).clip(0, 255) for part in parts], axis=-1).astype(np.uint8)
