"""Whether a request can be drawn here, beyond what its fields allow one by one. Pure."""

from collections.abc import Collection

from pydantic import ValidationError

from engine import controls as steering
from engine import (
    depths,
    hires,
    masks,
    memory,
    own_pipelines,
    policy,
    postprocessing,
    ranking,
    refiners,
    upscaling,
    violations,
)
from engine.errors import Refusal
from engine.prompts import loras
from engine.samplers import SAMPLERS, SCHEDULE_LABELS
from engine.speed import Speed, hastened
from engine.wire import MAX_PIXELS, Capabilities, GenerationRequest, ModelInfo, Schedule, Seamless, Task

SEAMLESS_TASKS = (
    Task.TXT2IMG,
    Task.IMG2IMG,
    Task.DEPTH2IMG,
)  # the others keep edges of a picture that is there
PRIVATE = frozenset({"prompt", "negative_prompt", "owner"})  # their values are repeated nowhere


def parse_request(content: bytes) -> GenerationRequest:
    """A request from its JSON. Raises Refusal: bad_request for what is no JSON, invalid_field."""
    try:
        return GenerationRequest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        raise Refusal("bad_request", "The request is not valid JSON.")
    field = violations.field_of(first)
    if not field:
        raise Refusal("bad_request", "The request must be a JSON object.")
    raise Refusal(
        "invalid_field",
        violations.sentence(
            first, known=violations.names_of(GenerationRequest), show_value=field not in PRIVATE
        ),
        field=field,
    )


def validate(
    request: GenerationRequest,
    capabilities: Capabilities,
    *,
    has_image: bool,
    has_mask: bool = False,
    has_depth: bool = False,
    controls: Collection[int] = (),
) -> None:
    """Raises Refusal naming the field: unknown_model, unsupported_task, image_missing, mask_missing, depth_missing,
    invalid_field, unknown_lora, unknown_vae, unknown_upscaler, clip_missing, safety_unavailable, and those of
    `engine/controls.py`. `controls` tells which control pictures were sent.
    """
    postprocessing.check(request, capabilities)
    if not request.task.needs_model:
        _check_input(request, has_image=has_image, may_lack_image=False)
        masks.check(request, has_mask=has_mask)
        hires.check(request, capabilities)
        if has_depth:
            raise _invalid("depth", f"{request.task} takes no depth image; one was sent.", hint="depth2img")
        return
    model = _model(request.model, capabilities)
    if request.task not in model.tasks:
        known = ", ".join(model.tasks)
        raise Refusal(
            "unsupported_task",
            f"{model.name} cannot do {request.task}; it can do {known}.",
            field="task",
            hint=known,
        )
    _check_size(request, model)
    memory.check(request, model, capabilities.memory)
    _check_sampler(request)
    depths.check(request, model, has_image=has_image, has_depth=has_depth)
    _check_input(request, has_image=has_image, may_lack_image=has_depth)
    upscaling.check(request)
    masks.check(request, has_mask=has_mask)
    ranking.check(request, model)
    policy.check(request, model, least=capabilities.safety)
    steering.check(request, model, known=capabilities.controls, sent=controls)
    hires.check(request, capabilities, model)
    refiners.check(request, model, capabilities)
    _check_variation(request)
    _check_guidance(request)
    _check_tiling(request)
    own_pipelines.check(request, model)
    loras.check(request.prompt, known=capabilities.loras, field="prompt")
    loras.check(request.negative_prompt, known=capabilities.loras, field="negative_prompt")
    _check_vae(request, capabilities)


def completed(
    request: GenerationRequest, capabilities: Capabilities, speed: Speed = Speed.EXACT
) -> GenerationRequest:
    """A valid request with its model's own defaults where it says nothing, and the operator's policy where stricter.

    `speed` is the operator's too. What is only processed is a person's own picture: nobody looks at it.
    """
    if not request.task.needs_model:
        return request
    request = request.model_copy(update={"safety": policy.stricter(request.safety, capabilities.safety)})
    model = _model(request.model, capabilities)
    request = hastened(request, model, speed)
    own = {
        "clip_skip": model.defaults.clip_skip,
        "guidance_end": _guided_until(request, model),
        "guidance_after": _guided_after(request, model),
    }
    return request.model_copy(update={name: own[name] for name in own if getattr(request, name) is None})


def _guided_until(request: GenerationRequest, model: ModelInfo) -> float:
    """Where guidance ends if nothing is said of it: a model's own end belongs to guidance from the beginning."""
    return 1.0 if request.guidance_start else model.defaults.guidance_end


