"""Variations: where an image starts between two seeds."""

from collections.abc import Callable

import pytest
import torch
from PIL import Image

from engine.models.loading import StableDiffusion
from engine.tasks.image_to_image import start_image_to_image
from engine.tasks.text_to_image import start_text_to_image
from engine.wire import GenerationRequest, Sampler, Task
from engine.worker.batching import RowCap
from engine.worker.flight import ImageInFlight
from engine.worker.noise import Noise, slerp
from engine.worker.step_loop import StepLoop

Ask = Callable[..., GenerationRequest]
SHAPE = (1, 4, 8, 8)
CPU = torch.device("cpu")


def a1111(share: float, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """A1111 1.10's `modules/rng.py`, for one image of [c, h, w]."""
    low_norm = low / torch.norm(low, dim=1, keepdim=True)
    high_norm = high / torch.norm(high, dim=1, keepdim=True)
    omega = torch.acos((low_norm * high_norm).sum(1))
    so = torch.sin(omega)
    first = (torch.sin((1.0 - share) * omega) / so).unsqueeze(1) * low
    return first + (torch.sin(share * omega) / so).unsqueeze(1) * high


def seeded(seed: int) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator("cpu").manual_seed(seed))


def latents(model: StableDiffusion, image: ImageInFlight) -> torch.Tensor:
    loop = StepLoop(model=model, cap=RowCap(fixed=2))
    loop.join(image)
    while loop.images:
        assert not loop.tick().failed
    return image.latents


def start(model: StableDiffusion, request: GenerationRequest, index: int = 0) -> ImageInFlight:
    words = model.prompts.encode(request.prompt, request.negative_prompt, guided=True)
    if request.task is Task.TXT2IMG:
        return start_text_to_image(model, "job", request, index, words)
    return start_image_to_image(model, "job", request, index, words, Image.new("RGB", (64, 64), "teal"))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_between_the_seeds_lies_what_a1111_draws(ask: Ask, share: float) -> None:
    noise = Noise(ask(seed=3, variation_seed=4, variation_strength=share), 0)
    expected = a1111(share, seeded(3)[0], seeded(4)[0])
    assert torch.allclose(noise.draw(SHAPE, CPU)[0], expected, atol=1e-5)


def test_two_equal_noises_have_nothing_between_them() -> None:
    assert torch.equal(slerp(seeded(1), seeded(1), 0.5), seeded(1))


@pytest.mark.parametrize("changes", [{}, {"task": Task.IMG2IMG, "strength": 0.6}])
def test_strength_0_is_the_plain_seed_and_strength_1_the_variation_seed(
    model: StableDiffusion, ask: Ask, changes: dict[str, object]
) -> None:
    for strength, seed in ((0.0, 3), (1.0, 4)):
        asked = ask(seed=3, variation_seed=4, variation_strength=strength, sampler=Sampler.EULER_A, **changes)
        plain = ask(seed=seed, sampler=Sampler.EULER_A, **changes)
        assert torch.equal(latents(model, start(model, asked)), latents(model, start(model, plain)))


def test_image_i_of_a_variation_has_the_same_seed_and_the_variation_seed_plus_i(
    model: StableDiffusion, ask: Ask
) -> None:
    third = start(model, ask(seed=3, variation_seed=2**32 - 1, variation_strength=0.3, count=3), 2)
    alone = start(model, ask(seed=3, variation_seed=1, variation_strength=0.3))
    assert third.seed == 3
    assert torch.equal(third.latents, alone.latents)


def test_without_strength_the_seeds_count_up_as_ever(ask: Ask) -> None:
    request = ask(seed=3, variation_seed=9, count=2)
    assert [request.image_seed(index) for index in range(2)] == [3, 4]
    assert request.image_variation_seed(1) is None
