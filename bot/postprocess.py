"""What is done to a picture after it was drawn: from a person's words to fields of the request. Pure."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bot.errors import Refused
from engine.wire import Capabilities, Format, GenerationRequest, Hires, Limits, PostStep, Task

STEP: TypeAdapter[PostStep] = TypeAdapter(PostStep)
_OPTION = re.compile(r"(\w{1,20})=(\S{1,128})", re.ASCII)
_NAMED = re.compile(r"(?P<name>.+?)(:(?P<scale>\d{1,4}(\.\d{1,6})?))?", re.ASCII)
_SCALED = re.compile(r"(?P<scale>\d{1,4}(\.\d{1,6})?)(:(?P<name>.+))?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Postprocess:
    """What a person chose; None and nothing where they said nothing.

    `upscale` is such as "x4plus:2", a step such as "sharpen amount=1 radius=2", `hires` such as "2:latent".
    """

    upscale: str | None = None
    steps: tuple[str, ...] = ()
    hires: str | None = None

    @property
    def asked(self) -> bool:
        return self.upscale is not None or bool(self.steps)

    def fields(self, capabilities: Capabilities) -> dict[str, Any]:
        """The fields of the request: `post`, the upscale first, and `hires`. Raises Refused."""
        upscale = [] if self.upscale is None else [self._upscale(capabilities)]
        chosen: dict[str, Any] = {"post": (*upscale, *map(_step, self.steps))}
        if self.hires is not None:
            chosen["hires"] = self._second_pass(capabilities)
        if len(chosen["post"]) > capabilities.limits.post:
            raise Refused(
                f"post must be at most {capabilities.limits.post} steps; it was {len(chosen['post'])}."
            )
        return chosen

    def alone(self, capabilities: Capabilities, *, owner: str, format: Format) -> GenerationRequest:
        """The request that draws nothing, and does this to the picture that is sent. Raises Refused."""
        if self.hires is not None:
            raise Refused("hires needs a prompt: it draws the picture twice.")
        asked = {"task": Task.PROCESS, "owner": owner, "format": format, **self.fields(capabilities)}
        return GenerationRequest.model_validate(asked)

    def _upscale(self, capabilities: Capabilities) -> PostStep:
        match = _NAMED.fullmatch((self.upscale or "").strip())
        if match is None:
            raise Refused(
                "upscale must be the name of an upscaler, with a factor or without, such as lanczos:2."
            )
        step: dict[str, Any] = {
            "type": "upscale",
            "upscaler": _known("upscale", match["name"], capabilities.upscalers),
        }
        if match["scale"] is not None:
            step["scale"] = float(match["scale"])
        return _checked("upscale", step)

    def _second_pass(self, capabilities: Capabilities) -> Hires:
        match = _SCALED.fullmatch((self.hires or "").strip())
        most = capabilities.limits.hires_scale
        if match is None or not 1 <= float(match["scale"]) <= most:
            raise Refused(
                f"hires must be a factor from 1 to {most:g}, with an upscaler or without, such as 2:latent;"
                f" it was '{self.hires:.40}'."
            )
        scale = {"scale": float(match["scale"])}
        if match["name"] is None:
            return Hires(**scale)
        known = (*capabilities.latent_upscalers, *capabilities.upscalers)
        return Hires(upscaler=_known("hires", match["name"], known), **scale)


def best_upscaler(capabilities: Capabilities) -> str:
    """The first that is a network; the first of all is plain resampling. Raises Refused where there is none."""
    for name in (*capabilities.upscalers[1:], *capabilities.upscalers[:1]):
        return name
    raise Refused("This engine has no upscaler.")


def check_enlarged(size: tuple[int, int], scale: float, limits: Limits) -> None:
    """Raises Refused where a picture of `size` (width, height) would become larger than the engine makes them."""
    width, height = round(size[0] * scale), round(size[1] * scale)
    if max(width, height) > limits.result_side or width * height > limits.result_pixels:
        raise Refused(
            f"{scale:g} times as large this picture would be {width} x {height}; at most {limits.result_side} pixels"
            f" a side and {limits.result_pixels / 2**20:g} megapixels are possible."
        )


def _step(text: str) -> PostStep:
    kind, *options = text.split() or [""]
    step: dict[str, Any] = {"type": kind.casefold()}
    for option in options:
        if (match := _OPTION.fullmatch(option)) is None:
            raise Refused(f"post must be such as 'sharpen amount=1 radius=2'; it was '{text:.60}'.")
        step[match[1]] = _value(match[2])
    return _checked("post", step)


def _value(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _checked(option: str, step: Mapping[str, Any]) -> PostStep:
    try:
        return STEP.validate_python(step)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    if first["type"].startswith("union_tag"):
        kinds = first.get("ctx", {}).get("expected_tags", "").replace("'", "")
        raise Refused(f"{option} must begin with one of {kinds}; it was '{step['type']:.40}'.")
    where = " ".join(str(part) for part in first["loc"])
    says = first["msg"].replace("Input should be", "must be").replace("Field required", "is missing")
    says = says.replace("Extra inputs are not permitted", "is no option of it")
    value = "" if first["type"] == "missing" else f"; it was {first['input']}"
    raise Refused(f"{option}: {where} {says}{value}.")


def _known(option: str, wanted: str, names: tuple[str, ...]) -> str:
    """The name in `names` that was meant, in any case. Raises Refused."""
    for name in names:
        if name.casefold() == wanted.strip().casefold():
            return name
    near = difflib.get_close_matches(wanted, names, n=1)
    guess = f" Did you mean {near[0]}?" if near else ""
    raise Refused(f"{option}: there is no upscaler called '{wanted:.60}'.{guess} Known: {', '.join(names)}.")
