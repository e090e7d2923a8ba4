"""The serving benchmark's requests and figures: the shares hold, and what is said follows from the outcomes."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from bench.serving.gate import Difference
from bench.serving.line_up import EVERYTHING, LOCK, ONE, OURS
from bench.serving.load import Outcome
from bench.serving.report import Report, write
from bench.serving.summary import Summary, summary
from bench.serving.trial import CLOSED, POISSON
from bench.serving.verdict import same_pictures, sentences, unstarved
from bench.serving.workloads import alike, mixed
from engine.wire import Task

SAME = [Difference(sampler="euler", against="diffusers", psnr=70.0, largest=1)]


@pytest.mark.parametrize("count", [10, 20, 60])
def test_a_crowd_asks_for_all_kinds_in_their_shares(count: int) -> None:
    workload = mixed("model", 64, count)
    requests = workload.requests
    assert len(requests) == count
    assert sum(each.task is Task.IMG2IMG for each in requests) == count // 5
    assert sum(each.count == 4 for each in requests) == count // 10
    assert len(workload.given_up) == count // 10
    assert {each.steps for each in requests} == {8, 20, 30, 50}
    assert {each.guidance_scale for each in requests} == {1.0, 5.0, 7.5, 12.0}
    assert len({each.sampler for each in requests}) == 4
    assert len({each.image_seed(index) for each in requests for index in range(each.count)}) == sum(
        each.count for each in requests
    )


def test_the_same_seed_asks_for_the_same() -> None:
    first, again, other = mixed("model", 64, 20), mixed("model", 64, 20), mixed("model", 64, 20, seed=2)
    assert list(first.requests) == list(again.requests)
    assert first.given_up == again.given_up
    assert first.picture.tobytes() == again.picture.tobytes()
    assert list(first.requests) != list(other.requests)


def test_a_step_without_guidance_counts_as_half_of_one() -> None:
    (request,) = alike("model", 64, 1, steps=20).requests
    plain = request.model_copy(update={"guidance_scale": 1.0, "count": 4})
    from_picture = request.model_copy(update={"strength": 0.5})
    workload = replace(mixed("model", 64, 10), requests=[request, plain, from_picture])
    assert workload.guided_steps == 20 + 4 * 10 + 10


def test_people_are_as_patient_as_their_picture_is_slow() -> None:
    workload = replace(mixed("model", 64, 10), given_up={1: 2.0, 3: 0.5})
    assert workload.patience([0.0, 4.0, 0.0, 6.0]) == {1: 8.0, 3: 3.0}


def outcomes() -> list[Outcome]:
    """Ten requests, one each second: one takes 2 s and draws four pictures, one fails and one is cancelled."""
    requests = alike("model", 64, 10).requests
    told = [
        Outcome(request, asked=float(n), previewed=n + 0.5, ended=n + 1.0, end="done")
        for n, request in enumerate(requests)
    ]
    told[9] = replace(told[9], request=requests[9].model_copy(update={"count": 4}), ended=11.0)
    told[3].end, told[4].end = "failed", "cancelled"
    return told


def test_figures_are_counted_from_the_outcomes() -> None:
    figures = summary(outcomes(), [0.5] * 10, {8: 1, 2: 3}, 7)
    assert (figures.failed, figures.cancelled, figures.peak_bytes) == (1, 1, 7)
    assert figures.throughput == pytest.approx((7 + 4) / 11)
    assert figures.p50 == 1.0
    assert 1.0 < figures.p95 < figures.p99 < 2.0
    assert figures.preview == 0.5
    assert 2.0 < figures.stretch < figures.worst_stretch == 4.0
    assert figures.stretches == (2.0, 2.0, 2.0, None, None, 2.0, 2.0, 2.0, 2.0, 4.0)
    assert figures.rows == 3.5
    assert list(figures.ticks) == [2, 8]


def report(worst_of_ours: float = 3.0) -> Report:
    made = Report(
        model="tiny",
        side=64,
        device="cpu",
        steps=(1, 2, 3, 4),
        requests=10,
        differences=SAME,
        reproducible=True,
    )
    figures = summary(outcomes(), [0.5] * 10, Counter({2: 4}))
    for load in (CLOSED, POISSON):
        for arm in (LOCK, ONE, OURS):
            made.add(load, arm, figures)
        made.add(load, OURS, replace(figures, throughput=3.0, worst_stretch=worst_of_ours))
    return made


def test_the_table_shows_medians_and_how_far_the_rounds_lie_apart() -> None:
    (row,) = [line for line in report().table().splitlines() if line.startswith(f"| {CLOSED} | {OURS} |")]
    assert "| 2.00 (1.00–3.00) |" in row
    assert "| 1.00 |" in row


def test_what_was_compiled_is_said_beside_what_was_not() -> None:
    made = report()
    for load in (CLOSED, POISSON):
        (lock,) = made.runs[load][LOCK]
        made.add(load, EVERYTHING, replace(lock, throughput=3 * lock.throughput, stretch=1.5))
    crowd, closed, poisson, _ = sentences(made)
    assert "compiled 3.00 × the throughput, p95 1.00 ×" in crowd
    assert "compiled 1.50, largest" in closed
    assert "compiled 1.50 (goal 3)" in poisson


def test_somebody_is_starved_where_ours_stretches_further_than_the_lock_does() -> None:
    assert unstarved(report(worst_of_ours=4.0), POISSON)
    assert not unstarved(report(worst_of_ours=4.1), POISSON)
    assert any("somebody was starved" in each for each in sentences(report(worst_of_ours=4.1)))


def test_the_gate_holds_only_where_every_picture_is_close_and_drawn_again() -> None:
    assert same_pictures(report())
    assert not same_pictures(replace(report(), reproducible=False))
    far = Difference(sampler="euler", against="diffusers", psnr=39.9, largest=9)
    assert not same_pictures(replace(report(), differences=[*SAME, far]))


def test_every_figure_is_written_with_hardware_versions_and_date(tmp_path: Path) -> None:
    write([report()], tmp_path / "out")
    content = json.loads((tmp_path / "out/serving.json").read_text())
    assert {"date", "processor", "threads", "torch", "diffusers", "python"} <= set(content["machine"])
    (model,) = content["models"]
    figures = model["runs"][POISSON][OURS][0]
    assert set(figures) == set(Summary.__dataclass_fields__)
    assert figures["ticks"] == {"2": 4}
    assert sorted(file.name for file in (tmp_path / "out").glob("*.png")) == [
        "serving-tiny-8-people-at-once.png",
        "serving-tiny-Poisson-at-0.8.png",
    ]