def _guided_after(request: GenerationRequest, model: ModelInfo) -> float:
    """The scale after the end of guidance if nothing is said of it: a model's own belongs to its own end.

    It is never more than what was asked for: who wants little guidance gets no more of it later.
    """
    said = request.guidance_start > 0 or request.guidance_end is not None
    return 1.0 if said else min(model.defaults.guidance_after, max(1.0, request.guidance_scale))


def _model(name: str, capabilities: Capabilities) -> ModelInfo:
    for model in capabilities.models:
        if model.name == name:
            return model
    names = [model.name for model in capabilities.models]
    raise Refusal(
        "unknown_model",
        f"There is no model called '{name}'. Known: {', '.join(names)}.",
        field="model",
        hint=violations.near(name, names),
    )


def _check_size(request: GenerationRequest, model: ModelInfo) -> None:
    for field, value in (("width", request.width), ("height", request.height)):
        if value > model.max_side:
            raise _invalid(
                field, f"{field} must be at most {model.max_side} with {model.name}; it was {value}."
            )
    pixels = request.width * request.height
    if pixels > MAX_PIXELS:
        raise _invalid(
            "width",
            f"width × height must be at most {MAX_PIXELS} pixels; it was {pixels}.",
            hint="a smaller size",
        )


def _check_sampler(request: GenerationRequest) -> None:
    spec = SAMPLERS[request.sampler]
    if request.steps > spec.max_steps:
        raise _invalid(
            "steps", f"steps must be at most {spec.max_steps} with {spec.label}; it was {request.steps}."
        )
    if request.schedule not in (Schedule.AUTOMATIC, *spec.schedules):
        known = ", ".join((Schedule.AUTOMATIC, *spec.schedules))
        label = SCHEDULE_LABELS[request.schedule]
        raise _invalid("schedule", f"{spec.label} does not go with {label}; it takes {known}.", hint=known)


def _check_input(request: GenerationRequest, *, has_image: bool, may_lack_image: bool) -> None:
    if request.task.takes_image and not (has_image or may_lack_image):
        raise Refusal(
            "image_missing", f"{request.task} needs an input image, and none was sent.", field="image"
        )
    if has_image and not request.task.takes_image:
        raise _invalid("image", f"{request.task} takes no input image; one was sent.", hint="img2img")
    if request.task.has_strength:
        _check_strength(request)
    elif request.strength is not None:
        tasks = ", ".join(task for task in Task if task.has_strength)
        raise _invalid("strength", f"strength belongs to {tasks}; the task was {request.task}.")


def _check_strength(request: GenerationRequest) -> None:
    if request.strength is None:
        raise _invalid(
            "strength", f"strength is missing: {request.task} needs one, more than 0 and at most 1."
        )
    # diffusers draws the last int(steps × strength) steps of the schedule
    if int(request.steps * request.strength) < 1:
        raise _invalid(
            "strength",
            f"strength × steps must be at least 1; it was {request.strength:g} × {request.steps}.",
            hint=f"strength {1 / request.steps:.3g} or more",
        )


def _check_vae(request: GenerationRequest, capabilities: Capabilities) -> None:
    known = capabilities.vaes
    if request.vae is not None and request.vae not in known:
        have = f"Known: {', '.join(known)}." if known else "This engine has none."
        raise Refusal(
            "unknown_vae",
            f"There is no VAE called '{request.vae}'. {have}",
            field="vae",
            hint=violations.near(request.vae, known),
        )


def _check_guidance(request: GenerationRequest) -> None:
    start, end = request.guidance_interval
    if start >= end:
        raise _invalid(
            "guidance_end",
            f"guidance_end must be over guidance_start, which is {start:g}; it was {end:g}.",
        )


def _check_tiling(request: GenerationRequest) -> None:
    if request.tiling is not Seamless.NONE and request.task not in SEAMLESS_TASKS:
        known = ", ".join(SEAMLESS_TASKS)
        raise _invalid("tiling", f"tiling belongs to {known}; the task was {request.task}.", hint=known)


def _check_variation(request: GenerationRequest) -> None:
    if request.variation_strength > 0 and request.variation_seed is None:
        raise _invalid(
            "variation_seed",
            "variation_seed is missing: a variation_strength over 0 needs one;"
            f" it was {request.variation_strength:g}.",
        )


def _invalid(field: str, message: str, hint: str | None = None) -> Refusal:
    return Refusal("invalid_field", message, field=field, hint=hint)
