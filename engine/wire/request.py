"""What a person asked for, complete."""

from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, model_validator

from engine.wire.base import WireModel
from engine.wire.choices import Fill, Format, Preprocess, Safety, Sampler, Schedule, Seamless, Task
from engine.wire.limits import (
    DEFAULT_NOISE_LEVEL,
    DEFAULT_PADDING,
    MAX_BEST_OF,
    MAX_CLIP_SKIP,
    MAX_CONTROL_WEIGHT,
    MAX_CONTROLS,
    MAX_COUNT,
    MAX_GUIDANCE,
    MAX_HIRES_SCALE,
    MAX_MASK_BLUR,
    MAX_NOISE_LEVEL,
    MAX_PADDING,
    MAX_POST,
    MAX_PROMPT_CHARS,
    MAX_SEED,
    MAX_SIDE,
    MAX_STEPS,
    MIN_SIDE,
    SIDE_MULTIPLE,
    VERSION,
)
from engine.wire.post import PostStep


def _axes(value: Any) -> Any:
    """True and false are both axes and none, as A1111's box has it."""
    return {True: Seamless.BOTH, False: Seamless.NONE}[value] if isinstance(value, bool) else value


class Margins(WireModel):
    """How far outpaint extends the picture to each side, in pixels."""

    left: Annotated[int, Field(strict=True, ge=0, le=MAX_SIDE, multiple_of=SIDE_MULTIPLE)] = 0
    right: Annotated[int, Field(strict=True, ge=0, le=MAX_SIDE, multiple_of=SIDE_MULTIPLE)] = 0
    up: Annotated[int, Field(strict=True, ge=0, le=MAX_SIDE, multiple_of=SIDE_MULTIPLE)] = 0
    down: Annotated[int, Field(strict=True, ge=0, le=MAX_SIDE, multiple_of=SIDE_MULTIPLE)] = 0

    def around(self, size: tuple[int, int]) -> tuple[int, int]:
        """(width, height) of a picture of `size` with these margins."""
        return self.left + size[0] + self.right, self.up + size[1] + self.down


class Control(WireModel):
    """One picture that steers the drawing through the network `name`; for `controls[n]` it is the part `control-n`.

    `start` and `end` are fractions of the steps: it steers a step that lies between them.
    """

    name: Annotated[str, Field(min_length=1, max_length=128)]
    weight: Annotated[float, Field(strict=True, ge=0, le=MAX_CONTROL_WEIGHT, allow_inf_nan=False)] = 1.0
    start: Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] = 0.0
    end: Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] = 1.0
    preprocess: Preprocess = Preprocess.NONE


class Refiner(WireModel):
    """A second SDXL that draws the last steps. `switch_at`, in (0, 1), is the first one's share of the noise schedule.

    A1111's "Refiner" and "Switch at", diffusers' `denoising_end` and `denoising_start`.
    """

    model: Annotated[str, Field(min_length=1, max_length=128)]
    switch_at: Annotated[float, Field(strict=True, gt=0, lt=1, allow_inf_nan=False)] = 0.8


