"""Which requests may draw more candidates than they keep, and which look at a picture only. Pure."""

from engine.errors import Refusal
from engine.wire import GenerationRequest, ModelInfo, Task


def check(request: GenerationRequest, model: ModelInfo) -> None:
    """Raises Refusal naming the field: clip_missing, invalid_field."""
    if request.task is Task.DESCRIBE:
        _check_describe(request)
        return
    if request.best_of is None:
        return
    if request.best_of < request.count:
        raise _invalid(
            "best_of",
            f"best_of must be at least count, which is {request.count}; it was {request.best_of}.",
        )
    if not model.ranked:
        raise Refusal(
            "clip_missing",
            f"best_of needs a CLIP to compare pictures with the prompt, and there is none for {model.name}.",
            field="best_of",
        )


def _check_describe(request: GenerationRequest) -> None:
    if request.count > 1:
        raise _invalid("count", f"describe looks at one picture: count must be 1; it was {request.count}.")
    if request.best_of is not None:
        raise _invalid("best_of", "best_of belongs to tasks that draw; the task was describe.")


def _invalid(field: str, message: str) -> Refusal:
    return Refusal("invalid_field", message, field=field)
