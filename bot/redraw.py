"""Which part of a picture is drawn anew, and how: from a person's words to fields of the request. Pure."""

import re
from dataclasses import dataclass
from typing import Any

from bot.checks import between
from bot.errors import Refused
from engine.wire import Fill, GenerationRequest, Limits, Margins, ModelInfo, Task

OUTPAINT_STRENGTH = 0.9  # nearly all noise; the colours of the edge still lead it
MEANING = {
    Task.TXT2IMG: "draw from words alone",
    Task.IMG2IMG: "start from an image",
    Task.INPAINT: "draw a part of an image anew",
    Task.OUTPAINT: "extend an image",
    Task.DEPTH2IMG: "draw over the depth of an image",
    Task.UPSCALE: "upscale an image",
    Task.DESCRIBE: "describe an image",
}
ROOMY = 2  # times the area that a model was trained on: up to there a picture is drawn at its own size
# What a request without a mask, a variation and a second pass says of them.
PLAIN: dict[str, Any] = {
    name: GenerationRequest.model_fields[name].default
    for name in (
        "mask_blur",
        "fill",
        "only_masked",
        "padding",
        "extend",
        "noise_level",
        "variation_seed",
        "variation_strength",
        "hires",
    )
}
SIDES = tuple(Margins.model_fields)
_MARGIN = re.compile(rf"({'|'.join(SIDES)})=(\d{{1,6}})", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Redraw:
    """What a person chose; None where they said nothing. `mask` tells whether one was given.

    `outpaint` is such as "left=64,up=32", in pixels.
    """

    mask: bool = False
    mask_blur: int | None = None
    fill: str | None = None
    only_masked: bool = False
    padding: int | None = None
    outpaint: str | None = None

    @property
    def asked(self) -> bool:
        """Whether a part is drawn anew, and the rest stays as it is."""
        return self.mask or self.outpaint is not None

    def task(self, *, has_image: bool) -> Task:
        """What this asks for. Raises Refused where it does not go together."""
        if self.mask and self.outpaint is not None:
            raise Refused("mask and outpaint do not go together: outpaint makes a mask of its own.")
        for name in ("mask", "outpaint"):
            if getattr(self, name) and not has_image:
                raise Refused(f"{name} needs an image to start from.")
        if self.mask_blur and not self.mask:
            raise Refused("mask_blur needs a mask.")
        if not self.asked and (self.fill or self.only_masked or self.padding):
            raise Refused("fill, only_masked and padding need a mask, or outpaint.")
        if self.outpaint is not None:
            return Task.OUTPAINT
        return Task.INPAINT if self.mask else Task.IMG2IMG if has_image else Task.TXT2IMG

    def fields(self, limits: Limits) -> dict[str, Any]:
        """The fields of the request beside its task. Raises Refused."""
        chosen: dict[str, Any] = {"only_masked": self.only_masked}
        if self.outpaint is not None:
            chosen["extend"] = self.margins(limits)
        if self.mask_blur is not None:
            chosen["mask_blur"] = between("mask_blur", self.mask_blur, 0, limits.mask_blur)
        if self.padding is not None:
            chosen["padding"] = between("padding", self.padding, 0, limits.padding)
        if self.fill is not None:
            chosen["fill"] = _fill(self.fill)
        return chosen

    def margins(self, limits: Limits) -> Margins:
        """Of `outpaint`, nothing where it was left out. Raises Refused."""
        found: dict[str, int] = {}
        for part in re.split(r"[,\s]+", (self.outpaint or "").strip().casefold()):
            if not part:
                continue
            margin = _MARGIN.fullmatch(part)
            if margin is None or margin[1] in found:
                raise Refused(
                    f"outpaint must be such as left=64,up=32 ({', '.join(SIDES)}); it was '{part:.40}'."
                )
            found[margin[1]] = _margin(margin[1], int(margin[2]), limits)
        if self.outpaint is not None and not any(found.values()):
            raise Refused(f"outpaint must name a side and how far, such as left=64 ({', '.join(SIDES)}).")
        return Margins(**found)

    def size(self, image: tuple[int, int], model: ModelInfo, limits: Limits) -> tuple[tuple[int, int], bool]:
        """The size (width, height) of what the network is to draw, and whether it can be drawn at that size.

        Of the masked part alone only the shape matters: it is drawn as large as the model draws best.
        """
        if self.only_masked:
            return (model.defaults.width, model.defaults.height), True
        whole = self.margins(limits).around(image)
        if not self.asked:
            return whole, False
        longest = min(model.max_side, limits.max_side)
        fits = all(limits.min_side <= side <= longest and side % model.side_multiple == 0 for side in whole)
        return whole, fits and whole[0] * whole[1] <= ROOMY * model.defaults.width * model.defaults.height


def _fill(text: str) -> Fill:
    try:
        return Fill(text.strip().casefold())
    except ValueError:
        raise Refused(f"fill must be one of {', '.join(Fill)}; it was '{text:.40}'.") from None


def _margin(side: str, value: int, limits: Limits) -> int:
    step = limits.side_multiple
    if value % step:
        raise Refused(
            f"{side} must be a multiple of {step}, such as {value - value % step + step}; it was {value}."
        )
    return between(side, value, 0, limits.max_side)
