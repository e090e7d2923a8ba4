"""Which requests may have a refiner. Pure."""

from engine import violations
from engine.errors import Refusal
from engine.wire import Capabilities, GenerationRequest, ModelInfo, Task

FAMILY = "sdxl"
TASKS = (Task.TXT2IMG, Task.IMG2IMG)  # a mask would have to be held by both models


def check(request: GenerationRequest, model: ModelInfo, capabilities: Capabilities) -> None:
    """Raises Refusal naming the field: unknown_model, invalid_field."""
    if request.refiner is None:
        return
    names = [each.name for each in capabilities.models]
    found = next((each for each in capabilities.models if each.name == request.refiner.model), None)
    if found is None:
        raise Refusal(
            "unknown_model",
            f"There is no model called '{request.refiner.model}' to refine with.",
            field="refiner",
            hint=violations.near(request.refiner.model, names),
        )
    if request.task not in TASKS:
        known = " and ".join(TASKS)
        raise _invalid(f"refiner belongs to {known}; the task was {request.task}.")
    for each in (model, found):
        if each.family != FAMILY:
            raise _invalid(
                f"refiner goes with SDXL models alone; {each.name} is of the family {each.family}."
            )
    if Task.IMG2IMG not in found.tasks:
        raise _invalid(f"refiner must be a model that can do {Task.IMG2IMG}; {found.name} cannot.")


def _invalid(message: str) -> Refusal:
    return Refusal("invalid_field", message, field="refiner")
