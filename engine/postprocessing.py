"""What is done to a picture after it was drawn, as far as the front must know: names, sizes, costs. Pure."""

from collections.abc import Iterator

from engine import upscalers, violations
from engine.errors import Refusal
from engine.wire import (
    MAX_RESULT_PIXELS,
    MAX_RESULT_SIDE,
    MIN_INPUT_SIDE,
    UPSCALE_FACTOR,
    Capabilities,
    Crop,
    GenerationRequest,
    PostStep,
    Resize,
    Resizing,
    RestoreFaces,
    Task,
    Upscale,
)

Size = tuple[int, int]  # width, height

STEPS_OF_AN_UPSCALER = 6  # RealESRGAN x4 computes per pixel what a guided step of SD 1.5 does six times over
FILTERS_OF_A_STEP = 16
FACES_OF_A_STEP = 2  # looking for faces takes longer than a filter; how many there are nobody knows yet


def check(request: GenerationRequest, capabilities: Capabilities) -> None:
    """Raises Refusal naming the field: unknown_upscaler, invalid_field."""
    for index, step in enumerate(request.post):
        if isinstance(step, Upscale):
            upscalers.check(step.upscaler, capabilities.upscalers, field=f"post.{index}.upscaler")
        elif isinstance(step, RestoreFaces):
            _check_restorer(step.restorer, capabilities.restorers, field=f"post.{index}.restorer")
    if request.task is not Task.PROCESS:
        return
    if not request.post:
        raise _invalid("post", "post must have at least one step: process does nothing else.", "upscale")
    if request.count != 1:
        raise _invalid("count", f"count must be 1 for process, which has one result; it was {request.count}.")


def _check_restorer(name: str, known: tuple[str, ...], *, field: str) -> None:
    """Also for whatever looks like a path."""
    if name not in known:
        have = f"Known: {', '.join(known)}." if known else "This engine has none."
        message = f"There is no face restorer called '{name:.60}'. {have}"
        raise Refusal("unknown_restorer", message, field=field, hint=violations.near(name, known))


def restorers_of(request: GenerationRequest) -> tuple[str, ...]:
    """The face restorers that a request needs, each once."""
    return tuple(dict.fromkeys(step.restorer for step in request.post if isinstance(step, RestoreFaces)))


def check_sizes(request: GenerationRequest, given: Size | None) -> None:
    """That every step's result is a picture we take on. `given` is the input's size. Raises Refusal invalid_field."""
    for index, (step, before, after) in enumerate(_along(request, given)):
        field = f"post.{index}"
        if isinstance(step, Crop) and (step.x + step.width > before[0] or step.y + step.height > before[1]):
            raise _invalid(
                field,
                f"{field} must crop within the picture, which is {_said(before)} there; it was"
                f" {step.width} × {step.height} at ({step.x}, {step.y}).",
            )
        if min(after) < MIN_INPUT_SIDE:
            raise _invalid(
                field,
                f"{field} must leave at least {MIN_INPUT_SIDE} pixels a side; it would be {_said(after)}.",
            )
        if max(after) > MAX_RESULT_SIDE or after[0] * after[1] > MAX_RESULT_PIXELS:
            raise _invalid(
                field,
                f"{field} must leave at most {MAX_RESULT_SIDE} pixels a side and {MAX_RESULT_PIXELS} in all;"
                f" it would be {_said(after)} ({after[0] * after[1]}).",
                "a smaller scale",
            )


def drawn_size(request: GenerationRequest, given: Size | None) -> Size:
    """The size of a request's pictures before `post`."""
    if given is not None and request.extend is not None:
        return request.extend.around(given)
    if given is not None and request.task in (Task.INPAINT, Task.PROCESS):
        return given
    if request.task is Task.UPSCALE:
        size = given or (request.width, request.height)
        return UPSCALE_FACTOR * size[0], UPSCALE_FACTOR * size[1]
    first = request.width, request.height
    return first if request.hires is None else request.hires.size(first)


def size_after(step: PostStep, size: Size) -> Size:
    """What a step makes of a picture of `size`."""
    match step:
        case Upscale():
            return round(size[0] * step.scale), round(size[1] * step.scale)
        case Crop():
            return step.width, step.height
        case Resize(how=Resizing.FIT):
            return fitted(size, (step.width, step.height))
        case Resize():
            return step.width, step.height
        case _:
            return size


def fitted(size: Size, into: Size) -> Size:
    """The largest size of the same shape that goes into `into`."""
    scale = min(into[0] / size[0], into[1] / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def cost_of(request: GenerationRequest, given: Size | None) -> int:
    """What the steps cost for one picture, in pixels × steps of drawing."""
    cost = 0
    for step, before, _ in _along(request, given):
        pixels = before[0] * before[1]
        if isinstance(step, Upscale) and upscalers.is_network(step.upscaler):
            cost += pixels * STEPS_OF_AN_UPSCALER
        else:
            cost += pixels // (FACES_OF_A_STEP if isinstance(step, RestoreFaces) else FILTERS_OF_A_STEP)
    return cost


def _along(request: GenerationRequest, given: Size | None) -> Iterator[tuple[PostStep, Size, Size]]:
    """Each step with the picture's size before and after it."""
    size = drawn_size(request, given)
    for step in request.post:
        after = size_after(step, size)
        yield step, size, after
        size = after


def _said(size: Size) -> str:
    return f"{size[0]} × {size[1]}"


def _invalid(field: str, message: str, hint: str | None = None) -> Refusal:
    return Refusal("invalid_field", message, field=field, hint=hint)
