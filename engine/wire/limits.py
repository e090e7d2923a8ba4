"""The hard limits, the same for every model and every engine. A model may offer less: see `ModelInfo`."""

from typing import Final

from engine.wire.base import WireModel

VERSION: Final = 1

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
