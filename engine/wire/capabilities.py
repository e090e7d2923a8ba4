"""What an engine says of itself: the bot never guesses."""

from typing import Literal

from engine.wire.base import WireModel
from engine.wire.choices import ControlKind, Safety, Sampler, Schedule, Task
from engine.wire.limits import MAX_SIDE, MAX_STEPS, SIDE_MULTIPLE, VERSION, Limits


class Defaults(WireModel):
    """What a request to this model uses where a person says nothing."""

    width: int
    height: int
    steps: int
    guidance_scale: float
    strength: float
    sampler: Sampler
    schedule: Schedule
    clip_skip: int = 1
    guidance_end: float = 1.0
    guidance_after: float = 1.0


class Weights(WireModel):
    """How many parameters the networks of a model have: what it takes of memory, whatever the number format."""

    text: int
    unet: int
    vae: int


class Memory(WireModel):
    """What the device may use: `bytes`, and how many each `number` takes.

    `apart`: models can be moved out into the host's memory. `slow_but_sure`: what does not fit is drawn on the CPU.
    """

    bytes: int
    number: int
    apart: bool = True
    slow_but_sure: bool = False


class ModelInfo(WireModel):
    """A model as a person may choose it. `notice` is shown with every picture it draws, e.g. that it is untrained.

    One with its `own_pipeline` keeps the sampler and schedule of its defaults; its sides are multiples of
    `side_multiple`.
    `estimates_depth`: whether depth2img needs no depth image, since the model finds the depth of the input itself.
    `ranked` says whether a CLIP is there for `best_of`, `checked` whether a safety checker is.
    """

    name: str
    title: str
    family: str
    tasks: tuple[Task, ...]
    defaults: Defaults
    max_side: int = MAX_SIDE
    side_multiple: int = SIDE_MULTIPLE
    own_pipeline: bool = False
    notice: str = ""
    estimates_depth: bool = False
    ranked: bool = False
    checked: bool = False
    weights: Weights | None = None


class ControlInfo(WireModel):
    """A network by which pictures steer, and the family of the models that it was trained for."""

    name: str
    kind: ControlKind
    family: str


class SamplerInfo(WireModel):
    name: Sampler
    label: str
    schedules: tuple[Schedule, ...]
    max_steps: int = MAX_STEPS


class ScheduleInfo(WireModel):
    name: Schedule
    label: str


class Readiness(WireModel):
    """What `/readyz` answers: whether pictures can be drawn now, else the `reason`; and how many jobs there are."""

    status: Literal["ready", "not ready"]
    reason: str = ""
    running: int
    waiting: int


STARTING = "starting"  # the device, while the worker has not said what it is


class Capabilities(WireModel):
    """What this engine can draw. `boot_id` changes with every start of the front.

    The first of `models` is the default. `upscalers` may be named in `post` and in `hires`, `latent_upscalers` in
    `hires` alone, `restorers` in `post`. `device` says what draws, in words; `memory` what it may use, where that is
    known. `safety` is the least that every request gets, whatever it asks for.
    """

    version: Literal[1] = VERSION
    boot_id: str
    device: str
    models: tuple[ModelInfo, ...]
    samplers: tuple[SamplerInfo, ...]
    schedules: tuple[ScheduleInfo, ...]
    loras: tuple[str, ...] = ()
    embeddings: tuple[str, ...] = ()
    vaes: tuple[str, ...] = ()
    upscalers: tuple[str, ...] = ()
    restorers: tuple[str, ...] = ()
    safety: Safety = Safety.OFF
    memory: Memory | None = None
    controls: tuple[ControlInfo, ...] = ()
    latent_upscalers: tuple[str, ...] = ()
    limits: Limits = Limits()
