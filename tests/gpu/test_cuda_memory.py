"""On a real GPU: what the settings allow is all that is taken. Skipped where there is no CUDA device."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.tasks.text_to_image import start_text_to_image
from engine.wire import GenerationRequest, Sampler
from engine.worker.batching import RowCap
from engine.worker.decoding import SideStream
from engine.worker.device import Device
from engine.worker.device_memory import device_memory
from engine.worker.ladder import Rung, Rungs, Work
from engine.worker.pixels import Numbers, decode_latents, decoded
from engine.worker.precision import Precision
from engine.worker.room import Room
from engine.worker.step_loop import StepLoop
from tests.engine.tiny_model import make_tiny_model

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
SIZE = (128, 128)


@pytest.fixture
def device() -> Iterator[Device]:
    yield Device(place=torch.device("cuda"), dtype=torch.float32, reason="test", parked=True)
    torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.fixture
def model(tmp_path: Path, device: Device) -> StableDiffusion:
    make_tiny_model(tmp_path / "tiny", latent_side=16)
    return load_stable_diffusion("tiny", tmp_path / "tiny", device)


def draw(model: StableDiffusion, rungs: Rungs) -> torch.Tensor:
    request = GenerationRequest(
        model="tiny",
        prompt="a hamster",
        width=SIZE[0],
        height=SIZE[1],
        steps=3,
        guidance_scale=7.5,
        sampler=Sampler.EULER,
        seed=1,
    )
    room = Room(model)
    room._taken[SIZE] = rungs
    conditioning = model.prompts.encode(request.prompt, "", guided=True)
    image = room.run(SIZE, Work.TEXT, lambda: start_text_to_image(model, "job", request, 0, conditioning))
    loop = StepLoop(model=model, cap=RowCap(fixed=2), room=room)
    loop.join(image)
    while loop.images:
        assert not loop.tick().failed
    return torch.from_numpy(room.run(SIZE, Work.VAE, lambda: decode_latents(model, image.latents)))


@pytest.mark.parametrize("rung", [Rung.SLICES, Rung.OFFLOAD, Rung.SEQUENTIAL, Rung.CPU])
def test_wherever_the_networks_are_the_picture_is_the_same(model: StableDiffusion, rung: Rung) -> None:
    expected = draw(model, frozenset())
    drawn = draw(model, frozenset({rung}))
    assert (drawn.int() - expected.int()).abs().max() <= 3
    assert (draw(model, frozenset()).int() - expected.int()).abs().max() <= 1  # and all can be undone


def test_a_model_that_leaves_gives_its_memory_back(model: StableDiffusion) -> None:
    room = Room(model)
    before = torch.cuda.memory_allocated()
    room.enter()
    assert torch.cuda.memory_allocated() > before
    room.leave()
    assert torch.cuda.memory_allocated() == before


def test_a_model_stays_until_what_is_decoded_beside_the_steps_is_done(model: StableDiffusion) -> None:
    room = Room(model)
    room.enter()

    def slowly() -> Numbers:
        torch.cuda._sleep(500_000_000)  # type: ignore[no-untyped-call]  # cycles: some tenths of a second
        return decoded(model, torch.zeros(1, 4, 16, 16, device="cuda"), Precision.USUAL)

    running = SideStream(torch.device("cuda"))(slowly)
    assert not running.ready()
    room.leave()
    assert running.ready()


def test_what_is_set_is_all_that_is_taken(device: Device) -> None:
    memory = device_memory(device, 1024**3)
    assert memory is not None
    assert memory.bytes == 1024**3
    with pytest.raises(torch.OutOfMemoryError):
        torch.empty(2 * 1024**3, dtype=torch.uint8, device=device.place)
    everything = device_memory(replace(device), None)
    assert everything is not None
    assert everything.bytes > memory.bytes
