"""`python -m bench.full_size`: one picture by Stable Diffusion 1.5, 2.1 and XL at true size, with random weights.

What is drawn is noise; what it costs is the truth: seconds to load and to draw, and memory at its peak, each family in
a process of its own. For 1.5 diffusers' pipeline draws the same in float32, as it is downloaded, and the time of the
network is set against the least that its multiplications take at the speed this machine was seen to multiply at.
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
from importlib.resources import files
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from accelerate import init_empty_weights
from torch.utils.flop_counter import FlopCounterMode

from bench.serving.arms import drawn_by_pipeline, load_pipeline
from bench.serving.gate import drawn_by_step_loop, started
from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.models.tokenizer import clip_tokenizer
from engine.wire import GenerationRequest, Sampler
from engine.worker.batching import RowCap
from engine.worker.device import Device, choose_device, wait_for
from engine.worker.step_loop import StepLoop

STEPS = 20
SIDES = {"sd1": 512, "sd2": 768, "sdxl": 1024}
TEXT_ENCODERS = {"text_encoder": "CLIPTextModel", "text_encoder_2": "CLIPTextModelWithProjection"}
SPREAD = 0.02  # of random weights: small enough for the numbers to stay finite
MATMUL = 4096


@dataclass(frozen=True)
class Cost:
    """`network_s` is what the UNet took of `draw_s`; `floor_s` the least that its multiplications take."""

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
        cost = _measure(options.family, options.folder, options.steps, options.stock)
        sys.stdout.write(json.dumps(vars(cost)) + "\n")
        return 0
    for family in options.only or SIDES:
        with tempfile.TemporaryDirectory() as folder:
            write_model(family, Path(folder) / family)
            for stock in (False, True) if family == "sd1" else (False,):
                cost = _in_a_process(family, Path(folder) / family, options.steps, stock=stock)
                sys.stdout.write(_sentence(cost, stock=stock))
                sys.stdout.flush()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.full_size", description=__doc__)
    parser.add_argument("--only", choices=tuple(SIDES), nargs="*", help="of these families; else of all")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--family", choices=tuple(SIDES), help="draw with this one, in this process")
    parser.add_argument("--folder", type=Path, help="where its files are")
    parser.add_argument("--stock", action="store_true", help="with diffusers' pipeline in float32")
    return parser.parse_args()


def write_model(family: str, folder: Path) -> None:
    """A folder in diffusers' layout with random weights in bfloat16, which is written in half a minute."""
    config = json.loads(files("engine.models").joinpath(f"configs/{family}.json").read_bytes())
    texts = {name: kind for name, kind in TEXT_ENCODERS.items() if name in config}
    tokenizers = [name.replace("text_encoder", "tokenizer") for name in texts]
    for name in tokenizers:
        clip_tokenizer(**config[name]).save_pretrained(folder / name)
    with init_empty_weights():
        parts = {
            "unet": diffusers.UNet2DConditionModel.from_config(config["unet"]),
            "vae": diffusers.AutoencoderKL.from_config(config["vae"]),
            **{
                name: getattr(transformers, kind)(transformers.CLIPTextConfig(**config[name]))
                for name, kind in texts.items()
            },
        }
    for name, network in parts.items():
        _filled(network).save_pretrained(folder / name, safe_serialization=True)
    scheduler = getattr(diffusers, config["scheduler"]["_class_name"]).from_config(config["scheduler"])
    scheduler.save_pretrained(folder / "scheduler")
    index = {
        "_class_name": "StableDiffusionXLPipeline" if family == "sdxl" else "StableDiffusionPipeline",
        **{name: [type(part).__module__.split(".")[0], type(part).__name__] for name, part in parts.items()},
        **{key: ["transformers", "CLIPTokenizer"] for key in tokenizers},
        "scheduler": ["diffusers", type(scheduler).__name__],
    }
    if family != "sdxl":
        index |= {key: [None, None] for key in ("safety_checker", "feature_extractor")}
    (folder / "model_index.json").write_text(json.dumps(index))


def _filled(network: Any) -> Any:
    network = network.to_empty(device="cpu").to(torch.bfloat16)
    for parameter in network.parameters():
        if parameter.ndim > 1:
            parameter.data.normal_(std=SPREAD)
        else:
            parameter.data.fill_(0.0)
    for module in network.modules():
        if isinstance(module, torch.nn.GroupNorm | torch.nn.LayerNorm):
            module.weight.data.fill_(1.0)
    return network


def _in_a_process(family: str, folder: Path, steps: int, *, stock: bool) -> Cost:
    command = [sys.executable, "-m", "bench.full_size", "--family", family, "--folder", str(folder)]
    command += ["--steps", str(steps)]
    told = subprocess.run(
        command + ["--stock"] * stock, check=True, capture_output=True, text=True, env=os.environ
    )
    return Cost(**json.loads(told.stdout.splitlines()[-1]))


def _measure(family: str, folder: Path, steps: int, stock: bool) -> Cost:
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
    if stock:
        pipeline = load_pipeline(folder, torch.float32)
        watch, loaded = _Watch(pipeline.unet), time.perf_counter()
        drawn_by_pipeline(pipeline, dict(pipeline.scheduler.config), [request])
    else:
        model = load_stable_diffusion(family, folder, choose_device())
        watch, loaded = _Watch(model.unet), time.perf_counter()
        drawn_by_step_loop(model, [request])
    drawn = time.perf_counter()
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e9
    network_s = watch.seconds
    floor_s = 0.0 if stock else steps * _operations(model, request) / _speed(model.device)
    return Cost(family, side, steps, loaded - began, drawn - loaded, network_s, floor_s, peak)


class _Watch:
    """How long a network's passes take in all."""

    def __init__(self, network: torch.nn.Module) -> None:
        self.seconds = self._began = 0.0
        network.register_forward_pre_hook(self._begin)
        network.register_forward_hook(self._end)

    def _begin(self, *_: Any) -> None:
        self._began = time.perf_counter()

    def _end(self, *_: Any) -> None:
        self.seconds += time.perf_counter() - self._began


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


def _sentence(cost: Cost, *, stock: bool) -> str:
    who = "diffusers in float32" if stock else "Darkroom"
    share = (
        "" if stock else f", {cost.floor_s / cost.network_s:.0%} of the speed of its multiplications alone"
    )
    return (
        f"{cost.family} at {cost.side} × {cost.side}, {cost.steps} steps, {who}: loaded in {cost.load_s:.1f} s,"
        f" drawn in {cost.draw_s:.1f} s, of which the network {cost.network_s:.1f} s{share};"
        f" peak memory {cost.peak_gb:.1f} GB\n"
    )


if __name__ == "__main__":
    sys.exit(main())
