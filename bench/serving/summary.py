"""The figures of one run: one arm under one load, once."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.serving.load import Outcome


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Pictures a second, latencies of requests and the median time to their first preview in seconds.

    The *stretch* of a request is its latency over the time that it takes behind the lock with nobody else there:
    `stretch` is the 95th percentile, `worst_stretch` the largest, `stretches` all of them, None where no picture came.
    `ticks` are forward passes of the network by their rows, of which `rows` is the mean. `peak_bytes` of memory.
    """

    throughput: float
    p50: float
    p95: float
    p99: float
    preview: float
    stretch: float
    worst_stretch: float
    stretches: tuple[float | None, ...]
    rows: float
    ticks: dict[int, int]
    peak_bytes: int
    cancelled: int
    failed: int


def summary(
    outcomes: Sequence[Outcome], alone: Sequence[float], ticks: Mapping[int, int], peak_bytes: int = 0
) -> Summary:
    """Figures of one run. `alone` are seconds of each request, by its number."""
    drawn = [(number, outcome) for number, outcome in enumerate(outcomes) if outcome.end == "done"]
    latencies = [outcome.latency for _, outcome in drawn]
    began, ended = min(each.asked for each in outcomes), max(each.ended or 0.0 for _, each in drawn)
    cuts = statistics.quantiles(latencies, n=100, method="inclusive")
    stretches = {number: outcome.latency / alone[number] for number, outcome in drawn}
    return Summary(
        throughput=sum(outcome.request.count for _, outcome in drawn) / (ended - began),
        p50=cuts[49],
        p95=cuts[94],
        p99=cuts[98],
        preview=statistics.median(o.previewed - o.asked for _, o in drawn if o.previewed is not None),
        stretch=statistics.quantiles(stretches.values(), n=20, method="inclusive")[18],
        worst_stretch=max(stretches.values()),
        stretches=tuple(stretches.get(number) for number in range(len(outcomes))),
        rows=sum(rows * times for rows, times in ticks.items()) / max(sum(ticks.values()), 1),
        ticks=dict(sorted(ticks.items())),
        peak_bytes=peak_bytes,
        cancelled=sum(outcome.end == "cancelled" for outcome in outcomes),
        failed=sum(outcome.end == "failed" for outcome in outcomes),
    )
