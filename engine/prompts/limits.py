"""How far the prompt language goes. What lies beyond is text, never an error; chunks alone are cut, and named."""

from typing import Final

NUMBER: Final = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)"  # one way to match it: `\d+\.?\d*` takes quadratic time
MAX_NESTING: Final = 32  # brackets within brackets
MAX_LORAS: Final = 8  # of one image, in both prompts; each makes every step slower
MAX_PARTS: Final = 8  # joined by AND; each is a row of the forward pass
CHUNK_TOKENS: Final = 75  # what CLIP reads at a time, without begin and end
MAX_CHUNKS: Final = 8  # the network's attention over words grows with them
MAX_WEIGHT: Final = 100.0  # of emphasis and of AND, either sign: far beyond any picture, far below overflow
MAX_WILDCARD_DEPTH: Final = (
    4  # a wildcard file may name others, and itself; times MAX_NESTING, Python's stack
)


def bounded(weight: float) -> float:
    """A weight within ±MAX_WEIGHT."""
    return max(-MAX_WEIGHT, min(MAX_WEIGHT, weight))
