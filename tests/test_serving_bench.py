"""The serving benchmark itself: both kinds of arms answer everybody, and its figures are counted right."""

from pathlib import Path

import pytest
import torch

from bench.serving.arms import Arm, EngineArm, PipelineArm, load_pipeline
from bench.serving.gate import compare, fixed_requests, reproducible
from bench.serving.load import Crowd, Outcome, mixed, summary
from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.worker.cap_book import CapBook
from engine.worker.device import Device
from tests.engine.tiny_model import make_tiny_model

SIDE = 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    make_tiny_model(folder, width=16, latent_side=8)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> StableDiffusion:
    return load_stable_diffusion(
        "tiny", folder, Device(place=torch.device("cpu"), dtype=torch.float32, reason="")
    )


@pytest.mark.parametrize("kind", ["lock", "batches", "engine"])
def test_every_arm_answers_everybody(kind: str, folder: Path, model: StableDiffusion) -> None:
    def arm() -> Arm:
        if kind == "engine":
            return EngineArm("engine", model, CapBook(file=None, machine="test"))
        return PipelineArm(kind, load_pipeline(folder, torch.float32), together=4 if kind == "batches" else 1)

    requests = [request.model_copy(update={"steps": 2}) for request in mixed("tiny", SIDE, 6)]
    outcomes = Crowd(arm()).closed_loop(requests, people=3)
    outcomes += Crowd(arm()).open_loop(requests[:3], per_second=1000)
    assert len(outcomes) == 9
    assert not any(outcome.failed for outcome in outcomes)
    assert all(outcome.previewed and outcome.done for outcome in outcomes)


def test_the_gate_finds_the_pipelines_pictures_in_ours(folder: Path, model: StableDiffusion) -> None:
    requests = [each.model_copy(update={"steps": 3}) for each in fixed_requests("tiny", SIDE)[:6]]
    differences = compare(model, load_pipeline(folder, torch.float32), requests)
    assert {difference.against for difference in differences} == {"in random batches", "diffusers"}
    assert min(difference.psnr for difference in differences) > 60
    assert reproducible(model, requests[:3])


def test_figures_are_counted_from_the_outcomes() -> None:
    (request, *_) = fixed_requests("tiny", SIDE)
    outcomes = [
        Outcome(request, asked=float(n), previewed=n + 0.5, done=n + (2.0 if n == 9 else 1.0))
        for n in range(10)
    ]
    outcomes[3].failed = True
    figures = summary(outcomes, {request.steps: 0.5})
    assert figures.failed == 1
    assert figures.throughput == pytest.approx(9 / 11)
    assert figures.p50 == 1.0
    assert figures.preview == 0.5
    assert 2.0 < figures.stretch <= 4.0
