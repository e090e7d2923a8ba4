"""From a finished picture to the request that goes on from it. Pure: no Discord, no waiting.

`owner` is who asks now, `seed` a new one; a model that is gone or cannot do it is refused in words.
"""

from typing import Any

from bot import checks
from bot.framing import Direction, Frame, framed
from bot.menus import find_model
from bot.postprocess import Postprocess, best_upscaler, check_enlarged
from bot.redraw import OUTPAINT_STRENGTH, PLAIN
from bot.requests import Options, build, check_task, least_strength
from engine.wire import Capabilities, GenerationRequest, Limits, Seamless, Task

VARIATION_STRENGTH = 0.6
UPSCALE_BY = 2
# What a request says that is drawn as one plain picture, whatever the first one said.
_WHOLE: dict[str, Any] = PLAIN | {"count": 1, "best_of": None, "controls": (), "tiling": Seamless.NONE}


def again(request: GenerationRequest, *, owner: str, seed: int) -> GenerationRequest:
    """The same request with another seed."""
    return request.model_copy(update={"owner": owner, "seed": seed})


def edited(
    request: GenerationRequest, limits: Limits, *, owner: str, prompt: str, negative_prompt: str
) -> GenerationRequest:
    """The same request, the seed included, with other words. Raises Refused."""
    words = {
        "prompt": checks.prompt(prompt, limits),
        "negative_prompt": checks.prose("negative_prompt", negative_prompt, limits),
    }
    return request.model_copy(update={"owner": owner, **words})


def variation(
    request: GenerationRequest, capabilities: Capabilities, *, owner: str, seed: int
) -> GenerationRequest:
    """Starts from one of `request`'s own pictures. Raises Refused where the model cannot."""
    check_task(Task.IMG2IMG, find_model(request.model, capabilities), capabilities)
    strength = max(VARIATION_STRENGTH, least_strength(request.steps))
    changes = {"owner": owner, "seed": seed, "task": Task.IMG2IMG, "strength": strength}
    return request.model_copy(update=PLAIN | _own_post(request) | changes)


def upscaled(
    request: GenerationRequest, size: tuple[int, int], capabilities: Capabilities, *, owner: str
) -> GenerationRequest:
    """One of `request`'s own pictures, of `size` (width, height), enlarged. Raises Refused.

    Its words go along for what comes after; a model that only enlarges could not go on from them.
    """
    check_enlarged(size, UPSCALE_BY, capabilities.limits)
    enlarge = Postprocess(upscale=f"{best_upscaler(capabilities)}:{UPSCALE_BY}")
    alone = enlarge.alone(capabilities, owner=owner, format=request.format)
    if request.task is Task.UPSCALE:
        return alone
    kept = ("model", "prompt", "negative_prompt", "width", "height", "steps", "guidance_scale", "sampler")
    changes = {name: getattr(request, name) for name in (*kept, "schedule", "seed", "clip_skip", "vae")}
    return alone.model_copy(update=changes)


def reframed(
    request: GenerationRequest,
    direction: Direction,
    size: tuple[int, int],
    capabilities: Capabilities,
    *,
    owner: str,
    seed: int,
) -> tuple[GenerationRequest, Frame]:
    """One of `request`'s own pictures, of `size` (width, height), with more around it. Raises Refused.

    The picture must be scaled as the frame says.
    """
    model = find_model(request.model, capabilities)
    check_task(Task.OUTPAINT, model, capabilities)
    frame = framed(direction, size, model, capabilities.limits)
    width, height = frame.whole
    changes = {
        "owner": owner,
        "seed": seed,
        "task": Task.OUTPAINT,
        "strength": max(OUTPAINT_STRENGTH, least_strength(request.steps)),
        "extend": frame.margins,
        "width": width,
        "height": height,
    }
    return request.model_copy(update=_WHOLE | _own_post(request) | changes), frame


def drawn_from(description: str, capabilities: Capabilities, *, owner: str, seed: int) -> GenerationRequest:
    """A picture from what another one was described by. Raises Refused."""
    words = description[: capabilities.limits.prompt_chars]
    return build(Options(prompt=words), capabilities, owner=owner, random_seed=seed)


def _own_post(request: GenerationRequest) -> dict[str, Any]:
    """What was only processed is drawn on from without that; other pictures are finished as the first was."""
    return {"post": ()} if request.task is Task.PROCESS else {}
