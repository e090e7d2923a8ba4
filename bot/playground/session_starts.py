"""How often a bot may IDENTIFY: so many a day, and one every few seconds for each group of shards.

https://discord.com/developers/docs/events/gateway#session-start-limit-object
"""

from bot.playground.clock import Clock
from bot.playground.ratelimits import RateLimits, Window
from bot.playground.sessions import Shard
from bot.playground.state import Json

TOTAL, TOTAL_PER_S = 1000, 24 * 3600.0


class SessionStarts:
    """`max_concurrency` groups of shards may each begin one session within `pause_s` seconds."""

    def __init__(self, *, clock: Clock, limits: RateLimits) -> None:
        self.max_concurrency = 1
        self.pause_s = 5.0
        self._clock = clock
        self._limits = limits
        self._day = Window(TOTAL, TOTAL_PER_S)
        self._groups: dict[int, Window] = {}

    def shape(self) -> Json:
        """The object that GET /gateway/bot answers; `reset_after` in milliseconds."""
        now = self._clock.now()
        self._day.refresh(now)
        return {
            "total": TOTAL,
            "remaining": TOTAL - self._day.used,
            "reset_after": int((self._day.resets_at - now) * 1000),
            "max_concurrency": self.max_concurrency,
        }

    def too_fast(self, shard: Shard) -> bool:
        """Whether this shard has to wait: Discord answers with op 9. Counts where it need not."""
        group = self._groups.setdefault(shard.id % self.max_concurrency, Window(1, self.pause_s))
        group.per_s = self.pause_s
        return bool(group.take(self._clock.now())) and self._limits.enabled and bool(self.pause_s)

    def used_up(self) -> bool:
        """Whether the day's starts are: Discord ends every session and resets the token. Counts else."""
        return bool(self._day.take(self._clock.now())) and self._limits.enabled
