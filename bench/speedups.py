"""`python -m bench.speedups`: what each way to draw faster gains, and what it does to a picture.

All draw the same picture in turns, so that a machine that grows warm or busy is unfair to nobody; the figures are
medians. What was tried and not taken is measured too. `--compiled` includes what is compiled first, for minutes;
`--model` and `--side` take any other folder in diffusers' layout; it is held in memory several times.
"""

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from bench.serving.gate import psnr
from bench.serving.stock import Picture
from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.models.registry import DEMO_FOLDER
from engine.prompts.wildcards import Words
from engine.speed import GUIDED_UNTIL, Speed, has_openvino
from engine.tasks.conditioning import condition
from engine.tasks.text_to_image import start_text_to_image
from engine.wire import GenerationRequest, Sampler
from engine.worker.batching import RowCap
from engine.worker.device import choose_device, wait_for
from engine.worker.pixels import decode_latents
from engine.worker.speed import by_openvino, check_able, cuda_graphs, sped_up
from engine.worker.step_loop import StepLoop

STEPS, ROUNDS = 10, 5
GUIDANCE = 4.0  # over 1: two rows a step
OPENVINO = "balanced: OpenVINO"
KERNELS = {
    "cpu": (SDPBackend.FLASH_ATTENTION, SDPBackend.MATH),
    "cuda": (
        SDPBackend.FLASH_ATTENTION,
        SDPBackend.CUDNN_ATTENTION,
        SDPBackend.EFFICIENT_ATTENTION,
        SDPBackend.MATH,
    ),
}


@dataclass
class Arm:
    """One way to draw. `guided_until` is the part of the steps that is guided."""

    name: str
    model: StableDiffusion
    guided_until: float = 1.0
    step_s: list[float] = field(default_factory=list)
    picture: Picture | None = None


@dataclass(frozen=True)
class Gain:
    """Seconds a step in the median, times as fast as `exact`, and how far its picture is from that one's."""

    name: str
    step_s: float
    gain: float
    psnr: float
    largest: int


def main() -> int:
    options = _arguments()
    if options.threads:
        torch.set_num_threads(options.threads)
    model = load_stable_diffusion("bench", options.model, choose_device(options.device))
    if options.compiled:
        try:
            check_able(Speed.BALANCED, model.device)
        except ValueError as error:
            sys.exit(str(error))
    in_float32 = load_stable_diffusion("bench", options.model, replace(model.device, dtype=torch.float32))
    arms = list(arms_of(model, in_float32, with_compiled=options.compiled))
    gains = measure(arms, side=options.side, steps=options.steps, rounds=options.rounds)
    about = f"{options.name}, {options.side} × {options.side}, {options.steps} steps, {model.device}"
    sys.stdout.write(f"{about}, {torch.get_num_threads()} threads\n\n{table(gains)}\n")
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "speedups.json").write_text(json.dumps(_content(about, gains), indent=1) + "\n")
    return 0


def arms_of(model: StableDiffusion, in_float32: StableDiffusion, *, with_compiled: bool) -> Iterator[Arm]:
    """`exact` first, which the others are compared with; each alone, then the levels."""
    yield Arm("exact", model)
    yield Arm("float32", in_float32)
    yield Arm("without channels_last", contiguous(model))
    yield Arm("fused QKV", fused_qkv(model))
    for kernel in KERNELS.get(model.device.place.type, ()):
        yield Arm(f"attention {kernel.name}", with_attention(model, kernel))
    yield Arm(f"guided until {GUIDED_UNTIL:g}", model, GUIDED_UNTIL)
    if model.device.place.type == "cpu" and has_openvino():
        yield Arm(OPENVINO, by_openvino(_copied(model)))
    if not with_compiled:
        return
    yield Arm("compiled by block", compiled_by_block(model))
    if model.device.place.type == "cuda":
        yield Arm("CUDA graphs", cuda_graphs(_copied(model)))
    yield Arm("balanced: inductor", sped_up(_copied(model), Speed.BALANCED))
    yield Arm("fast: inductor", sped_up(_copied(model), Speed.FAST), GUIDED_UNTIL)


def contiguous(model: StableDiffusion) -> StableDiffusion:
    """As torch lays networks out, one channel after the other."""
    return replace(model, unet=deepcopy(model.unet).to(memory_format=torch.contiguous_format))


def fused_qkv(model: StableDiffusion) -> StableDiffusion:
    """Query, key and value in one multiplication."""
    model = _copied(model)
    model.unet.fuse_qkv_projections()
    return model


def compiled_by_block(model: StableDiffusion) -> StableDiffusion:
    """Only the blocks of attention, which repeat: compiled much sooner."""
    model = _copied(model)
    model.unet.compile_repeated_blocks(dynamic=False)
    return model


