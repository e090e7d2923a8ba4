"""A prompt as plain words, for networks that know nothing of its language. Pure: no torch."""

from engine.prompts import composition, loras, schedules
from engine.prompts.emphasis import sections
from engine.wire import MAX_STEPS


def plain(prompt: str) -> str:
    """What the picture shows at the last step: without weights, LoRAs and brackets, the parts of AND in a row.

    Wildcards must have been chosen.
    """
    return ", ".join(_words(part.text) for part in composition.parts(loras.take_out(prompt)[0]))


def _words(text: str) -> str:
    final = schedules.parse(text).at(MAX_STEPS, MAX_STEPS)
    pieces = ("".join(span.text for span in section) for section in sections(final))
    return " ".join(" ".join(pieces).split())
