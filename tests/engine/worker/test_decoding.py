"""Decoding: one tile at a time, with the steps of others between; it waits for the device only if all are done."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from engine.models.loading import StableDiffusion
from engine.tasks.text_to_image import start_text_to_image
from engine.wire import GenerationRequest
from engine.worker.decoding import Decoding, Running, at_once
from engine.worker.flight import ImageInFlight
from engine.worker.ladder import Rung
from engine.worker.ladder import Work as Kind
from engine.worker.pixels import NotANumber, Numbers, decode_latents
from engine.worker.policy import MemoryPolicy
from engine.worker.room import Room
from engine.worker.tiling import Tiling
from tests.engine.worker.equality import result_of

Ask = Callable[..., GenerationRequest]
SIZE = (64, 64)


@pytest.fixture
def image(model: StableDiffusion, ask: Ask) -> ImageInFlight:
    words = model.prompts.encode("a hamster", "", guided=True)
    image = start_text_to_image(model, "job", ask(), 0, words)
    image.latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    return image


class SlowDevice:
    """Computes at once, but is only `ready` when asked for the third time, or waited for."""

    def __init__(self) -> None:
        self.asked = self.waited = 0

    def begin(self, compute: Callable[[], Numbers]) -> Running:
        self.asked = 0
        return Running(result=compute(), ready=self._ready, wait=self._wait)

    def _ready(self) -> bool:
        self.asked += 1
        return self.asked > 2

    def _wait(self) -> None:
        self.waited += 1
        self.asked = 2


def test_a_picture_is_decoded_at_once(model: StableDiffusion, image: ImageInFlight) -> None:
    decoding = Decoding(room=Room(model), begin=at_once, busy=lambda: True)
    with pytest.raises(StopIteration) as end:
        next(decoding.pixels(model, image, SIZE))
    assert np.array_equal(end.value.value, decode_latents(model, image.latents))


def test_others_go_on_between_two_tiles(model: StableDiffusion, image: ImageInFlight) -> None:
    image.latents = torch.randn(1, 4, 8, 200, generator=torch.Generator().manual_seed(1))
    image.tiling = Tiling((8, 200), 128)
    decoding = Decoding(room=Room(model), begin=at_once, busy=lambda: True)
    work = decoding.pixels(model, image, SIZE)
    for _ in range(len(image.tiling.corners) - 1):
        next(work)
    pixels = result_of(work)
    assert pixels.shape == (64, 1600, 3)
    first = decode_latents(model, image.tiling.cut(image.latents, 0))
    apart = np.abs(pixels[:, :256].astype(int) - first[:, :256])  # far from where the tiles overlap
    assert apart.max() <= 1


def test_others_go_on_while_the_device_decodes(model: StableDiffusion, image: ImageInFlight) -> None:
    device = SlowDevice()
    work = Decoding(room=Room(model), begin=device.begin, busy=lambda: True).pixels(model, image, SIZE)
    next(work)
    next(work)
    assert np.array_equal(result_of(work), decode_latents(model, image.latents))
    assert device.waited == 0


def test_with_nothing_else_to_do_it_waits_for_the_device(
    model: StableDiffusion, image: ImageInFlight
) -> None:
    device = SlowDevice()
    work = Decoding(room=Room(model), begin=device.begin, busy=lambda: False).pixels(model, image, SIZE)
    with pytest.raises(StopIteration):
        next(work)
    assert device.waited == 1


def test_where_weights_come_and_go_nothing_is_decoded_beside_the_steps(
    model: StableDiffusion, image: ImageInFlight
) -> None:
    def never(_: Any) -> Running:
        raise AssertionError

    room = Room(model, MemoryPolicy(rungs=(Rung.TILES,)))
    assert room.step_down(SIZE, Kind.VAE)
    result_of(Decoding(room=room, begin=never, busy=lambda: True).pixels(model, image, SIZE))


@pytest.mark.parametrize("shape", [(8, 8), (8, 12), (16, 6)])
def test_where_memory_is_short_others_go_on_between_the_autoencoders_tiles(
    model: StableDiffusion, image: ImageInFlight, shape: tuple[int, int]
) -> None:
    """The picture is the one that diffusers draws of the same tiles in one go."""
    image.latents = torch.randn(1, 4, *shape, generator=torch.Generator().manual_seed(1))
    size = (8 * shape[1], 8 * shape[0])
    room = Room(model, MemoryPolicy(rungs=(Rung.TILES,)))
    assert room.step_down(size, Kind.VAE)
    expected = room.run(size, Kind.VAE, lambda: decode_latents(model, image.latents))
    widths: list[int] = []
    hook = model.vae.decoder.register_forward_pre_hook(lambda _, given: widths.append(given[0].shape[-1]))
    work, yielded = Decoding(room=room, begin=at_once, busy=lambda: True).pixels(model, image, size), 0
    try:
        while True:
            next(work)
            yielded += 1
    except StopIteration as end:
        drawn = end.value
    finally:
        hook.remove()
        model.vae.disable_tiling()
    assert np.array_equal(drawn, expected)
    assert yielded == len(widths) >= 3
    assert max(widths) <= max(shape) // 2


def test_tiles_without_numbers_are_never_shown(model: StableDiffusion, image: ImageInFlight) -> None:
    image.latents = torch.randn(1, 4, 8, 8)
    image.latents[..., -1, -1] = torch.nan  # only in the last tile
    room = Room(model, MemoryPolicy(rungs=(Rung.TILES,)))
    assert room.step_down(SIZE, Kind.VAE)
    with pytest.raises(NotANumber):
        result_of(Decoding(room=room, begin=at_once, busy=lambda: False).pixels(model, image, SIZE))
    model.vae.disable_tiling()


def test_no_numbers_are_never_shown(model: StableDiffusion, image: ImageInFlight) -> None:
    image.latents = torch.full((1, 4, 8, 8), torch.nan)
    with pytest.raises(NotANumber):
        result_of(Decoding(room=Room(model), begin=at_once, busy=lambda: False).pixels(model, image, SIZE))
