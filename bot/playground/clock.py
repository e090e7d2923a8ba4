"""The playground's time: a clock that can be moved, and the ids that are made from it."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

DISCORD_EPOCH_MS = 1_420_070_400_000  # 2015-01-01, where Discord's ids begin to count


class Clock:
    """Seconds since 1970: the time that `now` tells, plus what somebody moved it by."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._moved = 0.0

    def now(self) -> float:
        return self._now() + self._moved

    def move(self, seconds: float) -> None:
        """Let `seconds` pass at once. Raises ValueError below 0: ids and tokens rely on time going forward."""
        if seconds < 0:
            raise ValueError(f"the clock only moves forward; got {seconds:g} s")
        self._moved += seconds

    def timestamp(self) -> str:
        """Now, in ISO 8601 with the zone, as Discord writes times."""
        return datetime.fromtimestamp(self.now(), UTC).isoformat()


class Snowflakes:
    """Discord's ids: milliseconds since 2015 in the upper 42 bits, so that ids sort by time.

    https://discord.com/developers/docs/reference#snowflakes
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def next(self) -> str:
        milliseconds = int(self._clock.now() * 1000) - DISCORD_EPOCH_MS
        self._last = max(self._last + 1, milliseconds << 22)
        return str(self._last)


def created_at(snowflake: str) -> float:
    """When an id was made, in seconds since 1970."""
    return ((int(snowflake) >> 22) + DISCORD_EPOCH_MS) / 1000
