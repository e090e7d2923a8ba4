"""What is done to a finished picture, step by step: the parts of a request's `post`."""

from typing import Annotated, Literal

from pydantic import Field

from engine.wire.base import WireModel
from engine.wire.choices import Resizing
from engine.wire.limits import MAX_POST_SCALE, MAX_RESULT_SIDE, MIN_INPUT_SIDE

PostSide = Annotated[int, Field(strict=True, ge=MIN_INPUT_SIDE, le=MAX_RESULT_SIDE)]
Factor = Annotated[float, Field(strict=True, ge=0, le=4, allow_inf_nan=False)]  # 1 changes nothing


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
