"""Which requests have a depth image, and what goes with it. Pure."""

from engine.errors import Refusal
from engine.wire import GenerationRequest, ModelInfo, Task


def check(request: GenerationRequest, model: ModelInfo, *, has_image: bool, has_depth: bool) -> None:
    """Raises Refusal naming the field: depth_missing, invalid_field."""
    if request.task is not Task.DEPTH2IMG:
        if has_depth:
            raise _invalid("depth", f"{request.task} takes no depth image; one was sent.", hint="depth2img")
        return
    if not has_depth:
        if has_image and not model.estimates_depth:
            raise Refusal(
                "depth_missing",
                f"{model.name} cannot estimate the depth of a picture: depth2img needs a depth image with it,"
                " and none was sent.",
                field="depth",
            )
        return
    if not has_image and request.strength not in (None, 1):
        raise _invalid(
            "strength",
            "strength must be 1 with a depth image alone: there is no picture to keep anything of;"
            f" it was {request.strength:g}.",
            hint="strength 1",
        )


def _invalid(field: str, message: str, hint: str | None = None) -> Refusal:
    return Refusal("invalid_field", message, field=field, hint=hint)
