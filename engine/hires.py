"""The second pass of A1111's "Hires. fix": what may be asked for, and what that is as image-to-image. Pure.

A1111 draws `steps` steps in the second pass whatever the strength, where image-to-image draws a share of them. Its
schedule has steps / strength steps, of which the last `steps` are drawn.
"""

from engine import upscalers
from engine.errors import Refusal
from engine.samplers import SAMPLERS
from engine.wire import MAX_PIXELS, Capabilities, GenerationRequest, Hires, ModelInfo, Task


def second_request(request: GenerationRequest, hires: Hires) -> GenerationRequest:
    """The second pass, as the img2img request that starts from the enlarged picture with the same seed."""
    width, height = hires.size((request.width, request.height))
    changes = {
        "task": Task.IMG2IMG,
        "width": width,
        "height": height,
        "steps": schedule_steps(request, hires),
        "strength": hires.strength,
        "hires": None,
    }
    return request.model_copy(update=changes)


def drawn_steps(request: GenerationRequest, hires: Hires) -> int:
    """How many steps the second pass draws."""
    return hires.steps or request.steps


def schedule_steps(request: GenerationRequest, hires: Hires) -> int:
    """The steps of a schedule of which img2img draws just `drawn_steps`, which are int(this × strength)."""
    drawn = drawn_steps(request, hires)
    steps = int(drawn / hires.strength)
    while int(steps * hires.strength) < drawn:  # one more, and another where a float lies just below a whole
        steps += 1
    return steps


def cost_of(request: GenerationRequest) -> int:
    """What the second pass costs, in pixels × steps."""
    if request.hires is None:
        return 0
    width, height = request.hires.size((request.width, request.height))
    return width * height * drawn_steps(request, request.hires)


def check(request: GenerationRequest, capabilities: Capabilities, model: ModelInfo | None = None) -> None:
    """Raises Refusal naming the field: invalid_field, unknown_upscaler. `model` is what draws."""
    hires = request.hires
    if hires is None:
        return
    if request.task is not Task.TXT2IMG or model is None:
        raise _invalid("hires", f"hires belongs to txt2img; the task was {request.task}.")
    if request.refiner is not None:
        raise _invalid("hires", "hires does not go with a refiner: leave one of them out.")
    known = (*capabilities.latent_upscalers, *capabilities.upscalers)
    upscalers.check(hires.upscaler, known, field="hires.upscaler")
    sized = hires.width is not None, hires.height is not None
    if sized[0] != sized[1] or (hires.scale is not None) == all(sized):
        raise _invalid("hires", "hires needs either a scale, or a width and a height.", "scale 2")
    _check_size(request, hires, model)
    spec = SAMPLERS[request.sampler]
    steps = schedule_steps(request, hires)
    if steps > spec.max_steps:
        raise _invalid(
            "hires.steps",
            f"hires.steps / hires.strength must be at most {spec.max_steps} with {spec.label}; it was"
            f" {drawn_steps(request, hires)} / {hires.strength:g}.",
            "fewer steps, or more strength",
        )


def _check_size(request: GenerationRequest, hires: Hires, model: ModelInfo) -> None:
    width, height = hires.size((request.width, request.height))
    if max(width, height) > model.max_side or width * height > MAX_PIXELS:
        raise _invalid(
            "hires",
            f"hires must leave at most {model.max_side} pixels a side and {MAX_PIXELS} in all with {model.name};"
            f" it would be {width} × {height} ({width * height}).",
            "a smaller scale",
        )
    if width < request.width or height < request.height:
        raise _invalid(
            "hires",
            f"hires must not be smaller than the first pass, {request.width} × {request.height}; it was"
            f" {width} × {height}.",
        )


def _invalid(field: str, message: str, hint: str | None = None) -> Refusal:
    return Refusal("invalid_field", message, field=field, hint=hint)
