"""An interval of guidance is two fractions of the steps."""

import pytest

from bot.errors import Refused
from bot.guidance import interval_of


def test_guidance_acts_on_the_models_own_steps_unless_told() -> None:
    assert interval_of(None) == (0.0, None)
    assert interval_of("0.2-0.8") == (0.2, 0.8)
    assert interval_of("0 - 0.5") == (0.0, 0.5)


@pytest.mark.parametrize("words", ["0.8-0.2", "0.5", "0-2", "-1-1", "a-b", "nan-1", ""])
def test_what_is_no_interval_is_refused(words: str) -> None:
    with pytest.raises(Refused) as refused:
        interval_of(words)
    assert str(refused.value).endswith(f"such as 0.2-0.8; it was '{words}'.")
