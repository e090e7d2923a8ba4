"""A refiner takes over late unless told, and never at the very beginning or end."""

import pytest

from bot.errors import Refused
from bot.refiner import refiner_of
from engine.wire import Refiner


def test_it_takes_over_late_unless_told() -> None:
    assert refiner_of(None, None) is None
    assert refiner_of("xl", None) == Refiner(model="xl", switch_at=0.8)
    assert refiner_of("xl", 0.5) == Refiner(model="xl", switch_at=0.5)


@pytest.mark.parametrize(
    ("model", "switch_at", "says"),
    [
        ("xl", 1.0, "switch_at must be between 0.01 and 0.99; it was 1."),
        ("xl", float("nan"), "switch_at must be between 0.01 and 0.99; it was nan."),
        (None, 0.5, "switch_at needs a refiner."),
    ],
)
def test_what_makes_no_sense_is_refused(model: str | None, switch_at: float, says: str) -> None:
    with pytest.raises(Refused) as refused:
        refiner_of(model, switch_at)
    assert str(refused.value) == says
