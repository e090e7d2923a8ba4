"""`<lora:name:0.8>`: adapters that a prompt names. They are taken out of the text. Pure: no torch.

As AUTOMATIC1111: `<lora:name:text-encoder weight:unet weight>`, also as `te=` and `unet=`; the first is 1 where
it is missing, the second is the first; `lyco` is an older name for the same. A tag that is not well formed is text.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches

from engine.errors import Refusal
from engine.prompts.limits import NUMBER, bounded

_TAG = re.compile(r"<(?:lora|lyco):([^<>]*)>")
_WEIGHT = re.compile(rf"(?:(te|unet)=)?({NUMBER})")
_ORDER = ("te", "unet")


@dataclass(frozen=True)
class Lora:
    """An adapter by its name, and how much of it goes into each of the two networks."""

    name: str
    text_encoder: float = 1.0
    unet: float = 1.0


def take_out(text: str) -> tuple[str, tuple[Lora, ...]]:
    """The text without its tags, and what they name, in order."""
    found = []

    def take(tag: re.Match[str]) -> str:
        lora = _lora(tag.group(1))
        if lora is None:
            return tag.group()
        found.append(lora)
        return ""

    return _TAG.sub(take, text), tuple(found)


def check(text: str, *, known: Collection[str], field: str) -> None:
    """Raises Refusal unknown_lora where a text names one that is not among `known`."""
    for lora in take_out(text)[1]:
        if lora.name not in known:
            have = f"Known: {', '.join(sorted(known))}." if known else "This engine has none."
            near = next(iter(get_close_matches(lora.name, known, n=1)), None)
            raise Refusal(
                "unknown_lora", f"There is no LoRA called '{lora.name}'. {have}", field=field, hint=near
            )


def _lora(content: str) -> Lora | None:
    name, *values = (value.strip() for value in content.split(":"))
    weights: dict[str, float] = {}
    for position, value in enumerate(values):
        match = _WEIGHT.fullmatch(value)
        if match is None or (position >= len(_ORDER) and not match[1]):
            return None
        weights[match[1] or _ORDER[position]] = bounded(float(match[2]))
    text_encoder = weights.get("te", 1.0)
    return Lora(name, text_encoder, weights.get("unet", text_encoder)) if name else None
