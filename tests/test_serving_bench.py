"""The serving benchmark's arms and its gate: everybody is answered by each arm, with diffusers' pictures."""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.budget import Budget
from bench.serving.__main__ import MINUTES, parser, plan_of, serve, subjects_of, told
from bench.serving.arms import Arm, Heard
from bench.serving.gate import compare, fixed_requests, reproducible
from bench.serving.line_up import (
    COMPILED,
    EVERYTHING,
    LOCK,
    LOCK_COMPILED,
    ONE,
    OURS,
    UNCOMPILED,
    WINDOW,
    LineUp,
)
from bench.serving.load import Crowd
from bench.serving.pipeline_arm import PipelineArm
from bench.serving.report import Report
from bench.serving.subjects import Subject
from bench.serving.trial import ALIKE, CLOSED, POISSON, Plan, Trial
from bench.serving.verdict import compared, same_pictures
from bench.serving.watching import Passes
from bench.serving.workloads import Workload, mixed, start_picture
from engine.wire import GenerationRequest
from engine.worker.device import Device
from tests.engine.tiny_model import make_tiny_model
from tests.engine.tiny_sdxl import make_tiny_sdxl

SIDE = 64
CPU = Device(place=torch.device("cpu"), dtype=torch.float32, reason="")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    make_tiny_model(folder, width=16, latent_side=8)
    return folder


@pytest.fixture(scope="module")
def line_up(folder: Path) -> LineUp:
    return LineUp(folder, CPU, SIDE)


def short(workload: Workload, steps: int = 2) -> list[GenerationRequest]:
    """The same requests, of few steps: at least one of an image-to-image's is drawn."""
    return [request.model_copy(update={"steps": steps}) for request in workload.requests]


@pytest.mark.parametrize("name", UNCOMPILED)
def test_every_arm_answers_everybody(name: str, line_up: LineUp) -> None:
    def arm() -> Arm:
        (made,) = line_up.arms([name])
        return made

    requests = short(mixed("model", SIDE, 10))
    outcomes = Crowd(arm()).closed_loop(requests, people=3)
    outcomes += Crowd(arm()).open_loop(requests[:3], per_second=1000)
    assert [outcome.end for outcome in outcomes] == ["done"] * 13
    assert all(outcome.previewed and outcome.latency < float("inf") for outcome in outcomes)


@pytest.mark.parametrize("name", [LOCK, OURS])
def test_what_people_give_up_at_once_is_cancelled_and_the_others_get_theirs(
    name: str, line_up: LineUp
) -> None:
    (arm,) = line_up.arms([name])
    requests = short(mixed("model", SIDE, 4), steps=50)
    outcomes = Crowd(arm, patience={1: 0.0, 2: 0.0}).closed_loop(requests, people=4)
    assert [outcome.end for outcome in outcomes] == ["done", "cancelled", "cancelled", "done"]


def test_a_lock_leaves_what_it_draws_once_nobody_waits_for_it(line_up: LineUp) -> None:
    (arm,) = line_up.arms([LOCK])
    heard: list[tuple[int, str]] = []

    def hear(number: int, what: str) -> None:
        heard.append((number, what))
        if what == "preview":
            arm.cancel(number)

    (request, *_) = short(mixed("model", SIDE, 4), steps=50)
    with Passes(arm.unet) as passes:
        arm.start(hear)
        arm.submit(0, request.model_copy(update={"guidance_scale": 7.5}))
        arm.stop()
    assert heard == [(0, "preview"), (0, "cancelled")]
    assert 0 < sum(passes.by_rows.values()) < 10


def test_batches_have_as_many_pictures_as_fit_and_only_of_one_kind(line_up: LineUp) -> None:
    drawn: list[list[int]] = []

    class Watched(PipelineArm):
        def _draw(self, batch: Sequence[tuple[int, GenerationRequest]], folder: Path) -> None:
            drawn.append([number for number, _ in batch])
            super()._draw(batch, folder)

    one = short(mixed("model", SIDE, 4))[0].model_copy(update={"count": 1})
    four, other = one.model_copy(update={"count": 4}), one.model_copy(update={"guidance_scale": 3.0})
    arm = Watched("batches", line_up.stock, start_picture=start_picture(SIDE), together=5)
    outcomes = Crowd(arm).closed_loop([one, four, other, one], people=4)
    assert [outcome.end for outcome in outcomes] == ["done"] * 4
    assert sorted(map(sorted, drawn)) == [[0, 1], [2], [3]]


