"""From what a person chose to one complete `GenerationRequest`. Pure: no Discord, no waiting.

Every violation is a `Refused` sentence that names the field, the limit and the value. Defaults come
from the engine's capabilities; the seed is fixed here, so that a job drawn twice is the same picture.
"""

import math
from dataclasses import dataclass, field
from typing import TypeVar

from bot import tasks
from bot.checks import between, prompt, prose
from bot.controls import ControlChoice, chosen
from bot.errors import Refused
from bot.guidance import NOT_SAID, Interval
from bot.judging import Judging
from bot.menus import find_model, find_sampler, find_schedule, find_tiling, find_vae
from bot.postprocess import Postprocess
from bot.redraw import MEANING, OUTPAINT_STRENGTH, Redraw
from bot.sizes import nearest, typed_size
from engine.wire import (
    MAX_SEED,
    Capabilities,
    Format,
    GenerationRequest,
    Limits,
    ModelInfo,
    Refiner,
    SamplerInfo,
    Seamless,
    Task,
)

MIN_STRENGTH = 0.05
EDGES_STAY = (Task.INPAINT, Task.OUTPAINT, Task.UPSCALE)
T = TypeVar("T", int, float)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a person chose; None where they said nothing. `image` is the input's (width, height) in pixels.

    `redraw` says which part of it is drawn anew, where that is not the whole; `depth` is a depth image's size, and
    `task` what cannot be told by anything else that was given.
    """

    prompt: str
    negative_prompt: str = ""
    image: tuple[int, int] | None = None
    strength: float | None = None
    size: str | None = None
    count: int | None = None
    steps: int | None = None
    guidance: float | None = None
    guidance_interval: Interval = NOT_SAID
    seed: int | None = None
    sampler: str | None = None
    schedule: str | None = None
    model: str | None = None
    format: Format = Format.PNG
    redraw: Redraw = field(default_factory=Redraw)
    variation_seed: int | None = None
    variation_strength: float | None = None
    judging: Judging = field(default_factory=Judging)
    controls: tuple[ControlChoice, ...] = ()
    vae: str | None = None
    refiner: Refiner | None = None
    task: str | None = None
    depth: tuple[int, int] | None = None
    noise_level: int | None = None
    tiling: str | None = None
    postprocess: Postprocess = field(default_factory=Postprocess)

    @property
    def keeps_size(self) -> bool:
        """Whether the result has the input's own pixels, so that it must not be shrunk before it is sent."""
        return self.redraw.asked or self.only_processed or self.task == Task.UPSCALE

    @property
    def only_processed(self) -> bool:
        """Whether nothing is to be drawn."""
        return self.postprocess.asked and not self.prompt.strip() and not self.redraw.asked


def build(options: Options, capabilities: Capabilities, *, owner: str, random_seed: int) -> GenerationRequest:
    """The complete request. `random_seed` is used where the person chose none. Raises Refused."""
    if options.only_processed and options.image is not None:
        return options.postprocess.alone(capabilities, owner=owner, format=options.format)
    limits = capabilities.limits
    task = _task(options)
    if options.postprocess.hires is not None and task is not Task.TXT2IMG:
        raise Refused("hires draws from words alone: leave image out.")
    model = find_model(options.model, capabilities, task)
    check_task(task, model, capabilities)
    sampler = find_sampler(options.sampler, model, capabilities)
    steps = _steps(options.steps, model, sampler, limits)
    width, height = _size(options, task, model, limits)
    count = _said("count", options.count, 1, limits.count, default=1)
    return GenerationRequest(
        owner=owner,
        task=task,
        model=model.name,
        prompt=prompt(options.prompt, limits),
        negative_prompt=prose("negative_prompt", options.negative_prompt, limits),
        width=width,
        height=height,
        steps=steps,
        guidance_scale=_said(
            "guidance", options.guidance, 0, limits.guidance_scale, default=model.defaults.guidance_scale
        ),
        guidance_start=options.guidance_interval[0],
        guidance_end=options.guidance_interval[1],
        sampler=sampler.name,
        schedule=find_schedule(options.schedule, model, sampler, capabilities),
        seed=_said("seed", options.seed, 0, MAX_SEED, default=random_seed),
        count=count,
        strength=_strength(options, task, model, steps),
        format=options.format,
        variation_seed=_variation_seed(options),
        variation_strength=_said("variation_strength", options.variation_strength, 0, 1, default=0.0),
        controls=chosen(options.controls, capabilities),
        vae=find_vae(options.vae, capabilities),
        refiner=options.refiner,
        tiling=_tiling(options, task),
        noise_level=tasks.noise_level(options.noise_level, task, limits),
        **options.redraw.fields(limits),
        **options.judging.fields(count, limits),
        **options.postprocess.fields(capabilities),
    )


