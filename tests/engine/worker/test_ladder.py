"""Where memory is short, pictures are drawn in other ways, one after the other, and stay the same pictures.

A card of memory is played on the CPU: it knows which networks lie on the device, from how they are placed, and refuses
work that would not fit beside them.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from accelerate.hooks import AlignDevicesHook
from diffusers import AutoencoderKL
from diffusers.models.attention_processor import SlicedAttnProcessor

from engine.memory import BESIDE, GB
from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.prompts.recent import Recent
from engine.tasks.text_to_image import start_text_to_image
from engine.wire import GenerationRequest, Memory
from engine.worker.batching import RowCap
from engine.worker.device import Device
from engine.worker.kept_rungs import KeptRungs
from engine.worker.ladder import NONE, Rung, Work, next_rung, notice, place_of
from engine.worker.pixels import decode_latents
from engine.worker.placement import Placement, networks_of
from engine.worker.policy import MemoryPolicy
from engine.worker.room import Room
from engine.worker.step_loop import StepLoop
from tests.engine.tiny_model import make_tiny_model
from tests.engine.tiny_sdxl import make_tiny_sdxl

Ask = Callable[..., GenerationRequest]
Pixels = npt.NDArray[np.uint8]
SIZE = (64, 64)
WEIGHT, ROW, DECODE, READ, LAYER = (
    10.0,
    6.0,
    8.0,
    2.0,
    1.0,
)  # of each network, and what its work needs besides


class Card:
    """`size` units of memory, most of which the model's networks fill."""

    def __init__(self, model: StableDiffusion, size: float = 1000.0) -> None:
        self.model, self.size = model, size
        self.refused: list[str] = []
        networks: list[Any] = networks_of(model)
        text, self.unet, self.vae = networks
        self._handles = [
            self._watch(text, text, self._reading),
            self._watch(self.unet, self.unet, self._drawing),
            self._watch(self.vae.decoder, self.vae, self._decoding),
            self._watch(self.vae.encoder, self.vae, self._decoding),
        ]

    def _watch(self, module: Any, network: Any, needs: Callable[[Any], float]) -> Any:
        def check(_: Any, args: Any, kwargs: Any) -> None:
            taken = needs((*args, *kwargs.values())[0])
            if self._on_device(network) + (0 if self._visits(network) else taken) > self.size:
                self.refused.append(type(network).__name__)
                raise torch.OutOfMemoryError("CUDA out of memory")

        return module.register_forward_pre_hook(check, with_kwargs=True)

    def _reading(self, _: torch.Tensor) -> float:
        return READ

    def _drawing(self, sample: torch.Tensor) -> float:
        sliced = isinstance(next(iter(self.unet.attn_processors.values())), SlicedAttnProcessor)
        return len(sample) * (ROW / 2 if sliced else ROW)

    def _decoding(self, sample: torch.Tensor) -> float:
        whole = sample.shape[-1] in SIZE or sample.shape[-1] * self.model.vae_factor in SIZE
        return DECODE if whole else DECODE / 4

    def _on_device(self, at_work: Any) -> float:
        return sum(self._taken(network, network is at_work) for network in networks_of(self.model))

    def _taken(self, network: Any, at_work: bool) -> float:
        if self._visits(network):
            return 0.0
        if any(isinstance(getattr(each, "_hf_hook", None), AlignDevicesHook) for each in network.modules()):
            return LAYER if at_work else 0.0
        return WEIGHT if at_work or not hasattr(network, "_hf_hook") else 0.0

    @staticmethod
    def _visits(network: Any) -> bool:
        hooks = [getattr(each, "_hf_hook", None) for each in (network, *network.children())]
        return any(type(hook).__name__ == "_Visiting" for hook in hooks)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    make_tiny_model(folder, width=16, latent_side=8)
    return folder


@pytest.fixture
def card(folder: Path, exact: Device) -> Card:
    return Card(load_stable_diffusion("tiny", folder, exact))


def forget(model: StableDiffusion) -> None:
    """What was read once must be read again, or there is nothing that could run out of memory."""
    model.prompts._embeddings = Recent(9)


