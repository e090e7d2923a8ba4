"""One model through all arms: every load in rounds, then the gate. The arms take turns, so that a machine that grows
warm is unfair to nobody.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from bench.serving.arms import Arm
from bench.serving.gate import compare, fixed_requests, reproducible
from bench.serving.line_up import AS_DOWNLOADED, COMPILED, LOCK, ONE, UNCOMPILED, LineUp
from bench.serving.load import Crowd, Outcome
from bench.serving.report import Report
from bench.serving.subjects import Subject
from bench.serving.summary import summary
from bench.serving.watching import Passes, peak_memory, reset_peak_memory
from bench.serving.workloads import STEPS, Workload, alike, mixed

PEOPLE, MANY = 8, 16  # who ask for mixed pictures, and for alike ones
LOAD = 0.8  # of what the lock can serve
CLOSED = f"{PEOPLE} people at once"
POISSON = f"Poisson at {LOAD}"
ALIKE = "20 Euler steps each"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`requests` of each round, of so many `steps`; `many` people ask for alike ones. `compiled` adds the arms whose
    networks are compiled first, `as_downloaded` diffusers in float32.
    """

    requests: int
    rounds: int
    steps: Sequence[int] = STEPS
    many: int = MANY
    compiled: bool = False
    as_downloaded: bool = False

    @property
    def arms(self) -> list[str]:
        return [*(AS_DOWNLOADED,) * self.as_downloaded, *UNCOMPILED, *COMPILED * self.compiled]


class Trial:
    """The arms of `line_up` before a crowd that is the same for each."""

    def __init__(self, subject: Subject, line_up: LineUp, plan: Plan) -> None:
        self._subject = subject
        self._line_up = line_up
        self._plan = plan
        model, side = line_up.model.name, subject.side
        self._mixed = mixed(model, side, plan.requests, steps=plan.steps)
        self._alike = alike(model, side, 2 * plan.many)
        self._report = Report(
            model=subject.name,
            side=side,
            device=str(line_up.model.device),
            requests=plan.requests,
            yardstick=subject.yardstick,
        )

    def run(self) -> Report:
        """All figures of this model."""
        alike_too = self._subject.yardstick is not None
        if self._plan.compiled:
            workloads = [self._mixed, self._alike] if alike_too else [self._mixed]
            self._report.compile_s = self._line_up.compile(workloads)
        self._serve_mixed()
        if alike_too:
            self._serve_alike()
        self._compare()
        return self._report

    def _serve_mixed(self) -> None:
        requests, alone = self._mixed.requests, self._alone(self._mixed)
        patience, per_second = self._mixed.patience(alone), LOAD * len(requests) / sum(alone)
        for number in range(self._plan.rounds):
            arms = self._plan.arms if number % 2 == 0 else self._plan.arms[::-1]
            for arm in self._line_up.arms(arms):
                crowd = Crowd(arm, patience=patience)
                self._watch(CLOSED, arm, alone, partial(crowd.closed_loop, requests, PEOPLE))
            for arm in self._line_up.arms(arms):
                crowd = Crowd(arm, patience=patience)
                self._watch(POISSON, arm, alone, partial(crowd.open_loop, requests, per_second))

    def _serve_alike(self) -> None:
        """As much as the device can draw, for the yardstick. One round: it says nothing about small differences."""
        requests = self._alike.requests
        alone = self._alone(self._alike, 1) * len(requests)
        for arm in self._line_up.arms([name for name in self._plan.arms if name != ONE]):
            self._watch(ALIKE, arm, alone, partial(Crowd(arm).closed_loop, requests, self._plan.many))

    def _watch(self, load: str, arm: Arm, alone: Sequence[float], serve: Callable[[], list[Outcome]]) -> None:
        reset_peak_memory()
        with Passes(arm.unet) as passes:
            outcomes = serve()
        self._report.add(load, arm.name, summary(outcomes, alone, passes.by_rows, peak_memory()))

    def _alone(self, workload: Workload, count: int | None = None) -> list[float]:
        """How long each request takes behind the lock, with nobody else there."""
        requests = workload.requests[:count]
        (arm,) = self._line_up.arms([LOCK])
        Crowd(arm).closed_loop(requests[:1], people=1)  # warms up
        (arm,) = self._line_up.arms([LOCK])
        return [outcome.latency for outcome in Crowd(arm).closed_loop(requests, people=1)]

    def _compare(self) -> None:
        line_up = self._line_up
        fixed = fixed_requests(line_up.model.name, self._subject.side, self._subject.fixed)
        self._report.differences = compare(line_up.exact, line_up.exact_stock, fixed)
        self._report.reproducible = reproducible(line_up.model, fixed[:8])
        timings = line_up.caps.cap(line_up.model.hash).timings
        self._report.curve = {rows: timing.per_row * rows for (_, rows), timing in timings.items()}
