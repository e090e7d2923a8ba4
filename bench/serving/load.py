"""Crowds of requests, and what became of them: a closed loop of people who ask again at once, and Poisson arrivals."""

import random
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.serving.arms import Arm
from engine.wire import GenerationRequest, Sampler

STEPS = (8, 20, 30, 50)
OFTEN = (0.1, 0.35, 0.4, 0.15)
SAMPLERS = (Sampler.EULER, Sampler.EULER_A, Sampler.DPMPP_2M, Sampler.DDIM)
PROMPTS = ("a hamster with a brush", "a robot on a blue background", "a cat in a hat", "a bird on a branch")
DEADLINE_S = 600.0


@dataclass
class Outcome:
    """Seconds on one clock. `done` stays None where the request failed."""

    request: GenerationRequest
    asked: float
    previewed: float | None = None
    done: float | None = None
    failed: bool = False

    @property
    def latency(self) -> float:
        return (self.done or float("inf")) - self.asked


@dataclass(frozen=True)
class Summary:
    """Of one run: pictures a second, latencies and the time to the first preview in seconds, and stretches."""

    throughput: float
    p50: float
    p95: float
    p99: float
    preview: float
    stretch: float
    failed: int


def mixed(model: str, side: int, count: int, seed: int = 1) -> list[GenerationRequest]:
    """Requests of all kinds of steps, samplers and guidance scales, the same for the same seed."""
    dice = random.Random(seed)
    return [
        GenerationRequest(
            owner=f"owner {number}",
            model=model,
            prompt=dice.choice(PROMPTS),
            width=side,
            height=side,
            steps=dice.choices(STEPS, OFTEN)[0],
            guidance_scale=dice.choice((1.0, 5.0, 7.5, 12.0)),
            sampler=dice.choice(SAMPLERS),
            seed=number,
        )
        for number in range(count)
    ]


class Crowd:
    """Asks one arm, and writes down when it hears what."""

    def __init__(self, arm: Arm) -> None:
        self._arm = arm
        self._lock = threading.Condition()
        self.outcomes: list[Outcome] = []
        self._next: list[GenerationRequest] = []

    def closed_loop(self, requests: Sequence[GenerationRequest], people: int) -> list[Outcome]:
        """`people` ask at once, and each asks again as soon as their picture is there."""
        with self._lock:
            self._next = list(requests)
        self._arm.start(self._heard)
        for _ in range(min(people, len(requests))):
            self._ask_next()
        return self._finish(len(requests))

    def open_loop(self, requests: Sequence[GenerationRequest], per_second: float) -> list[Outcome]:
        """Poisson arrivals, the same for the same requests."""
        dice, at = random.Random(len(requests)), time.monotonic()
        self._arm.start(self._heard)
        for request in requests:
            at += dice.expovariate(per_second)
            time.sleep(max(at - time.monotonic(), 0))
            self._ask(request)
        return self._finish(len(requests))

    def _ask(self, request: GenerationRequest) -> None:
        with self._lock:
            number = len(self.outcomes)
            self.outcomes.append(Outcome(request, asked=time.monotonic()))
        self._arm.submit(number, request)

    def _ask_next(self) -> None:
        with self._lock:
            request = self._next.pop(0) if self._next else None
        if request is not None:
            self._ask(request)

    def _heard(self, number: int, what: str) -> None:
        with self._lock:
            outcome = self.outcomes[number]
            if what == "preview":
                outcome.previewed = outcome.previewed or time.monotonic()
                return
            outcome.failed = what == "failed"
            outcome.done = time.monotonic()
            self._lock.notify_all()
        self._ask_next()

    def _finish(self, count: int) -> list[Outcome]:
        with self._lock:
            in_time = self._lock.wait_for(
                lambda: sum(outcome.done is not None for outcome in self.outcomes) == count, DEADLINE_S
            )
        self._arm.stop()
        if not in_time:
            raise TimeoutError(f"{self._arm.name} did not finish {count} requests within {DEADLINE_S:g} s")
        return self.outcomes


def summary(outcomes: Sequence[Outcome], alone: dict[int, float]) -> Summary:
    """Figures of one run. `alone` is how long a request of so many steps takes with nobody else there."""
    drawn = [outcome for outcome in outcomes if outcome.done is not None and not outcome.failed]
    latencies = [outcome.latency for outcome in drawn]
    began, ended = min(o.asked for o in outcomes), max(o.done or 0.0 for o in drawn)
    cuts = statistics.quantiles(latencies, n=100, method="inclusive")
    stretches = [outcome.latency / alone[outcome.request.steps] for outcome in drawn]
    return Summary(
        throughput=len(drawn) / (ended - began),
        p50=cuts[49],
        p95=cuts[94],
        p99=cuts[98],
        preview=statistics.median(o.previewed - o.asked for o in drawn if o.previewed is not None),
        stretch=statistics.quantiles(stretches, n=20, method="inclusive")[18],
        failed=len(outcomes) - len(drawn),
    )
