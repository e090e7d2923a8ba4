"""Pictures that steer a drawing: from a person's words to fields of the request. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.errors import Refused
from engine.wire import Capabilities, Control, Limits, Preprocess

NUMBERS = ("weight", "start", "end")
_SETTING = re.compile(rf",({'|'.join((*NUMBERS, 'preprocess'))})=([^,=]*)$")
FORM = "such as canny=edges.png or canny=photo.jpg,weight=0.8,end=0.6,preprocess=canny"


@dataclass(frozen=True, kw_only=True)
class ControlChoice:
    """What a person wrote: a control's name, a picture, and settings by name, as text."""

    name: str
    picture: Path
    settings: dict[str, str] = field(default_factory=dict)


def parse(text: str) -> ControlChoice:
    """Of `NAME=FILE,weight=0.8,…`; a file's name may hold commas. Raises Refused."""
    settings: dict[str, str] = {}
    rest = text
    while found := _SETTING.search(rest):
        if found[1] in settings:
            raise Refused(f"control: {found[1]} was given twice.")
        settings[found[1]] = found[2].strip()
        rest = rest[: found.start()]
    name, equals, file = rest.partition("=")
    if not name.strip() or not equals or not file.strip():
        raise Refused(f"control must be NAME=FILE, {FORM}; it was '{text:.60}'.")
    return ControlChoice(name=name.strip(), picture=Path(file.strip()), settings=settings)


def chosen(choices: Sequence[ControlChoice], capabilities: Capabilities) -> tuple[Control, ...]:
    """The controls of the request. Raises Refused."""
    limits = capabilities.limits
    if len(choices) > limits.controls:
        raise Refused(f"There may be at most {limits.controls} controls; there were {len(choices)}.")
    return tuple(_control(choice, capabilities, limits) for choice in choices)


def _control(choice: ControlChoice, capabilities: Capabilities, limits: Limits) -> Control:
    names = {info.name.casefold(): info.name for info in capabilities.controls}
    if choice.name.casefold() not in names:
        known = f"Known: {', '.join(names.values())}." if names else "This engine has none."
        raise Refused(f"There is no control called '{choice.name:.60}'. {known}")
    most = {"weight": limits.control_weight, "start": 1.0, "end": 1.0}
    fields: dict[str, Any] = {
        name: _number(name, choice.settings[name], most[name]) for name in NUMBERS if name in choice.settings
    }
    if (how := choice.settings.get("preprocess")) is not None:
        fields["preprocess"] = _preprocess(how)
    return Control(name=names[choice.name.casefold()], **fields)


def _number(name: str, text: str, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= most:  # written so that NaN is refused too
        raise Refused(f"control: {name} must be a number between 0 and {most:g}; it was '{text:.40}'.")
    return value


def _preprocess(text: str) -> Preprocess:
    try:
        return Preprocess(text.casefold())
    except ValueError:
        raise Refused(
            f"control: preprocess must be one of {', '.join(Preprocess)}; it was '{text:.40}'."
        ) from None
