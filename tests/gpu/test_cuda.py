"""On a real GPU: the same pictures, shared ticks, and memory that comes back. Skipped where there is no CUDA device."""

from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.tasks.text_to_image import start_text_to_image
from engine.wire import GenerationRequest, Sampler
from engine.worker.batching import RowCap
from engine.worker.device import Device, choose_device
from engine.worker.flight import ImageInFlight
from engine.worker.pixels import Pixels, decode_latents
from engine.worker.step_loop import StepLoop
from tests.engine.tiny_model import make_tiny_model

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    make_tiny_model(folder, latent_side=16)
    return folder


def load(folder: Path, place: str, dtype: torch.dtype) -> StableDiffusion:
    device = Device(place=torch.device(place), dtype=dtype, reason="test")
    return load_stable_diffusion(folder.name, folder, device)


def ask(seed: int, sampler: Sampler = Sampler.EULER_A) -> GenerationRequest:
    return GenerationRequest(
        model="tiny",
        prompt="a hamster",
        width=128,
        height=128,
        steps=8,
        guidance_scale=7.5,
        sampler=sampler,
        seed=seed,
    )


def started(model: StableDiffusion, request: GenerationRequest) -> ImageInFlight:
    conditioning = model.prompts.encode(request.prompt, "", guided=True)
    return start_text_to_image(model, str(request.seed), request, 0, conditioning)


def draw(model: StableDiffusion, requests: list[GenerationRequest], rows: int) -> list[torch.Tensor]:
    loop = StepLoop(model=model, cap=RowCap(fixed=rows))
    images = [started(model, request) for request in requests]
    for image in images:
        loop.join(image)
    while loop.images:
        assert not loop.tick().failed
    return [image.latents.cpu() for image in images]


@pytest.mark.parametrize("sampler", list(Sampler))
def test_the_gpu_draws_what_the_cpu_draws(folder: Path, sampler: Sampler) -> None:
    on_cpu = draw(load(folder, "cpu", torch.float32), [ask(1, sampler)], rows=2)
    on_gpu = draw(load(folder, "cuda", torch.float32), [ask(1, sampler)], rows=2)
    torch.testing.assert_close(on_gpu, on_cpu, atol=5e-3, rtol=0)


def test_pictures_drawn_together_on_the_gpu_equal_those_drawn_alone(folder: Path) -> None:
    model = load(folder, "cuda", torch.float32)
    requests = [ask(seed) for seed in range(4)]
    together = draw(model, requests, rows=8)
    alone = [draw(model, [request], rows=2)[0] for request in requests]
    torch.testing.assert_close(together, alone, atol=1e-3, rtol=0)


def test_the_format_that_is_chosen_for_the_gpu_draws_numbers(folder: Path) -> None:
    chosen = choose_device("cuda")
    (latents,) = draw(load(folder, "cuda", chosen.dtype), [ask(3)], rows=2)
    assert torch.isfinite(latents).all()


def test_a_picture_decoded_beside_the_steps_of_others_is_the_same(folder: Path) -> None:
    model = load(folder, "cuda", torch.float32)
    loop = StepLoop(model=model, cap=RowCap(fixed=8))
    first, *others = (started(model, ask(seed)) for seed in range(4))
    for image in (first, *others):
        loop.join(image)
    first.timesteps = first.timesteps[:4]  # it is done when the others are half way
    while first in loop.images:
        assert not loop.tick().failed
    decoding = loop.decode(first)
    while (pixels := next_or_result(decoding)) is None:
        if loop.images:
            loop.tick()
    assert np.array_equal(pixels, decode_latents(model, first.latents))


def next_or_result(decoding: Generator[None, None, Pixels]) -> Pixels | None:
    try:
        next(decoding)
    except StopIteration as end:
        pixels: Pixels = end.value
        return pixels
    return None


# those that draw new noise in each step copy it from the CPU
QUIET = [Sampler.EULER, Sampler.DPMPP_2M, Sampler.DDIM, Sampler.PLMS, Sampler.UNIPC]


@pytest.mark.parametrize("sampler", QUIET)
def test_no_step_of_an_image_waits_for_the_gpu(folder: Path, sampler: Sampler) -> None:
    model = load(folder, "cuda", torch.float32)
    image = started(model, ask(1, sampler))
    prediction = torch.zeros(2, *image.latents.shape[1:], device="cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        while not image.done:
            image.model_input()
            image.advance(prediction)
    finally:
        torch.cuda.set_sync_debug_mode("default")
