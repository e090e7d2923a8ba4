"""From what a person chose to one complete `GenerationRequest`. Pure: no Discord, no waiting.

Every violation is a `Refused` sentence that names the field, the limit and the value. Defaults come
from the engine's capabilities; the seed is fixed here, so that a job drawn twice is the same picture.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rapidfuzz import fuzz, process

from bot import tasks
from bot.controls import ControlChoice, chosen
from bot.errors import Refused
from bot.guidance import ALL_STEPS
from bot.judging import Judging
from bot.postprocess import Postprocess
from bot.redraw import MEANING, OUTPAINT_STRENGTH, Redraw
from engine.wire import (
    MAX_SEED,
    Capabilities,
    Format,
    GenerationRequest,
    Limits,
    ModelInfo,
    Refiner,
    SamplerInfo,
    Schedule,
    Seamless,
    Task,
)

MIN_STRENGTH = 0.05
SIZE_STEP = 64  # sides in between are legal, but models are trained on multiples of 64 …
SMALL_STEP = 32  # … and for small ones 64 is too coarse to tell wide from landscape
SMALL = 512
EDGES_STAY = (Task.INPAINT, Task.OUTPAINT, Task.UPSCALE)
ASPECTS = {"square": (1, 1), "portrait": (2, 3), "landscape": (3, 2), "wide": (16, 9)}
_TYPED_SIZE = re.compile(r"\s*(\d{1,9})\s*[x×*]\s*(\d{1,9})\s*", re.IGNORECASE | re.ASCII)
_TYPED_ASPECT = re.compile(r"\s*([1-9]\d{0,3})\s*:\s*([1-9]\d{0,3})\s*", re.ASCII)


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
    guidance_interval: tuple[float, float] = ALL_STEPS
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
    check_task(task, model)
    sampler = _sampler(options.sampler, model, capabilities)
    steps = _steps(options.steps, model, sampler, limits)
    width, height = _size(options, task, model, limits)
    count = int(_between("count", options.count, 1, 1, limits.count))
    return GenerationRequest(
        owner=owner,
        task=task,
        model=model.name,
        prompt=check_prompt(options.prompt, limits),
        negative_prompt=check_text("negative_prompt", options.negative_prompt, limits),
        width=width,
        height=height,
        steps=steps,
        guidance_scale=_between(
            "guidance", options.guidance, model.defaults.guidance_scale, 0, limits.guidance_scale
        ),
        guidance_start=options.guidance_interval[0],
        guidance_end=options.guidance_interval[1],
        sampler=sampler.name,
        schedule=_schedule(options.schedule, model, sampler, capabilities),
        seed=int(_between("seed", options.seed, random_seed, 0, MAX_SEED)),
        count=count,
        strength=_strength(options, task, model, steps),
        format=options.format,
        variation_seed=_variation_seed(options),
        variation_strength=_between("variation_strength", options.variation_strength, 0, 0, 1),
        controls=chosen(options.controls, capabilities),
        vae=_vae(options.vae, capabilities),
        refiner=options.refiner,
        tiling=_tiling(options.tiling, task),
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


def find_model(wanted: str | None, capabilities: Capabilities, task: Task = Task.TXT2IMG) -> ModelInfo:
    """The model called `wanted`, by name or title in any case; for None the first that can do the task, or
    else the first. Raises Refused.
    """
    if not capabilities.models:
        raise Refused("The engine has no model to draw with.")
    if wanted is None:
        return next((model for model in capabilities.models if task in model.tasks), capabilities.models[0])
    for model in capabilities.models:
        if wanted.strip().casefold() in {model.name.casefold(), model.title.casefold()}:
            return model
    known = [model.name for model in capabilities.models]
    raise Refused(f"There is no model called {_quoted(wanted)}. {_known(wanted, known)}")


def preset_sizes(model: ModelInfo, limits: Limits) -> dict[str, tuple[int, int]]:
    """The named sizes in this model's own pixels: about the area it was trained on, in other shapes."""
    return {name: fit(aspect, model, limits) for name, aspect in ASPECTS.items()}


