"""Whether speed costs correctness: the same requests alone, in random batches, and through diffusers' pipeline."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from bench.serving.stock import Picture, Stock
from bench.serving.workloads import start_picture
from engine.models.loading import StableDiffusion
from engine.samplers import SAMPLERS
from engine.tasks.image_to_image import start_image_to_image
from engine.tasks.text_to_image import start_text_to_image
from engine.wire import GenerationRequest, Task
from engine.worker.batching import RowCap
from engine.worker.flight import ImageInFlight
from engine.worker.pixels import decode_latents
from engine.worker.step_loop import StepLoop

FIXED = 32
STEPS = 8
STRENGTH = 0.7
CLOSE_DB = 40.0  # of the peak signal to noise: nobody sees a difference beyond


@dataclass(frozen=True)
class Difference:
    """Of one sampler's pictures: the worst PSNR in dB, and the largest difference of a pixel of 256 levels."""

    sampler: str
    against: str
    psnr: float
    largest: int


def fixed_requests(model: str, side: int, count: int = FIXED) -> list[GenerationRequest]:
    """Requests of every sampler, ancestral and SDE included, with and without guidance; every fifth image-to-image."""
    samplers = list(SAMPLERS)
    return [
        GenerationRequest(
            task=Task.IMG2IMG if number % 5 == 4 else Task.TXT2IMG,
            strength=STRENGTH if number % 5 == 4 else None,
            model=model,
            prompt=f"a {('hamster', 'robot', 'cat', 'bird')[number % 4]}",
            width=side,
            height=side,
            steps=STEPS + number % 3,
            guidance_scale=(7.5, 5.0, 1.0)[number % 3],
            sampler=samplers[number % len(samplers)],
            seed=1000 + number,
        )
        for number in range(count)
    ]


def compare(model: StableDiffusion, stock: Stock, requests: Sequence[GenerationRequest]) -> list[Difference]:
    """Each picture in a random batch, and diffusers' own, against the same drawn alone by the step loop.

    In float32 it says what the code does; in half precision what rounding does, which SDE samplers make visible.
    """
    alone = [drawn_by_step_loop(model, [request])[0] for request in requests]
    together = _in_random_batches(model, requests)
    theirs = [stock.draw([request], start_picture(request.width))[0] for request in requests]
    return [
        _difference(sampler, against, requests, alone, others)
        for against, others in (("in random batches", together), ("diffusers", theirs))
        for sampler in dict.fromkeys(request.sampler for request in requests)
    ]


def reproducible(model: StableDiffusion, requests: Sequence[GenerationRequest]) -> bool:
    """Whether one image a tick, the setting `max_rows = 1`, draws the same bits twice, whoever else is there."""
    first = drawn_by_step_loop(model, requests, rows=1)
    again = drawn_by_step_loop(model, list(reversed(requests)), rows=1)
    return all(np.array_equal(a, b) for a, b in zip(first, reversed(again), strict=True))


def drawn_by_step_loop(
    model: StableDiffusion, requests: Sequence[GenerationRequest], rows: int = 16
) -> list[Picture]:
    """The pictures of requests that share their ticks."""
    loop = StepLoop(model=model, cap=RowCap(fixed=rows))
    images = [started(model, request) for request in requests]
    for image in images:
        loop.join(image)
    with torch.inference_mode():
        while loop.images:
            for _, error in loop.tick().failed:
                raise error
    return [decode_latents(model, image.latents) for image in images]


def started(model: StableDiffusion, request: GenerationRequest) -> ImageInFlight:
    """The request's image, before its first step."""
    conditioning = model.prompts.encode(request.prompt, "", guided=request.guidance_scale > 1)
    image = (model, str(request.seed), request, 0, conditioning)
    if request.task is Task.IMG2IMG:
        return start_image_to_image(*image, start_picture(request.width))
    return start_text_to_image(*image)


def _in_random_batches(model: StableDiffusion, requests: Sequence[GenerationRequest]) -> list[Picture]:
    order, dice = list(range(len(requests))), random.Random(7)
    dice.shuffle(order)
    pictures: dict[int, Picture] = {}
    while order:
        taken, order = order[: (size := dice.randint(2, 8))], order[size:]
        pictures |= zip(taken, drawn_by_step_loop(model, [requests[n] for n in taken]), strict=True)
    return [pictures[number] for number in range(len(requests))]


def _difference(
    sampler: str,
    against: str,
    requests: Sequence[GenerationRequest],
    alone: Sequence[Picture],
    others: Sequence[Picture],
) -> Difference:
    pairs = [
        (a.astype(np.float64), b.astype(np.float64))
        for request, a, b in zip(requests, alone, others, strict=True)
        if request.sampler == sampler
    ]
    return Difference(
        sampler=sampler,
        against=against,
        psnr=min(psnr(a, b) for a, b in pairs),
        largest=int(max(np.abs(a - b).max() for a, b in pairs)),
    )


def psnr(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> float:
    """Of two pictures of 256 levels, in dB; 99 where they are the same."""
    error = float(np.square(a - b).mean())
    return 99.0 if error == 0 else min(99.0, 10 * float(np.log10(255**2 / error)))