def _task(options: Options) -> Task:
    task = options.redraw.task(has_image=options.image is not None)
    named = tasks.named(options.task, has_depth=options.depth is not None)
    if named is None:
        return task
    if options.redraw.asked:
        raise Refused(f"mask and outpaint do not go with {named}.")
    if named is Task.DEPTH2IMG and options.image is None and options.depth is None:
        raise Refused(f"{named} needs an image to start from, or a depth image.")
    return named


def _size(options: Options, task: Task, model: ModelInfo, limits: Limits) -> tuple[int, int]:
    if task is Task.UPSCALE:
        return tasks.size_to_upscale(options.image, options.size, limits)
    if options.size is not None:
        return typed_size(options.size, model, limits)
    if options.image is not None:
        size, drawable = options.redraw.size(options.image, model, limits)
        return size if drawable else nearest(size, model, limits, step=model.side_multiple)  # its own shape
    if options.depth is not None:
        return nearest(options.depth, model, limits, step=limits.side_multiple)
    return model.defaults.width, model.defaults.height


def check_task(task: Task, model: ModelInfo, capabilities: Capabilities) -> None:
    """Raises Refused where the model cannot do this, with the first that can."""
    if task not in model.tasks:
        able = next((f"; {each.name} can" for each in capabilities.models if task in each.tasks), "")
        raise Refused(f"The model {model.name} cannot {MEANING[task]}{able}.")


def _steps(value: int | None, model: ModelInfo, sampler: SamplerInfo, limits: Limits) -> int:
    most = min(limits.steps, sampler.max_steps)
    if value is None:
        return min(model.defaults.steps, most)
    if most < value <= limits.steps:
        raise Refused(f"steps must be between 1 and {most} with {sampler.label}; it was {value}.")
    return between("steps", value, 1, most)


def _strength(options: Options, task: Task, model: ModelInfo, steps: int) -> float | None:
    if task is Task.UPSCALE:
        if options.strength is not None:
            raise Refused("strength does not go with upscale: the whole picture is drawn anew.")
        return None
    if options.image is None:
        if options.strength is not None:
            raise Refused("strength needs an image to start from: attach one, or leave strength out.")
        return 1.0 if task is Task.DEPTH2IMG else None
    if options.strength is None:
        least = OUTPAINT_STRENGTH if task is Task.OUTPAINT else 0
        return max(model.defaults.strength, least, least_strength(steps))
    strength = between("strength", options.strength, MIN_STRENGTH, 1)
    if int(steps * strength) < 1:
        least = least_strength(steps)
        few = "1 step" if steps == 1 else f"{steps} steps"
        raise Refused(f"strength must be at least {least:g} with {few}; it was {strength:g}.")
    return strength


def _tiling(options: Options, task: Task) -> Seamless:
    tiling = find_tiling(options.tiling)
    if tiling is not Seamless.NONE and task in EDGES_STAY:
        raise Refused(f"tiling does not go with {task}, which keeps the edges that are there.")
    return tiling


def _variation_seed(options: Options) -> int | None:
    if options.variation_seed is None:
        if options.variation_strength:
            raise Refused("variation_strength needs a variation_seed.")
        return None
    return between("variation_seed", options.variation_seed, 0, MAX_SEED)


def least_strength(steps: int) -> float:
    """The least, in hundredths, that leaves a step to draw: diffusers draws int(steps * strength) of them."""
    return math.ceil(100 / steps) / 100


def _said(name: str, value: T | None, low: float, high: float, *, default: T) -> T:
    """What a person said, within its limits; what they would have got where they said nothing."""
    return default if value is None else between(name, value, low, high)