def draw(model: StableDiffusion, request: GenerationRequest, room: Room) -> tuple[Pixels, torch.Tensor]:
    """As the worker does it: text, steps, decode; the picture and its latents."""
    conditioning = model.prompts.encode(request.prompt, request.negative_prompt, guided=True)
    loop = StepLoop(model=model, cap=RowCap(), room=room)
    room.enter()
    image = room.run(SIZE, Work.TEXT, lambda: start_text_to_image(model, "job", request, 0, conditioning))
    loop.join(image)
    while loop.images:
        for _, error in loop.tick().failed:
            raise error
    return room.run(SIZE, Work.VAE, lambda: decode_latents(model, image.latents)), image.latents


@pytest.mark.parametrize(
    ("size", "rungs"),
    [
        (42.0, NONE),  # all networks and two rows
        (36.0, {Rung.TILES}),  # one row after the other; the decode needs more
        (35.0, {Rung.TILES, Rung.SLICES}),
        (14.0, {Rung.TILES, Rung.SLICES, Rung.OFFLOAD}),
        (4.0, {Rung.TILES, Rung.SLICES, Rung.OFFLOAD, Rung.SEQUENTIAL}),
        (3.0, {Rung.SLICES, Rung.OFFLOAD, Rung.SEQUENTIAL, Rung.CPU}),  # where no tiles are needed
    ],
)
def test_the_less_memory_the_further_down_and_the_picture_stays_the_same(
    card: Card, ask: Ask, size: float, rungs: set[Rung]
) -> None:
    request = ask(steps=2)
    expected, latents = draw(card.model, request, Room(card.model))
    if Rung.TILES in rungs:
        expected = tiled(card.model, latents)
    card.size = size
    room = Room(card.model, MemoryPolicy(rungs=tuple(Rung)))
    forget(card.model)
    drawn, _ = draw(card.model, request, room)
    assert room.rungs(SIZE) == rungs
    assert np.abs(drawn.astype(int) - expected.astype(int)).max() <= 1  # a rounding