def test_who_cannot_be_drawn_by_the_pipelines_hears_it_and_the_others_get_theirs(line_up: LineUp) -> None:
    class Torn(PipelineArm):
        def _write(self, folder: Path, number: int, *rest: Any) -> None:
            if number == 1:
                raise OSError("no space is left")
            super()._write(folder, number, *rest)

    requests = short(mixed("model", SIDE, 4))
    arm = Torn("torn", line_up.stock, start_picture=start_picture(SIDE))
    assert [each.end for each in Crowd(arm).closed_loop(requests, people=4)] == [
        "done",
        "failed",
        "done",
        "done",
    ]


def test_pipelines_stop_when_they_are_told_whoever_still_waits(line_up: LineUp) -> None:
    (arm,) = line_up.arms([WINDOW])
    for number, request in enumerate(short(mixed("model", SIDE, 4), steps=500)):
        arm.submit(number, request)
    arm.cancel(0)
    heard: list[str] = []
    arm.start(lambda _, what: heard.append(what))
    arm.stop()
    assert len(heard) < 4


def test_ours_shares_its_ticks_and_the_lock_never_does(line_up: LineUp) -> None:
    requests = [
        request.model_copy(update={"guidance_scale": 7.5, "count": 1, "steps": 8})
        for request in mixed("model", SIDE, 6).requests
    ]
    rows = {}
    for name in (LOCK, ONE, OURS):
        (arm,) = line_up.arms([name])
        line_up.caps.cap(line_up.model.hash).fixed = 8  # whatever this machine measured
        with Passes(arm.unet) as passes:
            Crowd(arm).closed_loop(requests, people=6)
        rows[name] = passes.by_rows
    assert set(rows[LOCK]) == set(rows[ONE]) == {2}
    assert rows[LOCK] == rows[ONE]
    assert max(rows[OURS]) == 8


def test_the_gate_finds_the_pipelines_pictures_in_ours(line_up: LineUp) -> None:
    requests = [each.model_copy(update={"steps": 3}) for each in fixed_requests("model", SIDE, 10)]
    differences = compare(line_up.exact, line_up.exact_stock, requests)
    assert {difference.against for difference in differences} == {"in random batches", "diffusers"}
    assert {difference.sampler for difference in differences} == {each.sampler for each in requests}
    assert min(difference.psnr for difference in differences) > 60
    assert reproducible(line_up.model, requests[:3])


@pytest.mark.parametrize(
    "make", [partial(make_tiny_model, width=16, latent_side=8), make_tiny_sdxl], ids=["1.5", "xl"]
)
def test_a_trial_of_a_full_size_model_goes_through_every_arm_and_load(make: Callable[[Path], None]) -> None:
    plan = Plan(requests=6, rounds=1, many=1, compiled=COMPILED)
    subject = Subject(name="tiny", side=SIDE, write=make, steps=(2, 2, 3, 3), fixed=2, yardstick=2.4)
    with torch.compiler.set_stance("force_eager"):  # what is compiled is tested with torch
        report = serve(subject, plan, "cpu")
    assert list(report.runs) == [CLOSED, POISSON, ALIKE]
    assert list(report.runs[CLOSED]) == [*UNCOMPILED, *COMPILED]
    assert all(figures.failed == 0 for arms in report.runs.values() for (figures,) in arms.values())
    assert set(report.compile_s) == {LOCK_COMPILED, EVERYTHING}
    assert report.runs[ALIKE][OURS][0].throughput > 0
    assert same_pictures(report)
    said = told(report)
    assert "of MLPerf's 2.4 for one H200" in said
    assert f"| {POISSON} | {WINDOW} |" in said


