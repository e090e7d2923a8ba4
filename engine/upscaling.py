"""What a request to upscale may say, and how large its picture may be. Pure."""

from engine.errors import Refusal
from engine.wire import (
    DEFAULT_NOISE_LEVEL,
    MAX_SIDE,
    MAX_UPSCALE_PIXELS,
    UPSCALE_FACTOR,
    GenerationRequest,
    Task,
    upscaled_size,
)


def check(request: GenerationRequest) -> None:
    """Raises Refusal invalid_field."""
    if request.task is not Task.UPSCALE and request.noise_level != DEFAULT_NOISE_LEVEL:
        raise _invalid("noise_level", f"noise_level belongs to upscale; the task was {request.task}.")


def check_picture(request: GenerationRequest, size: tuple[int, int]) -> None:
    """Raises Refusal image_too_large, and invalid_field where the request is not of the picture's (width, height)."""
    if request.task is not Task.UPSCALE:
        return
    width, height = size
    if width * height > MAX_UPSCALE_PIXELS or max(size) > MAX_SIDE:
        raise Refusal(
            "image_too_large",
            f"To be enlarged {UPSCALE_FACTOR} times the input image must have at most {MAX_UPSCALE_PIXELS} pixels"
            f" and {MAX_SIDE} a side; it was {width} × {height} ({width * height}).",
            field="image",
        )
    asked = (request.width, request.height)
    for field, side, own, right in zip(("width", "height"), asked, size, upscaled_size(size), strict=True):
        if side != right:
            raise _invalid(
                field,
                f"{field} must be {right} to upscale this picture, whose {field} is {own}; it was {side}.",
                hint=str(right),
            )


def _invalid(field: str, message: str, hint: str | None = None) -> Refusal:
    return Refusal("invalid_field", message, field=field, hint=hint)
