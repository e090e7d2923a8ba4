"""When a worker is given up, and how soon the next is started. Pure: times are the caller's, in seconds."""

from collections import deque

HEARTBEAT_LIMIT_S = 15.0
FIRST_DELAY_S = 1.0
CRASHES = 3  # so many …
WINDOW_S = 60.0  # … within this time open the breaker
OPEN_S = 60.0


class Watch:
    """The deadlines of one worker process.

    A heartbeat shows that the process lives, a step that it draws: a GPU that hangs stops only the second.
    Until the worker says it is ready, and while it loads a model, `load_s` is the limit instead of `step_s`.
    """

    def __init__(self, *, now: float, step_s: float, load_s: float) -> None:
        self._step_s = step_s
        self._load_s = load_s
        self._heard = now
        self._moved = now
        self._started = False
        self._loading = True
        self._busy = False

    def heard(self, now: float) -> None:
        """The worker said anything at all."""
        self._heard = now

    def ready(self, now: float) -> None:
        self._started, self._loading = True, False
        self._moved = now

    def busy(self, now: float) -> None:
        """A job was handed over. Does not move the deadline of those that are being drawn already."""
        if not self._busy:
            self._moved = now
        self._busy = True

    def idle(self) -> None:
        self._busy = False

    def moved(self, now: float, *, loading: bool) -> None:
        """The worker got on with a job, or has begun to load a model."""
        self._moved, self._loading = now, loading

    def problem(self, now: float) -> str | None:
        """Why the worker must be killed, in words for the log; None while all is well."""
        if self._started and now - self._heard > HEARTBEAT_LIMIT_S:
            return f"no heartbeat for {HEARTBEAT_LIMIT_S:g} s"
        limit = self._load_s if self._loading else self._step_s
        if (self._busy or not self._started) and now - self._moved > limit:
            doing = "starting or loading a model" if self._loading else "drawing"
            return f"no progress for {limit:g} s while {doing}"
        return None


class Breaker:
    """How long to wait before the next start: longer after each crash; a minute after three in a minute."""

    def __init__(self) -> None:
        self._crashes: deque[float] = deque(maxlen=16)

    def crashed(self, now: float) -> None:
        self._crashes.append(now)

    def is_open(self, now: float) -> bool:
        """Whether the worker dies again and again."""
        return self._recent(now) >= CRASHES

    def delay_s(self, now: float) -> float:
        """Seconds to wait from `now`, the time of the newest crash."""
        recent = self._recent(now)
        if recent >= CRASHES:
            return OPEN_S
        return FIRST_DELAY_S * recent

    def _recent(self, now: float) -> int:
        return sum(1 for crash in self._crashes if now - crash <= WINDOW_S)