def brief(folder: Path, minutes: float) -> Report:
    subject = Subject(name="tiny", side=SIDE, folder=folder, steps=(1, 2, 2, 3), fixed=2)
    plan = Plan(requests=9, rounds=2, minutes=minutes)
    return Trial(subject, LineUp(folder, CPU, SIDE), plan, Budget(minutes)).run()


def test_a_trial_that_has_time_has_all_its_rounds_and_only_the_lock_and_ours_at_random(folder: Path) -> None:
    report = brief(folder, minutes=60)
    assert (report.rounds, report.requests, report.minutes) == (2, 9, 60)
    assert {load: list(arms) for load, arms in report.runs.items()} == {
        CLOSED: list(UNCOMPILED),
        POISSON: [LOCK, OURS],
    }
    assert "2 rounds of 9 requests of 1, 2, 2, 3 steps in 60.0 minutes" in told(report)


def test_a_trial_without_time_for_a_round_has_the_gate_and_says_in_a_line_what_is_missing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trial, "_round_s", lambda *_: 3601.0)
    report = brief(folder, minutes=60)
    assert same_pictures(report)
    assert not report.runs
    _, said, gate = told(report).splitlines()
    assert "a round of 8 requests would take 3601 s here" in said
    assert gate.startswith("Worst difference")


def test_a_trial_without_time_for_its_gate_says_so_in_a_line(folder: Path) -> None:
    report = brief(folder, minutes=1e-9)
    assert not compared(report)
    _, said = told(report).splitlines()
    assert "the gate of 2 requests would take" in said


def options(*words: str) -> argparse.Namespace:
    return parser().parse_args(words)


def test_a_cpu_serves_with_two_models_and_torch_compiles_only_when_asked() -> None:
    names = [subject.name for subject in subjects_of(options())]
    assert names == ["demo model", "mid-size network, 78 million parameters"]
    assert [subject.name for subject in subjects_of(options("--mid-size"))] == names[1:]
    assert LOCK_COMPILED not in plan_of(options()).arms
    assert plan_of(options("--compiled")).arms == [*UNCOMPILED, *COMPILED]


@pytest.mark.parametrize(("installed", "compiled"), [(True, (EVERYTHING,)), (False, ())])
def test_a_cpu_also_serves_with_what_openvino_compiles_where_it_is_installed(
    installed: bool, compiled: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.serving.__main__.has_openvino", lambda: installed)
    plan = plan_of(options())
    assert (plan.arms, plan.at_random) == ([*UNCOMPILED, *compiled], [LOCK, OURS, *compiled])
    assert plan_of(options("--no-compiled")).arms == [*UNCOMPILED]


def test_a_gpu_serves_with_three_full_size_models_and_compiles_unless_told_not_to() -> None:
    sizes = {subject.name: subject.side for subject in subjects_of(options("--gpu"))}
    assert sizes == {"Stable Diffusion 1.5": 512, "Stable Diffusion 2.1": 768, "Stable Diffusion XL": 1024}
    assert plan_of(options("--gpu")).compiled == COMPILED
    assert not plan_of(options("--gpu", "--no-compiled")).compiled


def test_a_cpu_has_minutes_unless_it_is_told_how_much_to_do() -> None:
    assert plan_of(options()).minutes == MINUTES
    assert plan_of(options("--minutes", "2", "--rounds", "9")).minutes == 2
    assert plan_of(options("--requests", "40")).minutes is None
    assert plan_of(options("--gpu")).minutes is None


def test_an_arm_that_never_answers_is_given_up() -> None:
    class Silent:
        name, unet = "silent", None
        stopped = False

        def start(self, heard: Heard) -> None: ...
        def submit(self, number: int, request: GenerationRequest) -> None: ...
        def cancel(self, number: int) -> None: ...
        def stop(self) -> None:
            self.stopped = True

    arm = Silent()
    with pytest.raises(TimeoutError, match="silent did not finish 4 requests"):
        Crowd(arm, deadline_s=0.01).closed_loop(mixed("model", SIDE, 4).requests, people=2)
    assert arm.stopped
