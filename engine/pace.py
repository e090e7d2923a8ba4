"""How fast the device draws, measured: seconds per cost, so that people can be told how long it takes."""

SMOOTHING = 0.3  # the share of the newest measurement in the exponential average
SHORTEST_S = 0.5  # steps of one forward pass are reported together: less says nothing


class Pace:
    """An exponential average over stretches of work. Times are in seconds of whatever clock the caller uses."""

    def __init__(self) -> None:
        self.seconds_per_cost: float | None = None
        self._last: float | None = None
        self._elapsed = 0.0
        self._cost = 0.0

    def pause(self) -> None:
        """Something else than drawing comes next, such as loading a model: its time does not count."""
        self._last = None

    def record(self, cost: float, now: float) -> None:
        """`cost` (pixels × steps) was drawn since the last call. The first call after a pause starts the watch."""
        if self._last is not None:
            self._elapsed += now - self._last
            self._cost += cost
        self._last = now
        if self._elapsed >= SHORTEST_S and self._cost:
            self._average(self._elapsed / self._cost)
            self._elapsed, self._cost = 0.0, 0.0

    def seconds(self, cost: float) -> float | None:
        """How long `cost` will take; None before anything was measured."""
        return None if self.seconds_per_cost is None else self.seconds_per_cost * cost

    def _average(self, sample: float) -> None:
        known = self.seconds_per_cost
        self.seconds_per_cost = sample if known is None else known + SMOOTHING * (sample - known)