def with_attention(model: StableDiffusion, kernel: SDPBackend) -> StableDiffusion:
    """Attention by this kernel alone; torch chooses among all of them."""
    return replace(model, unet=_Within(model.unet, lambda: sdpa_kernel(kernel)))


def measure(arms: list[Arm], *, side: int, steps: int, rounds: int) -> list[Gain]:
    """Each arm draws once to warm up, then `rounds` times in turns, every second round backwards."""
    arms = [arm for arm in arms if _warm(arm, side, steps)]
    for number in range(rounds):
        for arm in arms[:: -1 if number % 2 else 1]:
            arm.step_s.append(_drawn(arm, side, steps)[0])
    exact = statistics.median(arms[0].step_s)
    return [_gain(arm, arms[0], exact) for arm in arms]


def table(gains: list[Gain]) -> str:
    """As the documentation shows it."""
    rows = [
        "| way | ms a step | times as fast | PSNR, dB | largest difference of 255 |",
        "|---|---|---|---|---|",
    ]
    rows += [
        f"| {each.name} | {1000 * each.step_s:.1f} | {each.gain:.2f} | {each.psnr:.1f} | {each.largest} |"
        for each in gains
    ]
    return "\n".join(rows)


class _Within(torch.nn.Module):
    """A network that works inside a context of its own."""

    def __init__(self, network: Any, context: Callable[[], AbstractContextManager[Any]]) -> None:
        super().__init__()
        self.network = network
        self._context = context

    @property
    def config(self) -> Any:
        return self.network.config

    def forward(self, *inputs: Any, **conditions: Any) -> Any:
        with self._context():
            return self.network(*inputs, **conditions)


def _warm(arm: Arm, side: int, steps: int) -> bool:
    """Draw the picture; False, and said so, where this device has no such kernel for attention."""
    try:
        _, arm.picture = _drawn(arm, side, steps)
    except RuntimeError as error:
        if "No available kernel" not in str(error):
            raise
        sys.stdout.write(f"{arm.name}: not on this device\n")
    return arm.picture is not None


def _copied(model: StableDiffusion) -> StableDiffusion:
    return replace(model, unet=deepcopy(model.unet))


def _drawn(arm: Arm, side: int, steps: int) -> tuple[float, Picture]:
    """Seconds a step, and the picture."""
    request = GenerationRequest(
        model=arm.model.name,
        prompt="a hamster with a brush",
        width=side,
        height=side,
        steps=steps,
        guidance_scale=GUIDANCE,
        guidance_end=arm.guided_until,
        sampler=Sampler.EULER,
        seed=1,
    )
    words = Words(request.prompt, request.negative_prompt)
    image = start_text_to_image(arm.model, arm.name, request, 0, condition(arm.model, request, words))
    loop = StepLoop(model=arm.model, cap=RowCap(fixed=2))
    loop.join(image)
    with _timed(arm.model) as seconds:
        while loop.images:
            for _, error in loop.tick().failed:
                raise error
    with torch.inference_mode():
        return seconds[0] / steps, decode_latents(arm.model, image.latents)


@contextmanager
def _timed(model: StableDiffusion) -> Iterator[list[float]]:
    seconds: list[float] = []
    wait_for(model.device.place)
    began = time.perf_counter()
    yield seconds
    wait_for(model.device.place)
    seconds.append(time.perf_counter() - began)


def _gain(arm: Arm, exact: Arm, exact_s: float) -> Gain:
    assert arm.picture is not None
    assert exact.picture is not None
    ours, theirs = arm.picture.astype(np.float64), exact.picture.astype(np.float64)
    step_s = statistics.median(arm.step_s)
    return Gain(arm.name, step_s, exact_s / step_s, psnr(ours, theirs), int(np.abs(ours - theirs).max()))


def _content(about: str, gains: list[Gain]) -> dict[str, Any]:
    return {
        "about": about,
        "date": time.strftime("%Y-%m-%d"),
        "machine": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "gains": [asdict(each) for each in gains],
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.speedups", description=__doc__)
    parser.add_argument("--model", type=Path, default=DEMO_FOLDER, help="folder in diffusers' layout")
    parser.add_argument("--name", default="demo model", help="what the report calls it")
    parser.add_argument("--side", type=int, default=256, help="of the pictures, in pixels")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument("--threads", type=int, default=0, help="of the CPU; 0: as many as cores")
    parser.add_argument("--compiled", action="store_true", help="also what is compiled first, for minutes")
    parser.add_argument("--out", type=Path, default=Path("out/bench"), help="folder of the report")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
