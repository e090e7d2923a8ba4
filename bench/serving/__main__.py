"""`python -m bench.serving`: many people before one device, ours beside what bots do today, in one run.

On a CPU it takes some minutes with the demo model; `--model`, `--name` and `--side` take any other folder in diffusers'
layout. The arms take turns, so that a machine that grows warm is unfair to nobody.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from bench.serving.arms import TOGETHER, Arm, EngineArm, PipelineArm, load_pipeline
from bench.serving.gate import CLOSE_DB, compare, fixed_requests, reproducible, started
from bench.serving.load import STEPS, Crowd, mixed, summary
from bench.serving.report import Report
from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.models.registry import DEMO_FOLDER
from engine.worker.cap_book import CapBook
from engine.worker.device import choose_device
from engine.worker.step_loop import StepLoop

PEOPLE = 8
LOAD = 0.8  # of what the lock can serve
LOCK, WINDOW, ONE, OURS = (
    "diffusers, one lock",
    "diffusers, batches of 8",
    "Darkroom, one image a tick",
    "Darkroom",
)
AS_DOWNLOADED = "diffusers, one lock, float32"
ALL = (AS_DOWNLOADED, LOCK, WINDOW, ONE, OURS)


def main() -> int:
    options = _arguments()
    model = load_stable_diffusion("demo", options.model, choose_device())
    report = Report(model=options.name, side=options.side, device=str(model.device))
    caps = _measured(model, options.side)
    arms = partial(_arms, model, options.model, caps)
    requests = mixed(model.name, options.side, options.requests)
    alone = _alone(arms([LOCK])[0], model.name, options.side)
    per_second = LOAD * len(requests) / sum(alone[request.steps] for request in requests)
    for number in range(options.rounds):
        for arm in _turned(arms(), number):
            crowd = Crowd(arm).closed_loop(requests, PEOPLE)
            report.add(f"{PEOPLE} people at once", arm.name, summary(crowd, alone))
        for arm in _turned(arms(), number):
            crowd = Crowd(arm).open_loop(requests, per_second)
            report.add(f"Poisson at {LOAD}", arm.name, summary(crowd, alone))
    exact = load_stable_diffusion("demo", options.model, replace(model.device, dtype=torch.float32))
    fixed = fixed_requests(model.name, options.side)
    report.differences = compare(exact, load_pipeline(options.model, torch.float32), fixed)
    report.reproducible = reproducible(model, fixed[:8])
    report.curve = {rows: timing.per_row * rows for (_, rows), timing in caps.cap(model.hash).timings.items()}
    report.peak_bytes = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report.write(options.out)
    sys.stdout.write(f"{report.table()}\n\n{_verdict(report)}\n")
    return 0 if report.reproducible and _close(report) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.serving", description=__doc__)
    parser.add_argument("--model", type=Path, default=DEMO_FOLDER, help="folder in diffusers' layout")
    parser.add_argument("--name", default="demo model", help="what the report calls it")
    parser.add_argument("--side", type=int, default=256, help="of the pictures, in pixels")
    parser.add_argument("--requests", type=int, default=24, help="in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("out/bench"), help="folder of the report")
    return parser.parse_args()


def _measured(model: StableDiffusion, side: int) -> CapBook:
    """Caps as they are once the machine was idle for a moment."""
    caps = CapBook(file=None, machine="bench")
    loop = StepLoop(model=model, cap=caps.cap(model.hash))
    loop.join(started(model, fixed_requests(model.name, side)[0]))
    while loop.probe():
        pass
    return caps


def _arms(model: StableDiffusion, folder: Path, caps: CapBook, names: Sequence[str] = ALL) -> list[Arm]:
    """A fresh set of the arms of `names`."""
    dtype, single = model.device.dtype, CapBook(file=None, machine="bench", fixed=1)
    made: dict[str, Callable[[], Arm]] = {
        AS_DOWNLOADED: lambda: PipelineArm(AS_DOWNLOADED, load_pipeline(folder, torch.float32)),
        LOCK: lambda: PipelineArm(LOCK, load_pipeline(folder, dtype)),
        WINDOW: lambda: PipelineArm(WINDOW, load_pipeline(folder, dtype), together=TOGETHER),
        ONE: lambda: EngineArm(ONE, model, single),
        OURS: lambda: EngineArm(OURS, model, caps),
    }
    return [make() for name, make in made.items() if name in names]


def _turned(arms: list[Arm], number: int) -> list[Arm]:
    return arms if number % 2 == 0 else arms[::-1]


def _alone(arm: Arm, model: str, side: int) -> dict[int, float]:
    """How long one request of each number of steps takes behind the lock, with nobody else there."""
    (warm,) = mixed(model, side, 1)
    requests = [warm, *(warm.model_copy(update={"steps": steps, "guidance_scale": 7.5}) for steps in STEPS)]
    outcomes = Crowd(arm).closed_loop(requests, people=1)
    return {outcome.request.steps: outcome.latency for outcome in outcomes[1:]}


def _close(report: Report) -> bool:
    return all(difference.psnr >= CLOSE_DB for difference in report.differences)


def _verdict(report: Report) -> str:
    crowd = f"{PEOPLE} people at once"
    faster = report.median(crowd, OURS, "throughput") / report.median(crowd, LOCK, "throughput")
    sooner = report.median(crowd, OURS, "p95") / report.median(crowd, LOCK, "p95")
    overhead = report.median(crowd, LOCK, "throughput") / report.median(crowd, ONE, "throughput") - 1
    worst = min(report.differences, key=lambda difference: difference.psnr)
    return (
        f"{crowd}, against one lock in the same number format: {faster:.2f} × the throughput (goal 1.3), p95"
        f" {sooner:.2f} × (goal 0.6); one image a tick costs {overhead:+.1%}.\n"
        f"Worst difference: {worst.sampler} {worst.against}, PSNR {worst.psnr:.1f} dB, {worst.largest} of 255 levels"
        f" (at least {CLOSE_DB:g} dB); one image a tick draws the same bits again: {report.reproducible}.\n"
        f"Peak memory of the whole run {report.peak_bytes / 1e9:.2f} GB."
    )


if __name__ == "__main__":
    began = time.monotonic()
    code = main()
    sys.stdout.write(f"{time.monotonic() - began:.0f} s in all\n")
    sys.exit(code)
