"""Crowds of people, and what became of their requests: a closed loop of people who ask again at once, and Poisson
arrivals.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from bench.serving.arms import Arm
from engine.wire import GenerationRequest

DEADLINE_S = 1800.0


@dataclass
class Outcome:
    """Seconds on one clock. `end` is "done", "failed" or "cancelled", and None as long as it is drawn."""

    request: GenerationRequest
    asked: float
    previewed: float | None = None
    ended: float | None = None
    end: str | None = None

    @property
    def latency(self) -> float:
        return (self.ended or float("inf")) - self.asked


class Crowd:
    """Asks one arm, and writes down when it hears what; once. Raises TimeoutError after `deadline_s`.

    `patience` says, by a request's number, after how many seconds it is cancelled if it is not there.
    """

    def __init__(
        self, arm: Arm, *, patience: Mapping[int, float] | None = None, deadline_s: float = DEADLINE_S
    ) -> None:
        self._arm = arm
        self._deadline_s = deadline_s
        self._patience = dict(patience or {})
        self._lock = threading.Condition()
        self._over = 0
        self.outcomes: list[Outcome] = []

    def closed_loop(self, requests: Sequence[GenerationRequest], people: int) -> list[Outcome]:
        """`people` ask at once, and each asks again as soon as their picture is there."""
        return self._serve(requests, lambda number: 0.0 if number - self._over < people else float("inf"))

    def open_loop(self, requests: Sequence[GenerationRequest], per_second: float) -> list[Outcome]:
        """Poisson arrivals, the same for the same requests."""
        dice = random.Random(len(requests))
        arrivals = list(accumulate(dice.expovariate(per_second) for _ in requests))
        return self._serve(requests, lambda number: arrivals[number])

    def _serve(self, requests: Sequence[GenerationRequest], after: Callable[[int], float]) -> list[Outcome]:
        """Ask each request once its moment is there, `after` so many seconds, and wait for all of them."""
        self._arm.start(self._heard)
        began = time.monotonic()
        try:
            with self._lock:
                while self._over < len(requests):
                    waited = time.monotonic() - began
                    if waited > self._deadline_s:
                        raise TimeoutError(
                            f"{self._arm.name} did not finish {len(requests)} requests in {self._deadline_s:g} s"
                        )
                    while len(self.outcomes) < len(requests) and after(len(self.outcomes)) <= waited:
                        self._ask(requests[len(self.outcomes)])
                    self._give_up()
                    moments = [began + self._deadline_s, *self._ends]
                    if len(self.outcomes) < len(requests):
                        moments.append(began + after(len(self.outcomes)))
                    self._lock.wait(max(min(moments) - time.monotonic(), 0))
        finally:
            self._arm.stop()
        return self.outcomes

    def _ask(self, request: GenerationRequest) -> None:
        self.outcomes.append(Outcome(request, asked=time.monotonic()))
        self._arm.submit(len(self.outcomes) - 1, request)

    def _give_up(self) -> None:
        """Cancel what people waited for too long."""
        for number, outcome in enumerate(self.outcomes):
            patience = self._patience.get(number)
            if patience is None or outcome.asked + patience > time.monotonic():
                continue
            del self._patience[number]
            if outcome.end is None:
                self._arm.cancel(number)

    @property
    def _ends(self) -> list[float]:
        """The moments at which somebody's patience ends."""
        asked = enumerate(self.outcomes)
        return [each.asked + self._patience[number] for number, each in asked if number in self._patience]

    def _heard(self, number: int, what: str) -> None:
        with self._lock:
            outcome = self.outcomes[number]
            if what == "preview":
                outcome.previewed = outcome.previewed or time.monotonic()
                return
            outcome.end, outcome.ended = what, time.monotonic()
            self._over += 1
            self._lock.notify_all()
