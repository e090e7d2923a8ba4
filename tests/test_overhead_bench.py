"""The benchmark of the engine's overhead: both sides draw every request, and its figures are counted right."""

from pathlib import Path

import pytest
import torch

from bench.overhead import Overhead, Taken, interval, measure
from bench.serving.stock import load_stock
from bench.serving.workloads import alike
from engine.models.loading import load_stable_diffusion
from engine.worker.device import Device
from tests.engine.tiny_model import make_tiny_model


def test_every_request_is_drawn_by_the_bare_loop_and_by_ours(tmp_path: Path) -> None:
    make_tiny_model(tmp_path / "tiny", width=16, latent_side=8)
    device = Device(place=torch.device("cpu"), dtype=torch.float32, reason="")
    model = load_stable_diffusion("model", tmp_path / "tiny", device)
    requests = alike("model", 64, 4, steps=2).requests
    overhead = measure(model, load_stock(tmp_path / "tiny", torch.float32), requests)
    assert len(overhead.ratios) == 4
    assert all(0 < each.networks < each.total for each in (*overhead.bare, *overhead.ours))


def test_the_overhead_is_the_median_of_the_pairs_ratios() -> None:
    bare = [Taken(1.0, 0.9)] * 6
    ours = [Taken(1.0 + extra / 100, 0.9) for extra in (1, 2, 2, 2, 3, 40)]
    said = Overhead(bare, ours).sentence()
    assert said.startswith("+2.0% (median of 6 pairs; 95 % interval +1.0% to +40.0%")
    assert said.endswith("beyond the networks 120 ms a picture, the bare loop 100 ms")


@pytest.mark.parametrize(("count", "outside"), [(6, 0), (12, 2), (40, 13)])
def test_the_interval_of_a_median_leaves_out_as_many_as_the_binomial_distribution_allows(
    count: int, outside: int
) -> None:
    assert interval(range(count)) == (outside, count - 1 - outside)
