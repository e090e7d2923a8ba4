"""The contract between bot and engine: what crosses the wire, and nothing else.

The only engine module that the bot may import. Pydantic and constants: no torch, no aiohttp.
Unknown fields are errors on both sides; `VERSION` changes when an old peer would misread a new one.
The routes are documented in docs/api.md.
"""

from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, model_validator

VERSION: Final = 1

# Hard limits, the same for every model and every engine. A model may offer less: see `ModelInfo`.
MAX_PROMPT_CHARS = 2000
MAX_STEPS = 150
MAX_COUNT = 4
MAX_BEST_OF = 16
MIN_SIDE = 64
MAX_SIDE = 2048
SIDE_MULTIPLE = 8  # the autoencoder's factor: a latent cell is 8 × 8 pixels
MAX_PIXELS = 4 * 1024 * 1024
MAX_GUIDANCE = 30.0
MAX_SEED = 2**32 - 1
MAX_CLIP_SKIP = 12  # layers of CLIP ViT-L, the smallest text encoder of a released model
MAX_INPUT_BYTES = 20 * 1024 * 1024
MAX_INPUT_PIXELS = 16 * 1024 * 1024
MIN_INPUT_SIDE = 8
MAX_MASK_BLUR = 64  # A1111's sliders
MAX_PADDING = 256
DEFAULT_PADDING = 32
UPSCALE_FACTOR = 4  # along a side: what SD's upscaler was trained for
MAX_UPSCALE_PIXELS = MAX_INPUT_PIXELS // UPSCALE_FACTOR**2  # what comes out may be put in again
MAX_NOISE_LEVEL = 350  # Stability's `max_noise_level` of the upscaler
DEFAULT_NOISE_LEVEL = 20
MAX_CONTROLS = 3  # each may cost half as much again as the picture itself
MAX_CONTROL_WEIGHT = 2.0
MAX_POST = 8
MAX_POST_SCALE = 8.0  # A1111's slider
MAX_HIRES_SCALE = 4.0
MAX_RESULT_SIDE = 8192
MAX_RESULT_PIXELS = MAX_INPUT_PIXELS  # what was processed may be processed again
INPUT_FORMATS = ("PNG", "JPEG", "WEBP")
HEARTBEAT_S = 10.0  # an event stream is never silent for longer
JOB_ID_PATTERN = r"^[A-Za-z0-9_-]{1,64}$"


class WireModel(BaseModel):
    """Frozen, and strict about names: a misspelt field is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Task(StrEnum):
    TXT2IMG = "txt2img"
    IMG2IMG = "img2img"
    INPAINT = "inpaint"
    OUTPAINT = "outpaint"
    DEPTH2IMG = "depth2img"
    UPSCALE = "upscale"
    DESCRIBE = "describe"  # a picture to a text: nothing is drawn
    PROCESS = "process"  # A1111's "Extras": a picture that is there, and `post`; no model draws

    @property
    def takes_image(self) -> bool:
        """Whether it starts from a picture."""
        return self is not Task.TXT2IMG

    @property
    def needs_model(self) -> bool:
        """Whether it needs one of the models; processing does not."""
        return self is not Task.PROCESS

    @property
    def has_strength(self) -> bool:
        """Whether it keeps something of the picture, so that one says how much."""
        return self.takes_image and self not in (Task.UPSCALE, Task.DESCRIBE, Task.PROCESS)


class Sampler(StrEnum):
    """A1111's first menu. Labels and the schedules each one takes: `engine/samplers.py`."""

    EULER = "euler"
    EULER_A = "euler_a"
    DPMPP_2M = "dpmpp_2m"
    DPMPP_2M_SDE = "dpmpp_2m_sde"
    DDIM = "ddim"
    PLMS = "plms"
    UNIPC = "unipc"
    LCM = "lcm"
    TCD = "tcd"


class Schedule(StrEnum):
    """A1111's second menu. `automatic` is the sampler's own default."""

    AUTOMATIC = "automatic"
    NORMAL = "normal"
    KARRAS = "karras"
    EXPONENTIAL = "exponential"
    SGM_UNIFORM = "sgm_uniform"


class Format(StrEnum):
    """What a picture's file is. Only PNG keeps every pixel."""

    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"


class Fill(StrEnum):
    """What the masked part of the picture starts from: A1111's "Masked content"."""

    ORIGINAL = "original"
    FILL = "fill"  # the colours around it, blurred
    NOISE = "noise"
    NOTHING = "nothing"


