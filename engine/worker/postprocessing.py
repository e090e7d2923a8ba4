"""What follows drawing, in pieces: `post`, and enlarging for the second pass of hires."""

import functools
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import Any

import numpy as np
import numpy.typing as npt

from engine import upscalers
from engine.errors import Refusal
from engine.hires import drawn_steps
from engine.images.canvas import Canvas
from engine.images.filters import filtered
from engine.images.original import Original
from engine.models.restorer import Restorer
from engine.models.upscaler import Upscaler
from engine.postprocessing import restorers_of, size_after
from engine.wire import MAX_RESULT_PIXELS, GenerationRequest, Resize, RestoreFaces, Upscale
from engine.worker.pieces import Piece
from engine.worker.restoring import Room, in_thread, restored
from engine.worker.tiles import enlarged, side_of, tiles

Pixels = npt.NDArray[np.uint8]
Size = tuple[int, int]  # width, height
Pieces = Generator[Piece, None, Pixels]

MOST_PASSES = 3  # of one network over its own result, as A1111's
KEPT = 2  # upscalers that stay in memory: the one for hires and the one for the end
ROOM = 4  # times what a result may have: what a network of factor 4 makes before it is scaled down


def no_upscaler(name: str) -> Upscaler:
    """Where there is no folder of them."""
    raise Refusal("unknown_upscaler", f"There is no upscaler called '{name}'.", field="post")


def no_restorer(name: str) -> Restorer:
    """Where there is no folder of them."""
    raise Refusal("unknown_restorer", f"There is no face restorer called '{name}'.", field="post")


class Postprocessor:
    """`load` gives an upscaler by name and `load_restorer` a face restorer; both may raise Refusal. `aside` runs
    something in a thread, `room` says what may be done where a face does not fit into memory.
    """

    def __init__(
        self,
        *,
        load: Callable[[str], Upscaler],
        aside: Callable[[Callable[[], Any]], "Future[Any]"],
        load_restorer: Callable[[str], Restorer] = no_restorer,
        room: Room | None = None,
    ) -> None:
        self._upscaler = functools.lru_cache(maxsize=KEPT)(load)
        self._restorer = functools.lru_cache(maxsize=1)(load_restorer)
        self._aside = aside
        self._room = room or Room()

    def plan(self, request: GenerationRequest, size: Size) -> int:
        """How many pieces follow the steps for one picture, which has `size` before `post`.

        Loads what is needed, so that a broken file fails before anything is drawn. Raises Refusal.
        """
        for name in upscalers.networks_of(request):
            self._upscaler(name)
        for name in restorers_of(request):
            self._restorer(name)
        pieces = 0
        if (hires := request.hires) is not None and hires.upscaler not in upscalers.LATENT_UPSCALERS:
            first = request.width, request.height
            pieces += 1 + self._count(hires.upscaler, first, hires.size(first))
        for step in request.post:
            after = size_after(step, size)
            pieces += self._count(step.upscaler, size, after) if isinstance(step, Upscale) else 1
            size = after
        return pieces

    def processed(
        self,
        request: GenerationRequest,
        canvas: Canvas | Original | None,
        pixels: Pixels,
        tell: Callable[[str], None],
    ) -> Pieces:
        """What the steps of `post` make of a picture, [H, W, 3], once the canvas is finished with it.

        `tell` hears what the person is told.
        """
        if canvas is not None:
            pixels = yield from self._in_thread(functools.partial(canvas.finished, pixels))
        for step in request.post:
            if isinstance(step, Upscale):
                size = size_after(step, (pixels.shape[1], pixels.shape[0]))
                pixels = yield from self.enlarged(step.upscaler, pixels, size)
            elif isinstance(step, RestoreFaces):
                pixels = yield from restored(
                    self._restorer(step.restorer),
                    pixels,
                    step.strength,
                    aside=self._aside,
                    room=self._room,
                    tell=tell,
                )
            else:
                pixels = yield from self._in_thread(functools.partial(filtered, step, pixels))
                yield 1.0
        return pixels

    def enlarged(self, name: str, pixels: Pixels, size: Size) -> Pieces:
        """The picture made `size` (width, height): by the network `name` as often as it takes, the rest by Lanczos."""
        if upscalers.is_network(name):
            upscaler = self._upscaler(name)
            for before in _passes(upscaler.scale, (pixels.shape[1], pixels.shape[0]), size):
                _check_room(upscaler, before)
                side = side_of(upscaler, before)
                count = len(tiles(before, side))
                tile_by_tile = enlarged(upscaler, pixels, side=side)
                pixels = yield from _counted(tile_by_tile, count)
        resize = Resize(width=size[0], height=size[1])
        pixels = yield from self._in_thread(functools.partial(filtered, resize, pixels))
        yield 1.0
        return pixels

    def _count(self, name: str, before: Size, after: Size) -> int:
        """The pieces of `enlarged`."""
        if not upscalers.is_network(name):
            return 1
        upscaler = self._upscaler(name)
        passes = _passes(upscaler.scale, before, after)
        return 1 + sum(len(tiles(size, side_of(upscaler, size))) for size in passes)

    def _in_thread(self, work: Callable[[], Pixels]) -> Pieces:
        pixels: Pixels = yield from in_thread(self._aside, work)
        return pixels


def ticks_of_second_passes(request: GenerationRequest, more: int) -> int:
    """The ticks of the second passes of all pictures. PLMS takes one `more` than its steps, in each."""
    if request.hires is None:
        return 0
    return request.candidates * (drawn_steps(request, request.hires) + more)


def _counted(shares: Generator[float, None, Pixels], count: int) -> Pieces:
    """The same pieces, in units of the plan instead of shares of the whole."""
    while True:
        try:
            share = next(shares)
        except StopIteration as end:
            pixels: Pixels = end.value
            return pixels
        yield share * count


def _passes(scale: int, before: Size, after: Size) -> list[Size]:
    """The sizes that a network of factor `scale` is given until its result is large enough; at least one."""
    sizes = [before]
    while scale > 1 and len(sizes) < MOST_PASSES and max(sizes[-1]) * scale < max(after):
        sizes.append((sizes[-1][0] * scale, sizes[-1][1] * scale))
    return sizes


def _check_room(upscaler: Upscaler, size: Size) -> None:
    """A network knows only its own factor: what it makes for a small one may be far larger than the result."""
    pixels = size[0] * size[1] * upscaler.scale**2
    if pixels > ROOM * MAX_RESULT_PIXELS:
        raise Refusal(
            "invalid_field",
            f"{upscaler.name} makes pictures {upscaler.scale} times as wide and high, of at most"
            f" {ROOM * MAX_RESULT_PIXELS} pixels; from {size[0]} × {size[1]} it would be {pixels}.",
            field="post",
            hint="a smaller picture, or lanczos",
        )
