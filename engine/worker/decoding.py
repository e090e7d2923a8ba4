"""From a finished picture's latents to its pixels, a tile at a time, while the steps of other pictures go on."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial

import torch

from engine.models.loading import StableDiffusion
from engine.wire import Seamless
from engine.worker.flight import ImageInFlight
from engine.worker.ladder import Rung, Work
from engine.worker.pixels import NotANumber, Numbers, Pixels, decoded, to_picture
from engine.worker.placement import Size
from engine.worker.precision import Precision
from engine.worker.room import Room
from engine.worker.vae_tiles import VaeTiles


def _always() -> bool:
    return True


def _nothing() -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Running:
    """What the device may still be computing: `ready` says whether it has come to its end, `wait` waits for it."""

    result: Numbers
    ready: Callable[[], bool] = _always
    wait: Callable[[], None] = _nothing


Begin = Callable[[Callable[[], Numbers]], Running]


def at_once(compute: Callable[[], Numbers]) -> Running:
    """For devices that do one thing after the other."""
    return Running(result=compute())


class SideStream:
    """A CUDA stream of its own, beside the one of the steps: what is begun here is computed between their kernels."""

    def __init__(self, place: torch.device) -> None:
        self._stream = torch.cuda.Stream(place)  # type: ignore[no-untyped-call]

    def __call__(self, compute: Callable[[], Numbers]) -> Running:
        self._stream.wait_stream(torch.cuda.current_stream(self._stream.device))  # for what it is given
        with torch.cuda.stream(self._stream):
            pixels, finite = compute()
            finite = finite.to("cpu", non_blocking=True)
            event = self._stream.record_event()
        return Running(result=(pixels, finite), ready=event.query, wait=event.synchronize)


def beside(place: torch.device) -> Begin:
    """How a device decodes."""
    return SideStream(place) if place.type == "cuda" else at_once


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """`room` is the memory it may take, `begin` starts a piece on the device; `busy` says whether there are steps to go
    on with while the device computes.
    """

    room: Room
    begin: Begin
    busy: Callable[[], bool]

    def pixels(
        self, model: StableDiffusion, image: ImageInFlight, size: Size
    ) -> Generator[None, None, Pixels]:
        """The picture; yields whenever others may go on. `size` is the picture's, or its tiles'. Raises NotANumber."""
        made: list[torch.Tensor] = []
        for part in _parts(image):
            if made:
                yield
            made.append((yield from self._decoded(model, part, size)))
        return to_picture(made[0] if image.tiling is None else image.tiling.joined(made, model.vae_factor))

    def _decoded(
        self, model: StableDiffusion, latents: torch.Tensor, size: Size
    ) -> Generator[None, None, torch.Tensor]:
        """Pixels of latents, in float32 where half precision could not hold them."""
        for precision in (Precision.USUAL, Precision.FULL):
            if self._in_tiles(model, size):
                pixels, finite = yield from self._by_tiles(model, latents, precision, size)
            else:
                pixels, finite = yield from self._in_one_go(model, latents, precision, size)
            if bool(finite):
                return pixels
            if precision.next_of(model.vae.dtype) is None:
                break
        raise NotANumber

    def _in_tiles(self, model: StableDiffusion, size: Size) -> bool:
        """Whether memory was too short before; the first time the autoencoder itself goes over to tiles."""
        seamless = model.tiling is not Seamless.NONE  # its edges are the whole picture's
        return Rung.TILES in self.room.rungs(size) and not seamless and VaeTiles.known(model.vae)

    def _by_tiles(
        self, model: StableDiffusion, latents: torch.Tensor, precision: Precision, size: Size
    ) -> Generator[None, None, Numbers]:
        tiles = VaeTiles(model.vae, size, model.vae_factor)
        rows = tiles.cut(latents)
        for row in rows:
            for number, tile in enumerate(row):
                row[number], finite = yield from self._in_one_go(model, tile, precision, size)
                if not bool(finite):
                    return row[number], finite
                yield
        return tiles.joined(rows), finite

    def _in_one_go(
        self, model: StableDiffusion, latents: torch.Tensor, precision: Precision, size: Size
    ) -> Generator[None, None, Numbers]:
        compute = partial(decoded, model, latents, precision)
        running = self.room.run(size, Work.VAE, partial(self._begun, size, compute), vae=model.vae)
        while not running.ready():
            if self.busy():
                yield
            else:
                running.wait()
        return running.result

    def _begun(self, size: Size, compute: Callable[[], Numbers]) -> Running:
        """Where memory is so short that weights come and go, they must not go before this is done: at once."""
        return at_once(compute) if self.room.rungs(size) else self.begin(compute)


def _parts(image: ImageInFlight) -> Iterator[torch.Tensor]:
    if image.tiling is None:
        yield image.latents
        return
    for number in range(len(image.tiling.corners)):
        yield image.tiling.cut(image.latents, number)