def fit(aspect: tuple[int, int], model: ModelInfo, limits: Limits) -> tuple[int, int]:
    """The size nearest to the model's own area with this aspect, in multiples of 64 pixels; 32 for small models."""
    step = SIZE_STEP if min(model.defaults.width, model.defaults.height) >= SMALL else SMALL_STEP
    return _fit(aspect, model, limits, step)


def _fit(aspect: tuple[int, int], model: ModelInfo, limits: Limits, step: int) -> tuple[int, int]:
    area = model.defaults.width * model.defaults.height
    wide = aspect[0] / aspect[1]
    longest = _longest(model, limits)

    def side(length: float) -> int:
        return min(max(round(length / step) * step, limits.min_side), longest)

    return side(math.sqrt(area * wide)), side(math.sqrt(area / wide))


def _size(options: Options, task: Task, model: ModelInfo, limits: Limits) -> tuple[int, int]:
    if task is Task.UPSCALE:
        return tasks.size_to_upscale(options.image, options.size, limits)
    if options.size is None:
        if options.image is not None:
            size, drawable = options.redraw.size(options.image, model, limits)
            return (
                size if drawable else _fit(size, model, limits, model.side_multiple)
            )  # its shape, not one nearby
        if options.depth is not None:
            return _fit(options.depth, model, limits, limits.side_multiple)
        return model.defaults.width, model.defaults.height
    name = options.size.strip().casefold()
    if name in ASPECTS:
        return fit(ASPECTS[name], model, limits)
    if shape := _TYPED_ASPECT.fullmatch(options.size):
        return fit((int(shape[1]), int(shape[2])), model, limits)
    typed = _TYPED_SIZE.fullmatch(options.size)
    if typed is None:
        raise Refused(
            f"size must be {', '.join(ASPECTS)}, a shape such as 4:5, or a width and a height such as 512x768; "
            f"it was {_quoted(options.size)}."
        )
    width, height = int(typed[1]), int(typed[2])
    _check_side("width", width, model, limits)
    _check_side("height", height, model, limits)
    if width * height > limits.pixels:
        raise Refused(
            f"size must be at most {limits.pixels} pixels in all; {width}x{height} is {width * height}."
        )
    return width, height


def _check_side(field: str, value: int, model: ModelInfo, limits: Limits) -> None:
    _between(field, value, value, limits.min_side, _longest(model, limits))
    if below := value % model.side_multiple:
        step = model.side_multiple
        raise Refused(
            f"{field} must be a multiple of {step}, such as {value - below} or {value - below + step}; "
            f"it was {value}."
        )


def _longest(model: ModelInfo, limits: Limits) -> int:
    longest = min(model.max_side, limits.max_side)
    return longest - longest % model.side_multiple


def check_task(task: Task, model: ModelInfo) -> None:
    """Raises Refused where the model cannot do this."""
    if task not in model.tasks:
        raise Refused(f"The model {model.name} cannot {MEANING[task]}.")


def check_prompt(text: str, limits: Limits) -> str:
    """The prompt as it is sent. Raises Refused."""
    if not any(char.isprintable() and not char.isspace() for char in text):
        raise Refused("prompt must not be empty.")
    return check_text("prompt", text, limits)


def check_text(field: str, text: str, limits: Limits) -> str:
    """The words of an option as they are sent. Raises Refused."""
    if len(text) > limits.prompt_chars:
        raise Refused(f"{field} must be at most {limits.prompt_chars} characters; it was {len(text)}.")
    # Neither NUL nor half a surrogate pair can be stored or sent on.
    return text.replace("\0", "").encode("utf-8", "replace").decode().strip()


def _steps(value: int | None, model: ModelInfo, sampler: SamplerInfo, limits: Limits) -> int:
    most = min(limits.steps, sampler.max_steps)
    if value is None:
        return min(model.defaults.steps, most)
    if most < value <= limits.steps:
        raise Refused(f"steps must be between 1 and {most} with {sampler.label}; it was {value}.")
    return int(_between("steps", value, value, 1, most))


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
    strength = _between("strength", options.strength, options.strength, MIN_STRENGTH, 1)
    if int(steps * strength) < 1:
        least = least_strength(steps)
        few = "1 step" if steps == 1 else f"{steps} steps"
        raise Refused(f"strength must be at least {least:g} with {few}; it was {strength:g}.")
    return strength