def upscaled_size(picture: tuple[int, int]) -> tuple[int, int]:
    """The `width` and `height` of a request to upscale a picture of (width, height): its own, rounded up to what a
    request may say. The result has UPSCALE_FACTOR times the picture's own, to the pixel.
    """
    width, height = (max(MIN_SIDE, -(-side // SIDE_MULTIPLE) * SIDE_MULTIPLE) for side in picture)
    return width, height


class Hires(WireModel):
    """A1111's "Hires. fix": the finished picture is enlarged, and drawn again on the larger size.

    `scale`, or `width` and `height`: one of the two. `steps` are drawn, whatever the strength; None: as many as the
    first time. `upscaler` is one of the capabilities' `upscalers` or `latent_upscalers`.
    """

    scale: Annotated[float, Field(strict=True, ge=1, le=MAX_HIRES_SCALE, allow_inf_nan=False)] | None = None
    width: Annotated[int, Field(strict=True, ge=MIN_SIDE, le=MAX_SIDE, multiple_of=SIDE_MULTIPLE)] | None = (
        None
    )
    height: Annotated[int, Field(strict=True, ge=MIN_SIDE, le=MAX_SIDE, multiple_of=SIDE_MULTIPLE)] | None = (
        None
    )
    steps: Annotated[int, Field(strict=True, ge=1, le=MAX_STEPS)] | None = None
    strength: Annotated[float, Field(strict=True, gt=0, le=1, allow_inf_nan=False)] = 0.7
    upscaler: Annotated[str, Field(min_length=1, max_length=128)] = "latent"

    def size(self, first: tuple[int, int]) -> tuple[int, int]:
        """(width, height) of the second pass, in whole cells, from those of the first."""
        if self.width is not None and self.height is not None:
            return self.width, self.height
        width, height = (int(side * (self.scale or 1)) // SIDE_MULTIPLE * SIDE_MULTIPLE for side in first)
        return width, height


# What a process request says of drawing where it says nothing: nothing of it is looked at.
UNDRAWN: Final = {
    "model": "none",
    "prompt": "",
    "width": MIN_SIDE,
    "height": MIN_SIDE,
    "steps": 1,
    "guidance_scale": 0.0,
    "sampler": Sampler.EULER,
    "seed": 0,
}


class GenerationRequest(WireModel):
    """One request for pictures, complete: the same request draws the same pictures.

    Image i of `count` is drawn as a single image with seed + i (modulo 2**32); with a `variation_strength` over 0
    as one with the same seed and variation_seed + i. The start noise lies so far between those of the two seeds.
    `owner` is opaque to the engine: jobs of one owner share that owner's turn in the queue.
    `strength` belongs to the tasks with an input image, in (0, 1]: how much of it is drawn anew.
    `mask_blur`, `fill`, `only_masked` and `padding` belong to inpaint, the last three to outpaint too, which needs
    `extend`. For both, `width` × `height` is what the network draws: the whole picture, or with `only_masked` the
    masked part and `padding` pixels around it. The result has the input's size, and the margins of `extend`.
    `mask_blur`, in pixels, softens the edge of what is put back: the deviation of a Gaussian.
    For upscale they are what `upscaled_size` says of the picture, and `noise_level`, in the upscaler's own 1000
    steps, is how noisy it is shown to the network: more noise, more that is made up.
    With `best_of`, so many candidates are drawn, each as image i of the request, and the `count` that a CLIP finds
    nearest to the prompt are kept, best first.
    Each of `controls` has a picture of its own, which is fitted to what is drawn as an input image is.
    `post` is done to every picture after it was drawn, in order. The task process does that alone, to a picture that
    was sent: it may leave out all that says how to draw. `hires` belongs to txt2img.
    The prompts are in the language of docs/commands.md. `clip_skip` counts as A1111: 1 is the text encoder's last
    layer, each more is one layer earlier; None is the model's default.
    `vae` names an autoencoder that takes the place of the model's own.
    Guidance acts on the steps that lie between `guidance_start` and `guidance_end`, fractions of them; the others are
    drawn without, in half of the time (Kynkäänniemi et al. 2024, arXiv 2404.07724); or after the end with
    `guidance_after` as their scale, where that is over 1. None is the model's default, where it also says the end.
    `tiling` makes pictures that can be laid side by side without a seam; it belongs to txt2img, img2img and depth2img.
    """

    version: Literal[1] = VERSION
    owner: Annotated[str, Field(max_length=64)] = ""
    task: Task = Task.TXT2IMG
    model: Annotated[str, Field(min_length=1, max_length=128)]
    prompt: Annotated[str, Field(max_length=MAX_PROMPT_CHARS)]
    negative_prompt: Annotated[str, Field(max_length=MAX_PROMPT_CHARS)] = ""
    width: Annotated[int, Field(strict=True, ge=MIN_SIDE, le=MAX_SIDE, multiple_of=SIDE_MULTIPLE)]
    height: Annotated[int, Field(strict=True, ge=MIN_SIDE, le=MAX_SIDE, multiple_of=SIDE_MULTIPLE)]
    steps: Annotated[int, Field(strict=True, ge=1, le=MAX_STEPS)]
    guidance_scale: Annotated[float, Field(strict=True, ge=0, le=MAX_GUIDANCE, allow_inf_nan=False)]
    guidance_start: Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] = 0.0
    guidance_end: Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] | None = None
    guidance_after: (
        Annotated[float, Field(strict=True, ge=0, le=MAX_GUIDANCE, allow_inf_nan=False)] | None
    ) = None
    sampler: Sampler
    schedule: Schedule = Schedule.AUTOMATIC
    seed: Annotated[int, Field(strict=True, ge=0, le=MAX_SEED)]
    count: Annotated[int, Field(strict=True, ge=1, le=MAX_COUNT)] = 1
    strength: Annotated[float, Field(strict=True, gt=0, le=1, allow_inf_nan=False)] | None = None
    format: Format = Format.PNG
    clip_skip: Annotated[int, Field(strict=True, ge=1, le=MAX_CLIP_SKIP)] | None = None
    variation_seed: Annotated[int, Field(strict=True, ge=0, le=MAX_SEED)] | None = None
    variation_strength: Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] = 0.0
    mask_blur: Annotated[int, Field(strict=True, ge=0, le=MAX_MASK_BLUR)] = 0
    fill: Fill = Fill.ORIGINAL
    only_masked: Annotated[bool, Field(strict=True)] = False
    padding: Annotated[int, Field(strict=True, ge=0, le=MAX_PADDING)] = DEFAULT_PADDING
    extend: Margins | None = None
    best_of: Annotated[int, Field(strict=True, ge=1, le=MAX_BEST_OF)] | None = None
    safety: Safety = Safety.OFF
    controls: Annotated[tuple[Control, ...], Field(max_length=MAX_CONTROLS)] = ()
    vae: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    refiner: Refiner | None = None
    noise_level: Annotated[int, Field(strict=True, ge=0, le=MAX_NOISE_LEVEL)] = DEFAULT_NOISE_LEVEL
    post: Annotated[tuple[PostStep, ...], Field(max_length=MAX_POST)] = ()
    hires: Hires | None = None
    tiling: Annotated[Seamless, BeforeValidator(_axes)] = Seamless.NONE

    @model_validator(mode="before")
    @classmethod
    def _without_drawing(cls, fields: Any) -> Any:
        """A process request need not name a model, a size and all the rest that draws."""
        if isinstance(fields, dict) and fields.get("task") == Task.PROCESS:
            return UNDRAWN | fields
        return fields

    @property
    def always_guided(self) -> bool:
        """Whether guidance acts on every step, where there is any."""
        return self.guidance_interval == (0.0, 1.0)

    @property
    def guidance_interval(self) -> tuple[float, float]:
        """Between which fractions of the steps guidance acts."""
        return self.guidance_start, 1.0 if self.guidance_end is None else self.guidance_end

    @property
    def candidates(self) -> int:
        """How many images are drawn, of which `count` are kept."""
        return self.best_of or self.count

    def image_seed(self, index: int) -> int:
        """The seed that draws image `index` of this request alone."""
        if self.variation_strength > 0:
            return self.seed
        return (self.seed + index) % (MAX_SEED + 1)

    def image_variation_seed(self, index: int) -> int | None:
        """The variation seed of image `index`; None where it has none, or none that matters."""
        if self.variation_seed is None or self.variation_strength == 0:
            return None
        return (self.variation_seed + index) % (MAX_SEED + 1)
