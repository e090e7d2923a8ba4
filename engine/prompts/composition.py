"""AND: several prompts that one picture follows at once, each with its weight. Pure: no torch.

`a cat AND a dog :0.5` as in AUTOMATIC1111, after Liu et al. 2022, "Compositional Visual Generation with
Composable Diffusion Models" (arXiv 2206.01714). Time is linear in the length of the text.
"""

import re
from dataclasses import dataclass

from engine.prompts.limits import MAX_PARTS, NUMBER, bounded

_AND = re.compile(r"\bAND\b")
_WEIGHT = re.compile(NUMBER)


@dataclass(frozen=True)
class Part:
    """One prompt of a composition."""

    text: str
    weight: float = 1.0


def parts(text: str) -> tuple[Part, ...]:
    """The prompts between the ANDs; the text itself where there is none.

    Beyond MAX_PARTS the word is text. Only with an AND does a number at the end weigh: `at 12:30` is a time.
    """
    pieces = _AND.split(text, maxsplit=MAX_PARTS - 1)
    return (Part(text),) if len(pieces) == 1 else tuple(map(_part, pieces))


def _part(piece: str) -> Part:
    text, colon, weight = piece.rpartition(":")
    if colon and _WEIGHT.fullmatch(weight.strip()):
        return Part(text.strip(), bounded(float(weight)))
    return Part(piece.strip())
