"""`python -m bench.overhead`: what the engine adds to a picture, beside a bare loop of diffusers' pipeline.

Both draw with the very same networks and write the same PNG with its infotext; ours goes through the worker, one image
a tick, with its queue, progress, previews and writing thread. Requests come one after another, each is drawn by both,
and who begins alternates: A B, B A and so on. The figure is the median of the ratios of these pairs, and its interval
of 95 % by order statistics (Conover, Practical Nonparametric Statistics, section 3.2): it says how far the noise of
the machine goes.
"""

import argparse
import math
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import diffusers
import torch
import transformers

from bench.serving.arms import EngineArm
from bench.serving.stock import Stock, load_stock
from bench.serving.subjects import demo, mid_size
from bench.serving.watching import NetworkTime
from bench.serving.workloads import alike, start_picture
from engine.images.encoding import write
from engine.images.finishing import Finisher
from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.wire import GenerationRequest
from engine.worker.cap_book import CapBook
from engine.worker.device import choose_device

GOAL = 0.03
STEPS = 20
DEADLINE_S = 600.0


@dataclass(frozen=True)
class Taken:
    """Seconds of one picture, and what of them the networks took."""

    total: float
    networks: float

    @property
    def beyond(self) -> float:
        return self.total - self.networks


@dataclass(frozen=True)
class Overhead:
    """Pictures drawn by the bare loop and by ours, in pairs."""

    bare: Sequence[Taken]
    ours: Sequence[Taken]

    @property
    def ratios(self) -> list[float]:
        return [ours.total / bare.total for ours, bare in zip(self.ours, self.bare, strict=True)]

    def sentence(self) -> str:
        low, high = interval(self.ratios)
        quarter, middle, three = statistics.quantiles(self.ratios, n=4, method="inclusive")
        bare, ours = (
            1000 * statistics.median(each.beyond for each in side) for side in (self.bare, self.ours)
        )
        return (
            f"{middle - 1:+.1%} (median of {len(self.ratios)} pairs; 95 % interval {low - 1:+.1%} to {high - 1:+.1%},"
            f" quartiles {quarter - 1:+.1%} and {three - 1:+.1%}; goal {GOAL:.0%}); beyond the networks"
            f" {ours:.0f} ms a picture, the bare loop {bare:.0f} ms"
        )


def main() -> int:
    options = _arguments()
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
    for subject, side, pairs in ((demo(), 256, 40), (mid_size(), 512, 12)):
        with tempfile.TemporaryDirectory() as scratch:
            folder = subject.written(Path(scratch))
            device = choose_device()
            model = load_stable_diffusion("model", folder, device)
            requests = alike("model", side, options.pairs or pairs, steps=STEPS, guidance_scale=7.5).requests
            overhead = measure(model, load_stock(folder, device.dtype), requests)
        sys.stdout.write(f"{subject.name}, {side} × {side}, {STEPS} steps: {overhead.sentence()}\n")
        sys.stdout.flush()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.overhead", description=__doc__)
    parser.add_argument("--pairs", type=int, help="of pictures, for each model; at least 6")
    options = parser.parse_args()
    if options.pairs is not None and options.pairs < 6:
        parser.error(f"--pairs must be at least 6, for an interval of 95 %; it was {options.pairs}")
    return options


def measure(model: StableDiffusion, stock: Stock, requests: Sequence[GenerationRequest]) -> Overhead:
    """Each request by both. Raises TimeoutError where a picture does not come within DEADLINE_S."""
    stock.set(unet=model.unet, vae=model.vae, text_encoder=model.prompts.text_encoder)
    networks = NetworkTime(model.unet, model.vae.decoder, model.prompts.text_encoder)
    pairs: list[dict[str, Taken]] = []
    with tempfile.TemporaryDirectory() as folder:
        ours = _Ours(model, requests[0].width)
        both = {"bare": _bare(stock, Path(folder)), "ours": ours.draw}
        try:
            for number, request in enumerate((requests[0], *requests)):
                names = list(both)[:: -1 if number % 2 else 1]
                pairs.append({name: _timed(networks, both[name], request) for name in names})
        finally:
            ours.stop()
    warm = pairs[1:]
    return Overhead(bare=[pair["bare"] for pair in warm], ours=[pair["ours"] for pair in warm])


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Between which two of them the median lies with 95 %, by order statistics. Of at least six values."""
    ordered, count = sorted(values), len(values)
    outside = max(math.floor(count / 2 - 0.98 * math.sqrt(count)), 0)
    return ordered[outside], ordered[-1 - outside]


class _Ours:
    """The worker, asked for one picture at a time."""

    def __init__(self, model: StableDiffusion, side: int) -> None:
        caps = CapBook(file=None, machine="bench", fixed=1)
        self._arm = EngineArm("ours", model, caps, start_picture=start_picture(side))
        self._there = threading.Event()
        self._number = 0
        self._arm.start(self._heard)

    def draw(self, request: GenerationRequest) -> None:
        self._there.clear()
        self._number += 1
        self._arm.submit(self._number, request)
        if not self._there.wait(DEADLINE_S):
            raise TimeoutError(f"no picture came within {DEADLINE_S:g} s")
        if self._last != "done":
            raise RuntimeError("the worker could not draw; its log says why")

    def stop(self) -> None:
        self._arm.stop()

    def _heard(self, _: int, what: str) -> None:
        if what != "preview":
            self._last = what
            self._there.set()


def _bare(stock: Stock, folder: Path) -> Callable[[GenerationRequest], None]:
    finisher = Finisher(version="bench")

    def draw(request: GenerationRequest) -> None:
        (pixels,) = stock.draw([request])
        content, _ = finisher.finish(pixels, request, seed=request.seed, model_hash="")
        write(folder / "picture.png", content)

    return draw


def _timed(
    networks: NetworkTime, draw: Callable[[GenerationRequest], None], request: GenerationRequest
) -> Taken:
    before, began = networks.seconds, time.perf_counter()
    draw(request)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return Taken(time.perf_counter() - began, networks.seconds - before)


if __name__ == "__main__":
    sys.exit(main())
