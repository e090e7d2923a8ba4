"""Which requests have a mask, and what may be said about it. Pure."""

from engine.errors import Refusal
from engine.wire import GenerationRequest, Task

# What belongs to a mask, and the tasks that have it. Left as it is by default, it belongs to every task.
TASKS = {
    "mask_blur": (Task.INPAINT,),  # outpaint keeps every pixel of the picture: there is no edge to soften
    "fill": (Task.INPAINT, Task.OUTPAINT),
    "only_masked": (Task.INPAINT, Task.OUTPAINT),
    "padding": (Task.INPAINT, Task.OUTPAINT),
    "extend": (Task.OUTPAINT,),
}


def check(request: GenerationRequest, *, has_mask: bool) -> None:
    """Raises Refusal naming the field: mask_missing, invalid_field."""
    if request.task is Task.INPAINT and not has_mask:
        raise Refusal("mask_missing", "inpaint needs a mask, and none was sent.", field="mask")
    if request.task is not Task.INPAINT and has_mask:
        raise _invalid("mask", f"{request.task} takes no mask; one was sent.", hint="inpaint")
    for field, tasks in TASKS.items():
        default = GenerationRequest.model_fields[field].default
        if request.task not in tasks and getattr(request, field) != default:
            raise _invalid(field, f"{field} belongs to {' and '.join(tasks)}; the task was {request.task}.")
    if request.task is Task.OUTPAINT:
        _check_extend(request)


def _check_extend(request: GenerationRequest) -> None:
    extend = request.extend
    if extend is None or not (extend.left or extend.right or extend.up or extend.down):
        raise _invalid(
            "extend",
            "extend must be more than 0 to at least one side: left, right, up or down.",
            hint="left 64",
        )


def _invalid(field: str, message: str, hint: str | None = None) -> Refusal:
    return Refusal("invalid_field", message, field=field, hint=hint)
