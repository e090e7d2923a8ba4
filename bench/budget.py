"""The time that a benchmark may take, and whether a piece of work still fits into it."""

import time
from collections.abc import Callable


class OutOfTime(Exception):
    """Not even the least that says something fits; the message says what that would take."""


class Budget:
    """So many `minutes` from now on."""

    def __init__(self, minutes: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.minutes = minutes
        self._clock = clock
        self._until = clock() + 60 * minutes

    @property
    def left(self) -> float:
        """In seconds; less than none where it was overdrawn."""
        return self._until - self._clock()

    def fits(self, seconds: float) -> bool:
        return seconds <= self.left

    def part(self, share: float) -> "Budget":
        """This share of what is left."""
        return Budget(share * max(self.left, 0.0) / 60, self._clock)

    def check(self, seconds: float, what: str) -> None:
        """Raises OutOfTime where `what` would take longer than is left."""
        if not self.fits(seconds):
            raise OutOfTime(
                f"{what} would take {seconds:.0f} s here, and {max(self.left, 0):.0f} s are left"
                f" of {self.minutes:.1f} minutes: not measured. --minutes gives more."
            )
