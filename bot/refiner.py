"""A second SDXL that draws the last steps: from a person's words to the field of the request. Pure."""

from bot.checks import between
from bot.errors import Refused
from engine.wire import Refiner

LEAST, MOST = 0.01, 0.99  # of a share that must leave each of the two models something


def refiner_of(model: str | None, switch_at: float | None) -> Refiner | None:
    """Whether there is such a model, and it can refine, the engine says. Raises Refused."""
    if model is None:
        if switch_at is not None:
            raise Refused("switch_at needs a refiner.")
        return None
    if switch_at is None:
        return Refiner(model=model)
    return Refiner(model=model, switch_at=between("switch_at", switch_at, LEAST, MOST))
