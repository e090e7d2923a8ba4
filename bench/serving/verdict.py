"""What a report means beside the goals, in sentences.

Nobody is *starved* where no request of ours stretches further than the worst that the lock does to anybody under the
same load: whoever is overtaken is still served sooner, for what they asked, than the unluckiest behind a lock.
"""

from bench.serving.gate import CLOSE_DB
from bench.serving.line_up import EVERYTHING, LOCK, ONE, OURS
from bench.serving.report import Report
from bench.serving.trial import ALIKE, CLOSED, POISSON

FASTER, SOONER, STRETCH = (
    1.3,
    0.6,
    3.0,
)  # the goals: throughput and p95 against the lock, stretch p95 under Poisson


def compared(report: Report) -> bool:
    """Whether there was time for the gate."""
    return bool(report.differences)


def same_pictures(report: Report) -> bool:
    """The gate: whether ours are diffusers' pictures, whoever else is drawn, and the same bits one at a time."""
    return report.reproducible and all(each.psnr >= CLOSE_DB for each in report.differences)


def unstarved(report: Report, load: str) -> bool:
    """Whether nobody was starved, in any round."""
    return report.largest(load, OURS, "worst_stretch") <= report.largest(load, LOCK, "worst_stretch")


def sentences(report: Report) -> list[str]:
    """A sentence for each goal."""
    if report.left_out:
        return [_gate(report)] if compared(report) else []
    said = [_crowd(report), *(_fairness(report, load) for load in (CLOSED, POISSON)), _gate(report)]
    if report.compile_s:
        took = ", ".join(f"{arm} {seconds:.0f} s" for arm, seconds in report.compile_s.items())
        said.append(f"Compiling and warming up took: {took}.")
    if report.yardstick is not None:
        said.append(_yardstick(report, report.yardstick))
    return said


def _crowd(report: Report) -> str:
    def ratio(arm: str, what: str) -> float:
        return report.median(CLOSED, arm, what) / report.median(CLOSED, LOCK, what)

    def gain(arm: str) -> str:
        return f"{ratio(arm, 'throughput'):.2f} × the throughput, p95 {ratio(arm, 'p95'):.2f} ×"

    compiled = f"; compiled {gain(EVERYTHING)}" if EVERYTHING in report.runs[CLOSED] else ""
    return (
        f"{CLOSED}, against one lock in the same number format: {gain(OURS)}{compiled}"
        f" (goals {FASTER:g} and {SOONER:g}); one image a tick {ratio(ONE, 'throughput'):.2f} × the throughput."
    )


def _fairness(report: Report, load: str) -> str:
    ours, lock = (report.largest(load, arm, "worst_stretch") for arm in (OURS, LOCK))
    goal = f" (goal {STRETCH:g})" if load == POISSON else ""
    starved = "nobody was starved" if unstarved(report, load) else "somebody was starved"
    compiled = ""
    if EVERYTHING in report.runs[load]:
        compiled = f", compiled {report.median(load, EVERYTHING, 'stretch'):.2f}"
    return (
        f"{load}: stretch p95 {report.median(load, OURS, 'stretch'):.2f}{compiled}{goal}, largest {ours:.2f} against"
        f" the lock's {lock:.2f}: {starved}."
    )


def _gate(report: Report) -> str:
    worst = min(report.differences, key=lambda difference: difference.psnr)
    return (
        f"Worst difference: {worst.sampler} {worst.against}, PSNR {worst.psnr:.1f} dB, {worst.largest} of 255 levels"
        f" (at least {CLOSE_DB:g} dB); one image a tick draws the same bits again: {report.reproducible}."
    )


def _yardstick(report: Report, yardstick: float) -> str:
    arm = EVERYTHING if EVERYTHING in report.runs[ALIKE] else OURS
    drawn = report.median(ALIKE, arm, "throughput")
    return (
        f"{ALIKE}, {arm}: {drawn:.2f} pictures/s, {drawn / yardstick:.2f} of MLPerf's {yardstick:g} for one H200"
        " (TensorRT in fp8)."
    )
