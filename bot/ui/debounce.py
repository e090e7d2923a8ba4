"""Two clicks in two seconds are one wish."""

from collections.abc import Callable
from datetime import datetime, timedelta

WINDOW = timedelta(seconds=2)


class Debounce:
    """Remembers who pressed what in the last two seconds."""

    def __init__(self, *, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._pressed: dict[tuple[int, str], datetime] = {}

    def again(self, user_id: int, custom_id: str) -> bool:
        """Whether this person pressed the same button within the last two seconds; notes this press."""
        now = self._clock()
        self._pressed = {key: at for key, at in self._pressed.items() if now - at < WINDOW}
        repeated = (user_id, custom_id) in self._pressed
        self._pressed.setdefault((user_id, custom_id), now)
        return repeated
