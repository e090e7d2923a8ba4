"""The pictures of one request: as they were sent, clean and fitting together, and as files.

Decoding blocks: call it from a thread.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from engine import upscaling
from engine.errors import Refusal
from engine.images.decoding import control_part, decode_depth, decode_input, decode_mask
from engine.postprocessing import check_sizes
from engine.wire import MAX_INPUT_PIXELS, GenerationRequest

SAME_SHAPE = 0.05  # by so much the proportions of a depth image may differ: estimators round the sides


@dataclass(frozen=True)
class Sent:
    """The bytes that came with a request, from a stranger. `controls` are by their number in the request."""

    image: bytes | None = None
    mask: bytes | None = None
    depth: bytes | None = None
    controls: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class InputFiles:
    """Where the pictures of a job lie, as PNGs."""

    image: Path | None = None
    mask: Path | None = None
    depth: Path | None = None
    controls: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Inputs:
    """`image` is an RGB PNG of `size` (width, height); `mask` one of the same size in black and white; `depth` a grey
    one of the same shape.

    None where there is none. `controls` are RGB PNGs of any size.
    """

    image: bytes | None = None
    mask: bytes | None = None
    depth: bytes | None = None
    controls: tuple[bytes, ...] = ()
    size: tuple[int, int] | None = None


def decode_inputs(request: GenerationRequest, sent: Sent) -> Inputs:
    """What was sent with a valid request. Raises Refusal: image_too_large, image_unreadable, mask_unreadable,
    depth_unreadable, control_unreadable, invalid_field for a mask or a depth image that does not fit, a canvas or a
    result that is too large, and the size of another picture.
    """
    controls = tuple(decode_input(sent.controls[n], control_part(n)) for n in sorted(sent.controls))
    depth = None if sent.depth is None else decode_depth(sent.depth)
    if sent.image is None:
        check_sizes(request, None)
        return Inputs(depth=depth, controls=controls)
    png = decode_input(sent.image)
    size = _size(png)
    _check_canvas(request, size)
    upscaling.check_picture(request, size)
    check_sizes(request, size)
    if depth is not None:
        _check_shape(_size(depth), size)
    mask = None if sent.mask is None else decode_mask(sent.mask, size)
    return Inputs(image=png, mask=mask, depth=depth, controls=controls, size=size)


def _check_shape(depth: tuple[int, int], size: tuple[int, int]) -> None:
    """Both fill the request's size: cut differently they would not lie on each other any more."""
    if abs(depth[0] * size[1] - depth[1] * size[0]) > SAME_SHAPE * depth[1] * size[0]:
        raise Refusal(
            "invalid_field",
            f"The depth image must have the proportions of the input image, {size[0]} × {size[1]};"
            f" it was {depth[0]} × {depth[1]}.",
            field="depth",
        )


def _check_canvas(request: GenerationRequest, size: tuple[int, int]) -> None:
    """What is outpainted may be outpainted again: the result is no larger than an input may be."""
    if request.extend is None:
        return
    width, height = request.extend.around(size)
    if width * height > MAX_INPUT_PIXELS:
        raise Refusal(
            "invalid_field",
            f"extend must leave the picture at most {MAX_INPUT_PIXELS} pixels; it would be {width} × {height}"
            f" ({width * height}).",
            field="extend",
            hint="smaller margins, or a smaller picture",
        )


def _size(png: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(png)) as image:
        return image.size
