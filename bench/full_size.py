"""`python -m bench.full_size`: one picture by Stable Diffusion 1.5, 2.1 and XL at true size, with random weights.

What is drawn is noise; what it costs is the truth: seconds to load and to draw, and memory at its peak, each family in
a process of its own. For 1.5 diffusers' pipeline draws the same in float32, as it is downloaded, and the time of the
network is set against the least that its multiplications take at the speed this machine was seen to multiply at.
`--speed balanced` also draws with compiled networks, by OpenVINO where that is installed; compiling counts as loading.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.random_models import SIDES, write_full_size
from bench.serving.gate import drawn_by_step_loop, started
from bench.serving.stock import load_stock
from bench.serving.watching import NetworkTime
from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.speed import Compiler, Speed
from engine.wire import GenerationRequest, Sampler
from engine.worker.batching import RowCap
from engine.worker.device import Device, choose_device, wait_for
from engine.worker.speed import check_able, compiler_of, name_of, sped_up
from engine.worker.step_loop import StepLoop

STEPS = 20
MATMUL = 4096


@dataclass(frozen=True)
class Cost:
    """`network_s` is what the UNet took of `draw_s`; `floor_s` the least that its multiplications take."""

    who: str
    family: str
    side: int
    steps: int
    load_s: float
    draw_s: float
    network_s: float
    floor_s: float
    peak_gb: float


def main() -> int:
    options = _arguments()
    if options.family:
        cost = _measure(options.family, options.folder, options.steps, options.by)
        sys.stdout.write(json.dumps(vars(cost)) + "\n")
        return 0
    try:
        check_able(options.speed, choose_device(), options.compiler)
    except ValueError as error:
        sys.exit(str(error))
    for family in options.only or SIDES:
        with tempfile.TemporaryDirectory() as folder:
            write_full_size(family, Path(folder) / family)
            for by in _arms(options.speed, options.compiler, stock=family == "sd1"):
                cost = _in_a_process(family, Path(folder) / family, options.steps, by)
                sys.stdout.write(_sentence(cost))
                sys.stdout.flush()
    return 0


def _arms(speed: Speed, compiler: Compiler, *, stock: bool) -> list[str]:
    """Who draws: `exact`, compiled by what compiles here, and `stock`."""
    compiled = [] if speed is Speed.EXACT else [str(compiler_of(compiler, choose_device()))]
    return [str(Speed.EXACT), *compiled, *(["stock"] if stock else [])]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.full_size", description=__doc__)
    parser.add_argument("--only", choices=tuple(SIDES), nargs="*", help="of these families; else of all")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--family", choices=tuple(SIDES), help="draw with this one, in this process")
    parser.add_argument("--folder", type=Path, help="where its files are")
    parser.add_argument(
        "--by", default=str(Speed.EXACT), help="exact, inductor, openvino, or stock in float32"
    )
    parser.add_argument(
        "--speed",
        type=Speed,
        choices=(Speed.EXACT, Speed.BALANCED),
        default=Speed.EXACT,
        help="also at this one",
    )
    parser.add_argument("--compiler", type=Compiler, choices=tuple(Compiler), default=Compiler.AUTO)
    return parser.parse_args()


def _in_a_process(family: str, folder: Path, steps: int, by: str) -> Cost:
    command = [sys.executable, "-m", "bench.full_size", "--family", family, "--folder", str(folder)]
    command += ["--steps", str(steps), "--by", by]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ)
    return Cost(**json.loads(told.stdout.splitlines()[-1]))


def _measure(family: str, folder: Path, steps: int, by: str) -> Cost:
    torch.manual_seed(0)
    side = SIDES[family]
    request = GenerationRequest(
        model=family,
        prompt="a hamster with a brush",
        width=side,
        height=side,
        steps=steps,
        guidance_scale=7.5,
        sampler=Sampler.EULER,
        seed=1,
    )
    began = time.perf_counter()
    if by == "stock":
        pipeline = load_stock(folder, torch.float32)
        watch, loaded = NetworkTime(pipeline.text.unet), time.perf_counter()
        pipeline.draw([request])
    else:
        model = load_stable_diffusion(family, folder, choose_device())
        faster = _compiled(model, request, by)
        watch, loaded = NetworkTime(faster.unet), time.perf_counter()
        drawn_by_step_loop(faster, [request])
    drawn = time.perf_counter()
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e9
    network_s = watch.seconds
    floor_s = 0.0 if by == "stock" else steps * _operations(model, request) / _speed(model.device)
    return Cost(_who(by), family, side, steps, loaded - began, drawn - loaded, network_s, floor_s, peak)


def _compiled(model: StableDiffusion, request: GenerationRequest, by: str) -> StableDiffusion:
    """By whom it is said, after a step that has it compiled."""
    if by == Speed.EXACT:
        return model
    faster = sped_up(model, Speed.BALANCED, compiler=Compiler(by))
    drawn_by_step_loop(faster, [request.model_copy(update={"steps": 1})])
    return faster


def _who(by: str) -> str:
    if by == "stock":
        return "diffusers in float32"
    return "Darkroom" if by == Speed.EXACT else f"Darkroom by {name_of(Compiler(by))}"


def _operations(model: StableDiffusion, request: GenerationRequest) -> int:
    """Multiplications and additions of one tick of one guided image, counted while one runs."""
    loop = StepLoop(model=model, cap=RowCap(fixed=2))
    loop.join(started(model, request))
    with FlopCounterMode(display=False) as counter:
        loop.tick()
    return int(counter.get_total_flops())


def _speed(device: Device) -> float:
    """Operations a second in a large product of matrices."""
    left, right = torch.randn(2, MATMUL, MATMUL, device=device.place, dtype=device.dtype)
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        left @ right
        wait_for(device.place)
        seconds.append(time.perf_counter() - began)
    return 2 * MATMUL**3 / min(seconds)


def _sentence(cost: Cost) -> str:
    share = f", {cost.floor_s / cost.network_s:.0%} of the speed of its multiplications alone"
    return (
        f"{cost.family} at {cost.side} × {cost.side}, {cost.steps} steps, {cost.who}: loaded in {cost.load_s:.1f} s,"
        f" drawn in {cost.draw_s:.1f} s, of which the network {cost.network_s:.1f} s{share if cost.floor_s else ''};"
        f" peak memory {cost.peak_gb:.1f} GB\n"
    )


if __name__ == "__main__":
    sys.exit(main())
