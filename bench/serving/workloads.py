"""What people ask for: requests of all kinds, the same for the same seed."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from PIL import Image

from engine.wire import GenerationRequest, Sampler, Task

STEPS = (8, 20, 30, 50)
OFTEN = (0.1, 0.35, 0.4, 0.15)
GUIDANCE = (1.0, 5.0, 7.5, 12.0)
SAMPLERS = (Sampler.EULER, Sampler.EULER_A, Sampler.DPMPP_2M, Sampler.DDIM)
PROMPTS = ("a hamster with a brush", "a robot on a blue background", "a cat in a hat", "a bird on a branch")
IMG2IMG, OF_FOUR, GIVEN_UP = 0.2, 0.1, 0.1  # shares of the requests
STRENGTHS = (0.5, 0.9)
PATIENCE = (0.5, 4.0)  # after so many times what a request takes alone it is given up

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Workload:
    """`picture` is what image-to-image starts from. `given_up` says, by number, which requests people cancel: after
    how many times the time that the request takes with nobody else there.
    """

    requests: Sequence[GenerationRequest]
    picture: Image.Image
    given_up: Mapping[int, float] = field(default_factory=dict)

    @property
    def guided_steps(self) -> float:
        """Of all pictures; a step without guidance has half the rows and counts as half of one."""
        return sum(
            each.count * each.steps * (each.strength or 1) * (1 if each.guidance_scale > 1 else 0.5)
            for each in self.requests
        )

    def patience(self, alone: Sequence[float]) -> dict[int, float]:
        """After how many seconds people cancel, from what each request takes alone."""
        return {number: times * alone[number] for number, times in self.given_up.items()}


def mixed(model: str, side: int, count: int, *, steps: Sequence[int] = STEPS, seed: int = 1) -> Workload:
    """Four numbers of steps, of which the middle ones come often, four samplers, guidance 1 to 12.

    A fifth is image-to-image, a tenth asks for four pictures, and a tenth is given up. The shares hold for any `count`,
    as far as it can be divided so.
    """
    dice = random.Random(seed)
    all_steps, samplers, guidance, from_picture, counts, given_up = (
        _dealt(values, shares, count, dice)
        for values, shares in (
            (steps, OFTEN),
            (SAMPLERS, [1 / len(SAMPLERS)] * len(SAMPLERS)),
            (GUIDANCE, [1 / len(GUIDANCE)] * len(GUIDANCE)),
            ((True, False), (IMG2IMG, 1 - IMG2IMG)),
            ((4, 1), (OF_FOUR, 1 - OF_FOUR)),
            ((True, False), (GIVEN_UP, 1 - GIVEN_UP)),
        )
    )
    return Workload(
        requests=[
            GenerationRequest(
                owner=f"owner {number}",
                task=Task.IMG2IMG if from_picture[number] else Task.TXT2IMG,
                strength=round(dice.uniform(*STRENGTHS), 2) if from_picture[number] else None,
                model=model,
                prompt=dice.choice(PROMPTS),
                width=side,
                height=side,
                steps=all_steps[number],
                guidance_scale=guidance[number],
                sampler=samplers[number],
                seed=10 * number,
                count=counts[number],
            )
            for number in range(count)
        ],
        picture=start_picture(side),
        given_up={number: dice.uniform(*PATIENCE) for number in range(count) if given_up[number]},
    )


def alike(model: str, side: int, count: int, *, steps: int = 20, guidance_scale: float = 8.0) -> Workload:
    """Requests that differ by nothing but seed and prompt: as MLPerf's for SDXL, 20 Euler steps with guidance 8."""
    return Workload(
        requests=[
            GenerationRequest(
                owner=f"owner {number}",
                model=model,
                prompt=f"{PROMPTS[number % len(PROMPTS)]}, number {number}",
                width=side,
                height=side,
                steps=steps,
                guidance_scale=guidance_scale,
                sampler=Sampler.EULER,
                seed=number,
            )
            for number in range(count)
        ],
        picture=start_picture(side),
    )


def start_picture(side: int) -> Image.Image:
    """An RGB picture of broad waves of colour."""
    across, down = np.meshgrid(*[np.linspace(0, 2 * np.pi, side)] * 2)
    waves = [np.sin(across), np.sin(down), np.cos(across + down)]
    return Image.fromarray((np.stack(waves, axis=-1) * 100 + 128).astype(np.uint8))


def _dealt(values: Sequence[Value], shares: Sequence[float], count: int, dice: random.Random) -> list[Value]:
    """`count` values in random order, each as often as its share says."""
    ends = [round(count * sum(shares[: place + 1])) for place in range(len(shares))]
    dealt = [
        value
        for value, begin, end in zip(values, [0, *ends[:-1]], ends, strict=True)
        for _ in range(begin, end)
    ]
    dice.shuffle(dealt)
    return dealt
