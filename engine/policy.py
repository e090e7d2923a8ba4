"""Whether a picture is checked before it is shown, and what becomes of it where it is flagged. Pure.

A request says what it wants, the operator the least that everybody gets. Where a check is wanted and nobody is there
to make it, nothing is drawn.
"""

from engine.errors import Refusal
from engine.wire import GenerationRequest, ModelInfo, Safety, Task

_STRICTNESS = tuple(Safety)


def stricter(one: Safety, other: Safety) -> Safety:
    """A request may be stricter than the operator, never laxer."""
    return max(one, other, key=_STRICTNESS.index)


def check(request: GenerationRequest, model: ModelInfo, *, least: Safety) -> None:
    """Raises Refusal safety_unavailable where a check is wanted, and `model` has no checker."""
    wanted = stricter(request.safety, least)
    if request.task is Task.DESCRIBE or wanted is Safety.OFF or model.checked:
        return
    who = "The request asks" if request.safety is wanted else "This engine is set"
    raise Refusal(
        "safety_unavailable",
        f"{who} for safety '{wanted}', and there is no safety checker for {model.name}: nothing is shown unchecked.",
        field="safety",
    )