class Safety(StrEnum):
    """What becomes of a picture that a safety checker flags, laxest first."""

    OFF = "off"  # nothing is checked
    PASS = "pass"  # it is shown, with the verdict
    BLUR = "blur"
    BLOCK = "block"  # it is not written at all

    @property
    def hides(self) -> bool:
        """Whether a flagged picture is kept from people."""
        return self in (Safety.BLUR, Safety.BLOCK)


class Seamless(StrEnum):
    """Along which axes opposite edges of a picture go on in each other: A1111's "Tiling", and InvokeAI's axes."""

    NONE = "none"
    X = "x"  # the left edge and the right one
    Y = "y"  # the upper edge and the lower one
    BOTH = "both"

    @property
    def across(self) -> bool:
        return self in (Seamless.X, Seamless.BOTH)

    @property
    def down(self) -> bool:
        return self in (Seamless.Y, Seamless.BOTH)


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


class ControlKind(StrEnum):
    """How a picture steers: by what it is added to."""

    CONTROLNET = "controlnet"  # Zhang et al. 2023, arXiv 2302.05543
    T2I_ADAPTER = "t2i_adapter"  # Mou et al. 2023, arXiv 2302.08453
    IP_ADAPTER = "ip_adapter"  # Ye et al. 2023, arXiv 2308.06721


class Preprocess(StrEnum):
    """What is made of a control picture before the network sees it."""

    NONE = "none"
    CANNY = "canny"  # the edges of a picture, white on black
    SCRIBBLE = "scribble"  # dark strokes on light paper, as white on black
    INVERT = "invert"  # the negative


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


PostSide = Annotated[int, Field(strict=True, ge=MIN_INPUT_SIDE, le=MAX_RESULT_SIDE)]
Factor = Annotated[float, Field(strict=True, ge=0, le=4, allow_inf_nan=False)]  # 1 changes nothing


class Resizing(StrEnum):
    """How a picture of another shape gets its new size."""

    STRETCH = "stretch"  # A1111's "Just resize"
    CROP = "crop"  # fills the size; what stands over is cut off around the middle: "Crop and resize"
    FIT = "fit"  # as large as it goes into the size, which it need not fill


class Upscale(WireModel):
    """Enlarge by an upscaler of the capabilities. What its own factor is too much or too little, Lanczos mends."""

    type: Literal["upscale"] = "upscale"
    upscaler: Annotated[str, Field(min_length=1, max_length=128)]
    scale: Annotated[float, Field(strict=True, ge=1, le=MAX_POST_SCALE, allow_inf_nan=False)] = 2.0


class RestoreFaces(WireModel):
    """Draw the faces that are found anew by a restorer of the capabilities, and lay them `strength` opaque over the
    old ones. Where none is found the picture stays as it is.
    """

    type: Literal["faces"] = "faces"
    restorer: Annotated[str, Field(min_length=1, max_length=128)]
    strength: Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] = 1.0


class Sharpen(WireModel):
    """Unsharp mask: `amount` 1 adds all that a Gaussian of `radius` pixels would take away."""

    type: Literal["sharpen"] = "sharpen"
    amount: Annotated[float, Field(strict=True, ge=0, le=5, allow_inf_nan=False)] = 0.5
    radius: Annotated[float, Field(strict=True, gt=0, le=16, allow_inf_nan=False)] = 1.0


class Denoise(WireModel):
    """Smooth what is not an edge: 0 changes nothing, at 1 only the strongest edges stay."""

    type: Literal["denoise"] = "denoise"
    strength: Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] = 0.3


class Colour(WireModel):
    """Factors, of which 1 changes nothing, and `temperature` from -1 (bluer) to 1 (redder)."""

    type: Literal["colour"] = "colour"
    brightness: Factor = 1.0
    contrast: Factor = 1.0
    saturation: Factor = 1.0
    temperature: Annotated[float, Field(strict=True, ge=-1, le=1, allow_inf_nan=False)] = 0.0


class Crop(WireModel):
    """The part of the picture whose upper left corner is at (x, y), in pixels."""

    type: Literal["crop"] = "crop"
    x: Annotated[int, Field(strict=True, ge=0, le=MAX_RESULT_SIDE)] = 0
    y: Annotated[int, Field(strict=True, ge=0, le=MAX_RESULT_SIDE)] = 0
    width: PostSide
    height: PostSide


class Resize(WireModel):
    type: Literal["resize"] = "resize"
    width: PostSide
    height: PostSide
    how: Resizing = Resizing.STRETCH


