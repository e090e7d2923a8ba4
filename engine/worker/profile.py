"""`python -m engine.worker.profile`: what this machine will do, for each model at its own size.

Measured on the spot with the settings in force: seconds per picture, how many rows a tick should hold, what limits it,
and which setting would help. Exit codes: 0; 1 where there is no model or one is broken, 78 for a wrong configuration.
"""

import argparse
import logging
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import diffusers
import torch
import transformers

from engine import config
from engine.errors import EngineError
from engine.models.loading import ModelBroken, StableDiffusion, load_stable_diffusion
from engine.models.registry import Registry
from engine.prompts.wildcards import Words
from engine.speed import Compiler, Speed, hastened
from engine.tasks.conditioning import condition
from engine.tasks.text_to_image import start_text_to_image
from engine.wire import GenerationRequest, ModelInfo, Task
from engine.worker.batching import BUCKETS, RowCap
from engine.worker.compiled_folder import VARIABLE, CompiledFolder
from engine.worker.device import Device, choose_device, wait_for
from engine.worker.flight import ImageInFlight
from engine.worker.pixels import decode_latents
from engine.worker.speed import can_compile, check_able, compiler_of, sped_up
from engine.worker.step_loop import StepLoop

TICKS = {True: 3, False: 10}  # of one image, by whether it is to be quick
GAIN_WORTH_TELLING = 1.2
DECODE_WORTH_TELLING = 0.25


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Seconds to load a model, for a tick of one image and of `rows` rows, which is the cap, and for a decode.

    Of the `steps`, `guided` have two rows and take `tick_s` each; the others have one and take `plain_tick_s`.
    """

    name: str
    width: int
    height: int
    steps: int
    guided: int
    load_s: float
    tick_s: float
    plain_tick_s: float
    rows: int
    crowd_tick_s: float
    decode_s: float

    @property
    def picture_s(self) -> float:
        """One picture with nobody else there."""
        return self.guided * self.tick_s + (self.steps - self.guided) * self.plain_tick_s + self.decode_s

    @property
    def crowd_picture_s(self) -> float:
        """One picture among as many as share a tick."""
        return (self.steps + self.guided) * self.crowd_tick_s / self.rows + self.decode_s

    @property
    def gain(self) -> float:
        """How many times the pictures that a crowd gets, against one after the other."""
        return self.picture_s / self.crowd_picture_s

    def sentences(self) -> Iterator[str]:
        """The figures and what limits them, for the operator."""
        some = f" ({self.guided} with guidance)" if 0 < self.guided < self.steps else ""
        yield (
            f"{self.name}: {self.width} × {self.height}, {self.steps} steps{some}, loaded in {self.load_s:.1f} s;"
            f" a picture takes {self.picture_s:.1f} s, {self.decode_s:.1f} s of it the decoding."
        )
        if self.gain >= GAIN_WORTH_TELLING:
            yield (
                f"  One picture leaves the device partly idle: {self.rows // 2} at once take"
                f" {self.crowd_picture_s:.1f} s each, {self.gain:.1f} times as many. The cap is {self.rows} rows."
            )
        else:
            yield (
                "  One picture keeps the device busy: several at once take as much longer. The cap is"
                f" {self.rows} rows; what limits it is how fast the device multiplies."
            )


def advice(profiles: Sequence[Profile], *, device: Device, settings: config.Engine, cores: int) -> list[str]:
    """Which setting would help, one sentence each; none where nothing would."""
    found = []
    on_cpu = device.place.type == "cpu"
    if on_cpu and device.dtype is torch.float32 and choose_device("cpu").dtype is torch.bfloat16:
        found.append('engine.dtype = "auto": this CPU draws several times faster in bfloat16.')
    if on_cpu and 0 < settings.threads < cores:
        found.append(f"engine.threads = 0: {settings.threads} of {cores} cores draw.")
    caps = [profile.rows for profile in profiles]
    if settings.max_rows and any(cap > settings.max_rows for cap in caps):
        found.append(f"engine.max_rows = 0: a crowd would be served faster with {max(caps)} rows.")
    if settings.reproducible and any(profile.gain >= GAIN_WORTH_TELLING for profile in profiles):
        found.append("engine.reproducible = false: a crowd is drawn one picture after the other.")
    by_openvino = compiler_of(settings.compiler, device) is Compiler.OPENVINO
    if settings.speed is Speed.EXACT and by_openvino:
        found.append(
            'engine.speed = "balanced": compiled by OpenVINO, which pays for small networks and pictures.'
        )
    elif settings.speed is Speed.EXACT and can_compile(device):
        small = " On a CPU it pays for small networks." if on_cpu else ""
        found.append(f'engine.speed = "balanced": compiled networks, after minutes of compiling once.{small}')
    if any(profile.decode_s > DECODE_WORTH_TELLING * profile.picture_s for profile in profiles):
        found.append("Decoding is a large part of each picture, as with models of few steps.")
    if on_cpu and device.dtype is torch.float32:
        found.append("A model of few steps (LCM, Turbo, Lightning): this CPU has no fast number format.")
    return found


def measure(
    model: StableDiffusion, info: ModelInfo, *, load_s: float, ticks: int, speed: Speed = Speed.EXACT
) -> Profile:
    """Some ticks of one image, then larger ones as long as they pay, then a decode. `speed` is the operator's."""
    request = _request(info, speed)
    image = _image(model, request)
    guided = image.left - image.steps  # a second row each
    cap = RowCap()
    loop = StepLoop(model=model, cap=cap)
    tick_s = _tick_s(loop, request.model_copy(update={"guidance_end": 1.0}), ticks)
    while (rows := cap.unknown(image.shape)) and cap.estimate(image.shape, rows) < ticks * tick_s:
        if not loop.probe():  # it failed before
            break
    rows = max(cap.rows(image.shape), BUCKETS[0])
    plain_tick_s = tick_s
    if 0 < guided < image.steps:
        plain = request.model_copy(update={"guidance_scale": 1.0})
        plain_tick_s = _tick_s(StepLoop(model=model, cap=RowCap(fixed=BUCKETS[0])), plain, ticks)
    decode = partial(decode_latents, model, torch.zeros_like(image.latents))
    decode()  # the first one also pays for kernels and memory
    return Profile(
        name=info.name,
        width=request.width,
        height=request.height,
        steps=image.steps,
        guided=guided,
        load_s=load_s,
        tick_s=tick_s,
        plain_tick_s=plain_tick_s,
        rows=rows,
        crowd_tick_s=cap.estimate(image.shape, rows) or tick_s,
        decode_s=_timed(model.device, decode),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every model that draws from words, and say so; returns the exit code."""
    options = _arguments(arguments)
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
    try:
        settings = config.load(config.file(options.config), os.environ)
        device = choose_device(settings.engine.device, settings.engine.dtype)
        check_able(settings.engine.speed, device, settings.engine.compiler)
        models = _models(settings.models_folder, options.model)
    except EngineError as error:
        return _say(str(error), error.exit_code)
    except ValueError as error:
        return _say(str(error), os.EX_CONFIG)
    if device.place.type == "cpu":
        torch.set_num_threads(settings.engine.threads or torch.get_num_threads())
    sys.stdout.write(f"Drawing on {device}, {torch.get_num_threads()} threads.\n")
    folder = CompiledFolder(settings.compiled_folder.resolve())  # the one that the engine uses
    os.environ[VARIABLE] = str(folder.path)
    folder.check()
    profiles, broken = [], False
    for info, place in models:
        try:
            profiles.append(_profile(info, place, device, settings.engine, folder, quick=options.quick))
        except ModelBroken as error:
            sys.stderr.write(f"{error}\n")
            broken = True
        else:
            sys.stdout.write("\n".join(profiles[-1].sentences()) + "\n")
    for sentence in advice(profiles, device=device, settings=settings.engine, cores=os.cpu_count() or 1):
        sys.stdout.write(f"Might help: {sentence}\n")
    return 1 if broken or not profiles else 0


def _say(sentence: str, code: int) -> int:
    sys.stderr.write(f"{sentence}\n")
    return code


def _models(folder: Path, name: str | None) -> list[tuple[ModelInfo, Path]]:
    """Those that draw from words, or the one of that name. Raises ValueError where it is not among them."""
    registry = Registry(folder)
    found = {info.name: info for info in registry.models() if Task.TXT2IMG in info.tasks}
    if name is not None and name not in found:
        raise ValueError(f"--model must be one of {', '.join(found)}, which draw from words; it was {name}.")
    return [(info, registry.lookup(info.name)) for info in found.values() if name in (None, info.name)]


def _profile(
    info: ModelInfo,
    place: Path,
    device: Device,
    settings: config.Engine,
    folder: CompiledFolder,
    *,
    quick: bool,
) -> Profile:
    began = time.perf_counter()
    model = load_stable_diffusion(info.name, place, device)
    model = sped_up(model, settings.speed, folder, settings.compiler)
    load_s = time.perf_counter() - began
    return measure(model, info, load_s=load_s, ticks=TICKS[quick], speed=settings.speed)


def _request(info: ModelInfo, speed: Speed) -> GenerationRequest:
    """A picture as the model's own defaults have it, and as the front hands it on."""
    fields = info.defaults.model_dump(exclude={"strength", "clip_skip", "guidance_end"})
    request = GenerationRequest.model_validate(
        {**fields, "model": info.name, "prompt": "a hamster with a brush", "seed": 1}
    )
    hasty = hastened(request, info, speed)
    return hasty.model_copy(update={"guidance_end": hasty.guidance_end or info.defaults.guidance_end})


def _image(model: StableDiffusion, request: GenerationRequest) -> ImageInFlight:
    words = Words(request.prompt, request.negative_prompt)
    return start_text_to_image(model, "profile", request, 0, condition(model, request, words))


def _tick_s(loop: StepLoop, request: GenerationRequest, ticks: int) -> float:
    """The median of so many ticks of one image."""
    seconds = []
    for _ in range(1 + ticks):
        if not loop.images:
            loop.join(_image(loop.model, request))
        seconds.append(_timed(loop.model.device, loop.tick))
    return statistics.median(seconds[1:])  # the first one also pays for kernels and memory


def _timed(device: Device, work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    wait_for(device.place)
    return time.perf_counter() - began


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="darkroom bench", description="What this machine will do.")
    parser.add_argument("--quick", action="store_true", help="fewer ticks: seconds instead of a minute")
    parser.add_argument("--model", metavar="NAME", help="only this one")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML (default: config.toml)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