def tiled(model: StableDiffusion, latents: torch.Tensor) -> Pixels:
    """What diffusers makes of these latents in tiles of half a side, which Stable Diffusion's own VAE has too."""
    vae = AutoencoderKL.from_config(model.vae.config, sample_size=SIZE[0] // 2)
    vae.load_state_dict(model.vae.state_dict())
    vae.enable_tiling()
    return decode_latents(replace(model, vae=vae.eval()), latents)


def test_a_picture_that_has_room_again_is_drawn_as_if_nothing_had_been(card: Card, ask: Ask) -> None:
    request = ask(steps=2)
    expected, _ = draw(card.model, request, Room(card.model))
    card.size = 3.0
    room = Room(card.model, MemoryPolicy(rungs=tuple(Rung)))
    forget(card.model)
    draw(card.model, request, room)
    card.size = 1000.0
    room._taken.clear()
    forget(card.model)
    assert np.array_equal(draw(card.model, request, room)[0], expected)


def test_everything_but_tiles_changes_no_pixel(card: Card, ask: Ask) -> None:
    request = ask(steps=2)
    expected, _ = draw(card.model, request, Room(card.model))
    for rung in (Rung.SLICES, Rung.OFFLOAD, Rung.SEQUENTIAL, Rung.CPU):
        room = Room(card.model)
        room._taken[SIZE] = frozenset({rung})
        off = np.abs(draw(card.model, request, room)[0].astype(int) - expected.astype(int))
        assert off.max() <= 1, rung  # a rounding
    assert card.refused == []


def test_what_was_needed_is_kept_for_the_next_job_and_the_next_worker(
    card: Card, ask: Ask, tmp_path: Path
) -> None:
    policy = MemoryPolicy(kept=KeptRungs(tmp_path, "a card of 33 units"))
    card.size = 14.0
    room = Room(card.model, policy)
    draw(card.model, ask(steps=1), room)
    rungs, refused = room.rungs(SIZE), len(card.refused)
    assert rungs == {Rung.TILES, Rung.SLICES, Rung.OFFLOAD}
    assert "decoded in tiles" in room.notices(SIZE)[0]
    assert room.rungs((128, 64)) == room.rungs((64, 128)) == NONE
    later = Room(card.model, MemoryPolicy(kept=KeptRungs(tmp_path, "a card of 33 units")))
    assert later.rungs(SIZE) == rungs
    card.refused.clear()
    forget(card.model)
    draw(card.model, ask(steps=1), later)
    assert len(card.refused) == 1 < refused  # only two rows at once are tried again
    assert KeptRungs(tmp_path, "another card").of(card.model.hash, SIZE) == NONE


def test_a_model_that_does_not_fit_onto_the_device_is_offloaded(
    card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    moves: list[torch.device] = []
    place = torch.device("cpu:0")  # not the host's "cpu" in name, and so to be told apart

    def to(network: torch.nn.Module, where: torch.device) -> torch.nn.Module:
        moves.append(where)
        if len(moves) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return network

    monkeypatch.setattr(type(card.unet), "to", to)
    room = Room(replace(card.model, device=replace(card.model.device, place=place)))
    room.enter()
    assert room.rungs(SIZE) == {Rung.OFFLOAD}
    assert moves == [place, torch.device("cpu")]
    room.leave()
    assert not room.on_device


def test_each_rung_helps_with_what_it_is_for_and_none_is_taken_twice() -> None:
    def all_for(work: Work, *, taken: tuple[Rung, ...] = ()) -> list[Rung]:
        found = list(taken)
        while (rung := next_rung(found, work)) is not None:
            found.append(rung)
        return found[len(taken) :]

    out = [Rung.OFFLOAD, Rung.SEQUENTIAL, Rung.CPU]
    assert all_for(Work.UNET) == [Rung.SLICES, *out]
    assert all_for(Work.VAE) == [Rung.TILES, *out]
    assert all_for(Work.TEXT) == all_for(Work.LOAD) == out
    assert all_for(Work.LOAD, taken=(Rung.SEQUENTIAL,)) == [Rung.CPU]
    assert next_rung([Rung.SLICES], Work.UNET, available=(Rung.TILES, Rung.SLICES)) is None


def test_a_person_is_told_in_one_sentence() -> None:
    assert notice(NONE) is None
    assert notice({Rung.OFFLOAD, Rung.SEQUENTIAL, Rung.TILES, Rung.SLICES}) == (
        "The device's memory is short for this size. So it was drawn more slowly: decoded in tiles, whose seams may"
        " show a little, attention computed in slices and only one layer of the model on the device at a time."
    )
    assert place_of({Rung.OFFLOAD, Rung.SEQUENTIAL}) is Rung.SEQUENTIAL


def test_what_was_in_half_precision_is_so_again_after_the_cpu(folder: Path) -> None:
    device = Device(place=torch.device("cpu"), dtype=torch.float16, reason="test")
    model = load_stable_diffusion("tiny", folder, device)
    model.vae.float()  # as SDXL's is
    placement = Placement(model)

    def formats() -> list[torch.dtype]:
        return [next(each.parameters()).dtype for each in networks_of(model)]

    before = formats()
    placement.settle(frozenset({Rung.CPU}))
    assert formats()[1:] == [torch.float32, torch.float32]
    placement.settle(NONE)
    assert formats() == before == [torch.float16, torch.float16, torch.float32]


@pytest.mark.parametrize("rung", [Rung.OFFLOAD, Rung.SEQUENTIAL, Rung.CPU])
def test_sdxl_has_two_text_encoders_that_move_too(ask: Ask, tmp_path: Path, rung: Rung) -> None:
    make_tiny_sdxl(tmp_path / "xl")
    device = Device(place=torch.device("cpu"), dtype=torch.float32, reason="test")
    model = load_stable_diffusion("xl", tmp_path / "xl", device)
    assert len(networks_of(model)) == 4
    request = ask(steps=1)
    expected, _ = draw(model, request, Room(model))
    model = load_stable_diffusion("xl", tmp_path / "xl", device)  # which has read nothing yet
    room = Room(model)
    room._taken[SIZE] = frozenset({rung})
    drawn, _ = draw(model, request, room)
    assert np.abs(drawn.astype(int) - expected.astype(int)).max() <= 1
    text_encoders = networks_of(model)[:2]
    assert all(any(hasattr(each, "_hf_hook") for each in network.modules()) for network in text_encoders)


def test_a_plan_leaves_room_for_what_lies_beside_the_model(card: Card) -> None:
    beside: list[int] = []
    needs = MemoryPolicy(device=Memory(bytes=GB, number=4)).plan(card.model, SIZE).needs
    policy = MemoryPolicy(device=Memory(bytes=needs, number=4), beside=[lambda: sum(beside)])
    room = Room(card.model, policy)
    assert room.rungs(SIZE) == NONE
    beside.append(needs - BESIDE)
    assert room.rungs(SIZE) == {Rung.SEQUENTIAL, Rung.TILES}
    beside.clear()
    assert room.rungs(SIZE) == NONE