PostStep = Annotated[
    Upscale | RestoreFaces | Sharpen | Denoise | Colour | Crop | Resize, Field(discriminator="type")
]


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

MEDIA_TYPES: Final = {kind: f"image/{kind}" for kind in Format}


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
    drawn without, in half of the time (Kynkäänniemi et al. 2024, arXiv 2404.07724).
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
    guidance_end: Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] = 1.0
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
        return (self.guidance_start, self.guidance_end) == (0.0, 1.0)

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


class ErrorBody(WireModel):
    """Every refusal and every failure. `message` may be shown to a person as it is.

    The codes are the rows of the table in docs/api.md. `field` is the request field to change,
    `hint` says what would work, `retryable` whether the same request may succeed later.
    """

    code: str
    message: str
    field: str | None = None
    hint: str | None = None
    retryable: bool = False


class SafetyVerdict(WireModel):
    """What the safety checkers found. `score` is how far the likeliest `concept` is over its limit: flagged over 0."""

    flagged: bool
    score: float
    concept: str | None = None


class ImageInfo(WireModel):
    """One finished image; its bytes are at `/v1/jobs/{id}/images/{index}`.

    `score` is the cosine, in [-1, 1], between picture and prompt by a CLIP, where `best_of` asked for it.
    """

    index: int
    seed: int
    width: int
    height: int
    media_type: str
    bytes: int
    sha256: str
    infotext: str
    score: float | None = None
    safety: SafetyVerdict | None = None

    @property
    def file_name(self) -> str:
        """What its file is called in the job's folder, such as `0.png`."""
        return f"{self.index}.{self.media_type.removeprefix('image/')}"


class Queued(WireModel):
    """Waiting in the front's queue. `position` 1 is next; `eta_s` until it is drawn, None before anything was timed."""

    type: Literal["queued"] = "queued"
    position: Annotated[int, Field(ge=1)]
    eta_s: float | None = None


class Loading(WireModel):
    """The worker is loading the job's model."""

    type: Literal["loading"] = "loading"
    model: str


class Progress(WireModel):
    """Steps done over all of the job's images, of steps in all. `preview` is a base64 JPEG, at most 256 pixels wide."""

    type: Literal["progress"] = "progress"
    step: int
    steps: int
    eta_s: float | None = None
    preview: str | None = None


class Finished(WireModel):
    """All images are in the engine's spool. `notices` are sentences for the person, e.g. that a prompt was cut.

    `description` is what `describe` found, which has no images.
    """

    type: Literal["finished"] = "finished"
    images: tuple[ImageInfo, ...]
    seconds: float
    notices: tuple[str, ...] = ()
    description: str | None = None


class Failed(WireModel):
    type: Literal["failed"] = "failed"
    error: ErrorBody


class Cancelled(WireModel):
    type: Literal["cancelled"] = "cancelled"


Event = Annotated[Queued | Loading | Progress | Finished | Failed | Cancelled, Field(discriminator="type")]
TERMINAL = (Finished, Failed, Cancelled)
EVENT: TypeAdapter[Event] = TypeAdapter(Event)


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


class Limits(WireModel):
    """The hard limits above, and how many jobs the front's queue holds."""

    prompt_chars: int = MAX_PROMPT_CHARS
    steps: int = MAX_STEPS
    count: int = MAX_COUNT
    best_of: int = MAX_BEST_OF
    min_side: int = MIN_SIDE
    max_side: int = MAX_SIDE
    side_multiple: int = SIDE_MULTIPLE
    pixels: int = MAX_PIXELS
    guidance_scale: float = MAX_GUIDANCE
    clip_skip: int = MAX_CLIP_SKIP
    input_bytes: int = MAX_INPUT_BYTES
    input_pixels: int = MAX_INPUT_PIXELS
    input_side: int = MIN_INPUT_SIDE
    mask_blur: int = MAX_MASK_BLUR
    padding: int = MAX_PADDING
    upscale_pixels: int = MAX_UPSCALE_PIXELS
    noise_level: int = MAX_NOISE_LEVEL
    controls: int = MAX_CONTROLS
    control_weight: float = MAX_CONTROL_WEIGHT
    post: int = MAX_POST
    post_scale: float = MAX_POST_SCALE
    hires_scale: float = MAX_HIRES_SCALE
    result_side: int = MAX_RESULT_SIDE
    result_pixels: int = MAX_RESULT_PIXELS
    input_formats: tuple[str, ...] = INPUT_FORMATS
    queue: int = 100


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
