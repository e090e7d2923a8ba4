"""What a request chooses from: tasks, samplers, schedules, formats and the like."""

from enum import StrEnum
from typing import Final


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


class Resizing(StrEnum):
    """How a picture of another shape gets its new size."""

    STRETCH = "stretch"  # A1111's "Just resize"
    CROP = "crop"  # fills the size; what stands over is cut off around the middle: "Crop and resize"
    FIT = "fit"  # as large as it goes into the size, which it need not fill


MEDIA_TYPES: Final = {kind: f"image/{kind}" for kind in Format}
