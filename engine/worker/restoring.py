"""The faces of a picture, restored one after the other, and what is done where memory is short.

A face has one size, so smaller pieces do not help: it goes down the ladder that drawing has. Drawing's model makes room
for a moment, and then the face is restored on the CPU where the operator allows it.
"""

import functools
import logging
from collections.abc import Callable, Collection, Generator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.images.faces import find_faces
from engine.models.restorer import Restorer
from engine.worker.device import free_memory, is_out_of_memory
from engine.worker.ladder import Rung, Work, next_rung, notice
from engine.worker.pieces import Piece

log = logging.getLogger(__name__)

Pixels = npt.NDArray[np.uint8]

NO_FACE = "No face was found, so none was restored."
PLACES = (Rung.OFFLOAD, Rung.CPU)  # a restorer is one part, and is never cut into layers


@dataclass(frozen=True, kw_only=True)
class Room:
    """What may be done for memory: the device's `rungs`, and `park`, which moves drawing's models out of the device."""

    rungs: Collection[Rung] = ()
    park: Callable[[], None] = lambda: None


def restored(
    restorer: Restorer,
    pixels: Pixels,
    strength: float,
    *,
    aside: Callable[[Callable[[], Any]], "Future[Any]"],
    room: Room,
    tell: Callable[[str], None],
) -> Generator[Piece, None, Pixels]:
    """Pixels [H, W, 3] with their faces restored, face by face; yields which share of the whole a piece was.

    The picture itself where there is none. `aside` runs something in a thread, `tell` hears what the person is told.
    Raises NotANumber, and OutOfMemoryError where no rung is left.
    """
    faces = yield from in_thread(aside, functools.partial(find_faces, pixels))
    if not faces:
        tell(NO_FACE)
        yield 1.0
        return pixels
    for face in faces:
        cut = yield from in_thread(aside, functools.partial(face.cut, pixels))
        restorer, drawn = _restored(restorer, cut, room, tell)
        pixels = yield from in_thread(aside, functools.partial(face.put_back, pixels, drawn, strength))
        yield 1 / len(faces)
    return pixels


def _restored(
    restorer: Restorer, face: Pixels, room: Room, tell: Callable[[str], None]
) -> tuple[Restorer, Pixels]:
    """The face, and where it was restored in the end."""
    taken: frozenset[Rung] = frozenset()
    available = [rung for rung in room.rungs if rung in PLACES]
    while True:
        try:
            drawn = restorer.restore(face)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            exhausted = error.with_traceback(None)  # the traceback would keep the memory alive
        else:
            if said := notice(taken):
                tell(said)
            return restorer, drawn
        free_memory(restorer.device.place)
        rung = next_rung(taken, Work.FACE, available)
        if rung is None:
            raise exhausted
        log.warning("a face did not fit into memory: %s", rung)
        taken |= {rung}
        if rung is Rung.OFFLOAD:
            room.park()
        else:
            restorer = restorer.on_cpu()


def in_thread(
    aside: Callable[[Callable[[], Any]], "Future[Any]"], work: Callable[[], Any]
) -> Generator[Piece, None, Any]:
    """What `work` returns, which a thread does meanwhile."""
    future = aside(work)
    yield future
    return future.result()