def _variation_seed(options: Options) -> int | None:
    if options.variation_seed is None:
        if options.variation_strength:
            raise Refused("variation_strength needs a variation_seed.")
        return None
    return int(_between("variation_seed", options.variation_seed, 0, 0, MAX_SEED))


def least_strength(steps: int) -> float:
    """The least, in hundredths, that leaves a step to draw: diffusers draws int(steps * strength) of them."""
    return math.ceil(100 / steps) / 100


def _sampler(wanted: str | None, model: ModelInfo, capabilities: Capabilities) -> SamplerInfo:
    name = model.defaults.sampler if wanted is None else wanted
    for sampler in capabilities.samplers:
        if name.strip().casefold() in {sampler.name.casefold(), sampler.label.casefold()}:
            return sampler
    known = [sampler.label for sampler in capabilities.samplers]
    raise Refused(f"There is no sampler called {_quoted(name)}. {_known(name, known)}")


def _tiling(wanted: str | None, task: Task) -> Seamless:
    try:
        tiling = Seamless.NONE if wanted is None else Seamless(wanted.strip().casefold())
    except ValueError:
        raise Refused(f"tiling must be one of {', '.join(Seamless)}; it was '{wanted:.40}'.") from None
    if tiling is not Seamless.NONE and task in EDGES_STAY:
        raise Refused(f"tiling does not go with {task}, which keeps the edges that are there.")
    return tiling


def _vae(wanted: str | None, capabilities: Capabilities) -> str | None:
    if wanted is None:
        return None
    for name in capabilities.vaes:
        if wanted.strip().casefold() == name.casefold():
            return name
    have = _known(wanted, capabilities.vaes) if capabilities.vaes else "The engine has none."
    raise Refused(f"There is no VAE called {_quoted(wanted)}. {have}")


def _schedule(
    wanted: str | None, model: ModelInfo, sampler: SamplerInfo, capabilities: Capabilities
) -> Schedule:
    if wanted is None:
        default = model.defaults.schedule
        return default if default in sampler.schedules else Schedule.AUTOMATIC
    for schedule in capabilities.schedules:
        if wanted.strip().casefold() in {schedule.name.casefold(), schedule.label.casefold()}:
            if schedule.name not in sampler.schedules:
                takes = ", ".join(sampler.schedules)
                raise Refused(
                    f"schedule {schedule.name} does not go with {sampler.label}, which takes {takes}."
                )
            return schedule.name
    known = [schedule.label for schedule in capabilities.schedules]
    raise Refused(f"There is no schedule called {_quoted(wanted)}. {_known(wanted, known)}")


def _between(field: str, value: float | None, default: float, low: float, high: float) -> float:
    if value is None:
        return default
    if not low <= value <= high:  # written so that NaN is refused too
        raise Refused(f"{field} must be between {low:.10g} and {high:.10g}; it was {value:.10g}.")
    return value


def _known(wanted: str, names: Sequence[str], most: int = 10) -> str:
    """The names to choose from, the likeliest first."""
    ranked = closest(wanted, names, most)
    more = "" if len(names) <= most else f" and {len(names) - most} more"
    return f"Known: {', '.join(ranked)}{more}."


def closest(typed: str, names: Iterable[str], most: int) -> list[str]:
    """At most `most` of `names`, the best match for what was typed first; all in order for nothing typed."""
    every = list(names)
    if not typed.strip():
        return every[:most]
    ranked = process.extract(typed.casefold(), every, scorer=fuzz.WRatio, processor=str.casefold, limit=most)
    return [name for name, _, _ in ranked]


def _quoted(text: str, most: int = 60) -> str:
    return f"'{text}'" if len(text) <= most else f"'{text[: most - 1]}…'"
