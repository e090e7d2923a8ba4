"""The pictures of one request, clean and fitting together. Blocking: call from a thread."""

import io
from dataclasses import dataclass

from PIL import Image

from engine.errors import Refusal
from engine.images.decoding import decode_input, decode_mask
from engine.postprocessing import check_sizes
from engine.wire import MAX_INPUT_PIXELS, GenerationRequest


@dataclass(frozen=True)
class Inputs:
    """`image` is an RGB PNG of `size` (width, height); `mask` one of the same size in black and white. None where
    there is none.
    """

    image: bytes | None = None
    mask: bytes | None = None
    size: tuple[int, int] | None = None


def decode_inputs(request: GenerationRequest, image: bytes | None, mask: bytes | None) -> Inputs:
    """What was sent with a valid request. Raises Refusal: image_too_large, image_unreadable, mask_unreadable,
    invalid_field for a mask that does not fit, and for a canvas or a result that is too large.
    """
    if image is None:
        check_sizes(request, None)
        return Inputs()
    png = decode_input(image)
    size = _size(png)
    _check_canvas(request, size)
    check_sizes(request, size)
    return Inputs(png, None if mask is None else decode_mask(mask, size), size)


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
