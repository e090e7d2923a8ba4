"""Which pictures may steer a request, and what may be said about them. Pure."""

from collections.abc import Collection, Sequence

from engine import violations
from engine.errors import Refusal
from engine.wire import Control, ControlInfo, ControlKind, GenerationRequest, ModelInfo, Task

TASKS = (Task.TXT2IMG, Task.IMG2IMG, Task.INPAINT, Task.OUTPAINT)


def check(
    request: GenerationRequest, model: ModelInfo, *, known: Sequence[ControlInfo], sent: Collection[int]
) -> None:
    """`sent` are the numbers of the control pictures that came with a request.

    Raises Refusal naming the field: unknown_control, control_incompatible, control_missing, invalid_field.
    """
    if request.controls and request.task not in TASKS:
        raise _invalid("controls", f"controls belong to {', '.join(TASKS)}; the task was {request.task}.")
    pictures_as_words = 0
    for index, control in enumerate(request.controls):
        field = f"controls.{index}"
        info = _known(control, known, field)
        _check_family(info, model, field)
        pictures_as_words += info.kind is ControlKind.IP_ADAPTER
        if pictures_as_words > 1:
            raise _invalid(f"{field}.name", f"At most one IP-Adapter can steer; {info.name} is another one.")
        _check_span(control, field)
        if index not in sent:
            raise Refusal(
                "control_missing", f"{control.name} needs a control picture, and none was sent.", field=field
            )
    if (left := sorted(set(sent) - set(range(len(request.controls))))) != []:
        raise _invalid(
            f"controls.{left[0]}",
            f"A picture control-{left[0]} was sent, and there is no such control.",
            hint="a control for each picture",
        )


def _known(control: Control, known: Sequence[ControlInfo], field: str) -> ControlInfo:
    for info in known:
        if info.name == control.name:
            return info
    names = [info.name for info in known]
    among = f"Known: {', '.join(names)}." if names else "This engine has none."
    raise Refusal(
        "unknown_control",
        f"There is no control called '{control.name}'. {among}",
        field=f"{field}.name",
        hint=violations.near(control.name, names),
    )


def _check_family(info: ControlInfo, model: ModelInfo, field: str) -> None:
    if info.family != model.family:
        raise Refusal(
            "control_incompatible",
            f"{info.name} steers models of the family {info.family}; {model.name} is of {model.family}.",
            field=f"{field}.name",
        )


def _check_span(control: Control, field: str) -> None:
    if control.start >= control.end:
        raise _invalid(
            f"{field}.start", f"start must be less than end ({control.end:g}); it was {control.start:g}."
        )


def _invalid(field: str, message: str, hint: str | None = None) -> Refusal:
    return Refusal("invalid_field", message, field=field, hint=hint)
