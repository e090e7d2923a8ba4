"""The pictures of one request, clean and fitting together. Blocking: call from a thread."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from PIL import Image

from engine.errors import Refusal
from engine.images.decoding import control_part, decode_input, decode_mask
from engine.wire import MAX_INPUT_PIXELS, GenerationRequest

NO_CONTROLS: Mapping[int, bytes] = MappingProxyType({})


@dataclass(frozen=True)
class Inputs:
    """`image` is an RGB PNG; `mask` one of the same size in black and white. None where there is none.

    `controls` are RGB PNGs of any size.
    """

    image: bytes | None = None
    mask: bytes | None = None
    controls: tuple[bytes, ...] = ()


def decode_inputs(
    request: GenerationRequest,
    image: bytes | None,
    mask: bytes | None,
    controls: Mapping[int, bytes] = NO_CONTROLS,
) -> Inputs:
    """What was sent with a valid request. Raises Refusal: image_too_large, image_unreadable, mask_unreadable,
    control_unreadable, invalid_field for a mask that does not fit and for a canvas that is too large.
    """
    pictures = tuple(decode_input(controls[index], control_part(index)) for index in sorted(controls))
    if image is None:
        return Inputs(controls=pictures)
    png = decode_input(image)
    size = _size(png)
    _check_canvas(request, size)
    return Inputs(png, None if mask is None else decode_mask(mask, size), pictures)


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
