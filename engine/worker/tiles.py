"""A picture enlarged tile by tile: a tile is a small piece of work, and a tile that fits into memory is small enough.

Each tile is seen with a margin of its surroundings, which is cut off again, so that there are no seams.
"""

import logging
from collections import deque
from collections.abc import Generator, Iterator

import numpy as np
import numpy.typing as npt
import torch

from engine.models.upscaler import Upscaler
from engine.worker.device import free_memory
from engine.worker.pixels import NotANumber

log = logging.getLogger(__name__)

Pixels = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]  # left, top, right, bottom

SIDE = {"cuda": 512}  # pixels of the input; a tile takes about as long as a step
SIDE_ELSEWHERE = 128
MARGIN = 16  # pixels around a tile that the network sees
SMALLEST = 32  # a tile that does not fit when it is smaller than this never will


def side_of(upscaler: Upscaler, size: tuple[int, int]) -> int:
    """How wide and high tiles are at first, for a picture of `size`."""
    if upscaler.tiles_itself:
        return max(size)
    return SIDE.get(upscaler.device.place.type, SIDE_ELSEWHERE)


def tiles(size: tuple[int, int], side: int) -> list[Box]:
    """A picture of `size` (width, height) in boxes of at most `side`, row by row, all of about one size."""
    return [
        (left, top, right, bottom)
        for top, bottom in _spans(size[1], side)
        for left, right in _spans(size[0], side)
    ]


def enlarged(upscaler: Upscaler, pixels: Pixels, *, side: int) -> Generator[float, None, Pixels]:
    """Pixels [H, W, 3] made `scale` times as large; yields after each tile which share of the whole it was.

    Where a tile does not fit into memory, it and the rest are quartered. Raises NotANumber, and OutOfMemoryError
    where even a small one does not fit.
    """
    height, width, _ = pixels.shape
    scale = upscaler.scale
    result = np.empty((height * scale, width * scale, 3), np.uint8)
    waiting = deque(tiles((width, height), side))
    while waiting:
        box = waiting.popleft()
        drawn, exhausted = _attempt(upscaler, pixels, box)
        if exhausted is not None:
            waiting = deque(quarter for each in (box, *waiting) for quarter in _quarters(each))
            _make_room(upscaler, box, exhausted)
            continue
        left, top, right, bottom = box
        result[top * scale : bottom * scale, left * scale : right * scale] = drawn
        yield (right - left) * (bottom - top) / (width * height)
    return result


def _attempt(upscaler: Upscaler, pixels: Pixels, box: Box) -> tuple[Pixels, torch.OutOfMemoryError | None]:
    """The tile, or why it did not fit. Whoever tries again does so after the exception is gone, and its memory."""
    try:
        return _drawn(upscaler, pixels, box), None
    except torch.OutOfMemoryError as error:
        return np.empty((0, 0, 3), np.uint8), error.with_traceback(
            None
        )  # the traceback would keep the memory alive


def _drawn(upscaler: Upscaler, pixels: Pixels, box: Box) -> Pixels:
    left, top, right, bottom = box
    x, y = max(left - MARGIN, 0), max(top - MARGIN, 0)
    seen = pixels[y : bottom + MARGIN, x : right + MARGIN]
    unit = torch.from_numpy(seen.astype(np.float32) / 255).permute(2, 0, 1)[None]
    drawn = upscaler.enlarge(unit)[0]
    if not bool(torch.isfinite(drawn).all()):
        raise NotANumber
    scale = upscaler.scale
    inside = drawn[:, (top - y) * scale : (bottom - y) * scale, (left - x) * scale : (right - x) * scale]
    rounded: Pixels = (inside * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    return rounded


def _make_room(upscaler: Upscaler, box: Box, exhausted: torch.OutOfMemoryError) -> None:
    """Raises what happened where smaller tiles would not help."""
    free_memory(upscaler.device.place)
    width, height = box[2] - box[0], box[3] - box[1]
    if max(width, height) <= SMALLEST:
        raise exhausted
    log.warning("a tile of %d × %d did not fit into memory: it and the rest are quartered", width, height)


def _quarters(box: Box) -> list[Box]:
    left, top, right, bottom = box
    side = max(-(-max(right - left, bottom - top) // 2), 1)
    return [
        (left + x, top + y, left + until, top + under)
        for x, y, until, under in tiles((right - left, bottom - top), side)
    ]


def _spans(length: int, side: int) -> Iterator[tuple[int, int]]:
    count = -(-length // side)
    for index in range(count):
        yield length * index // count, length * (index + 1) // count
