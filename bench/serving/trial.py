"""One model through the gate, then through all arms: every load in rounds. The arms take turns, so that a machine that
grows warm is unfair to nobody.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from bench.budget import Budget, OutOfTime
from bench.serving.arms import Arm
from bench.serving.gate import compare, fixed_requests, reproducible
from bench.serving.line_up import AS_DOWNLOADED, EVERYTHING, LOCK, ONE, OURS, UNCOMPILED, LineUp
from bench.serving.load import Crowd, Outcome
from bench.serving.report import Report
from bench.serving.subjects import Subject
from bench.serving.summary import summary
from bench.serving.watching import Passes, peak_memory, reset_peak_memory
from bench.serving.workloads import Workload, alike, mixed

PEOPLE, MANY = 8, 16  # who ask for mixed pictures, and for alike ones
LOAD = 0.8  # of what the lock can serve
CLOSED = f"{PEOPLE} people at once"
POISSON = f"Poisson at {LOAD}"
ALIKE = "20 Euler steps each"
FEW = (12, 8)  # requests of a round, where as many as the plan says do not fit into the budget
AFTERWARDS = 0.3  # of the time for which people come at random: until the last has been served


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`requests` of each round; `many` people ask for alike ones. `compiled` adds those of the arms whose networks are
    compiled first, `as_downloaded` diffusers in float32. With `minutes` for the whole run there are at most so many
    requests and rounds, and only the lock and ours are served at random.
    """

    requests: int
    rounds: int
    many: int = MANY
    compiled: Sequence[str] = ()
    as_downloaded: bool = False
    minutes: float | None = None

    @property
    def arms(self) -> list[str]:
        return [*(AS_DOWNLOADED,) * self.as_downloaded, *UNCOMPILED, *self.compiled]

    @property
    def at_random(self) -> list[str]:
        """The arms before which people come at random."""
        wanted = self.arms if self.minutes is None else (LOCK, OURS, EVERYTHING)
        return [name for name in self.arms if name in wanted]


class Trial:
    """The arms of `line_up` before a crowd that is the same for each. Without a `budget` it takes what it takes."""

    def __init__(self, subject: Subject, line_up: LineUp, plan: Plan, budget: Budget | None = None) -> None:
        self._subject = subject
        self._line_up = line_up
        self._plan = plan
        self._budget = budget
        self._alike = alike(line_up.model.name, subject.side, 2 * plan.many)
        self._report = Report(
            model=subject.name,
            side=subject.side,
            device=str(line_up.model.device),
            steps=tuple(subject.steps),
            minutes=None if budget is None else budget.minutes,
            yardstick=subject.yardstick,
        )

    def run(self) -> Report:
        """All figures of this model; where time is too short for a round, the gate's at most and why no others."""
        try:
            self._compare()
            self._serve()
        except OutOfTime as why:
            self._report.left_out = str(why)
        return self._report

    def _serve(self) -> None:
        alike_too = self._subject.yardstick is not None
        if self._plan.compiled:  # before it is seen how much time is left
            workloads = [self._mixed(self._plan.requests), *[self._alike] * alike_too]
            self._report.compile_s = self._line_up.compile(self._plan.compiled, workloads)
        self._serve_mixed(self._affordable())
        if alike_too:
            self._serve_alike()
        timings = self._line_up.caps.cap(self._line_up.model.hash).timings
        self._report.curve = {rows: timing.per_row * rows for (_, rows), timing in timings.items()}

    def _affordable(self) -> Workload:
        """As many requests as the plan allows, of which a round fits into the budget. Raises OutOfTime."""
        if self._budget is None:
            return self._mixed(self._plan.requests)
        step_s, most = self._step_s(), self._plan.requests
        fewer = [self._mixed(count) for count in (most, *FEW) if count <= most]
        for workload in fewer:
            if self._budget.fits(self._round_s(workload, step_s)):
                return workload
        self._budget.check(self._round_s(workload, step_s), f"a round of {len(workload.requests)} requests")
        return workload

    def _mixed(self, count: int) -> Workload:
        return mixed(self._line_up.model.name, self._subject.side, count, steps=self._subject.steps)

    def _step_s(self) -> float:
        """A guided step behind the lock, with its part of all that a picture takes."""
        (request, *_) = self._alike.requests
        request = request.model_copy(update={"steps": self._subject.steps[1]})
        (arm,) = self._line_up.arms([LOCK])
        *_, measured = Crowd(arm).closed_loop([request] * 2, people=1)  # the first one warms up
        return measured.latency / request.steps

    def _round_s(self, workload: Workload, step_s: float) -> float:
        """About how long a round takes, with what each request takes alone, which is measured before."""
        at_random = len(self._plan.at_random) * (1 / LOAD + AFTERWARDS)
        return step_s * workload.guided_steps * (1 + len(self._plan.arms) + at_random)

    def _serve_mixed(self, workload: Workload) -> None:
        requests, alone, plan = workload.requests, self._alone(workload), self._plan
        patience, per_second = workload.patience(alone), LOAD * len(requests) / sum(alone)
        self._report.requests, round_s = len(requests), 0.0
        for number in range(plan.rounds):
            if self._budget is not None and number and not self._budget.fits(round_s):
                return
            began, turn = time.monotonic(), -1 if number % 2 else 1
            for arm in self._line_up.arms(plan.arms[::turn]):
                crowd = Crowd(arm, patience=patience)
                self._watch(CLOSED, arm, alone, partial(crowd.closed_loop, requests, PEOPLE))
            for arm in self._line_up.arms(plan.at_random[::turn]):
                crowd = Crowd(arm, patience=patience)
                self._watch(POISSON, arm, alone, partial(crowd.open_loop, requests, per_second))
            round_s = time.monotonic() - began
            self._report.rounds += 1

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
        line_up, side = self._line_up, self._subject.gate_side or self._subject.side
        fixed = fixed_requests(line_up.model.name, side, self._subject.fixed)
        if self._budget is not None:
            compare(line_up.exact, line_up.exact_stock, fixed[:1])  # also loads, and pays for kernels
            began = time.monotonic()
            compare(line_up.exact, line_up.exact_stock, fixed[:1])
            seconds = len(fixed) * (time.monotonic() - began)
            self._budget.check(seconds, f"the gate of {len(fixed)} requests")
        self._report.differences = compare(line_up.exact, line_up.exact_stock, fixed)
        self._report.reproducible = reproducible(line_up.model, fixed[:8])
