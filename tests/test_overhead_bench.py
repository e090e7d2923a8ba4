"""The benchmark of the engine's overhead: both sides draw every request, and its figures are counted right."""

from itertools import count
from pathlib import Path

import pytest
import torch

from bench.budget import Budget, OutOfTime
from bench.overhead import LEAST, Overhead, Taken, interval, measure
from bench.serving.stock import load_stock
from bench.serving.workloads import alike
from engine.models.loading import load_stable_diffusion
from engine.worker.device import Device
from tests.engine.tiny_model import make_tiny_model


def measured(folder: Path, pairs: int, budget: Budget) -> Overhead:
    make_tiny_model(folder, width=16, latent_side=8)
    device = Device(place=torch.device("cpu"), dtype=torch.float32, reason="")
    requests = alike("model", 64, pairs, steps=2).requests
    model = load_stable_diffusion("model", folder, device)
    return measure(model, load_stock(folder, torch.float32), requests, budget)


def test_every_request_is_drawn_by_the_bare_loop_and_by_ours(tmp_path: Path) -> None:
    overhead = measured(tmp_path / "tiny", 7, Budget(10))
    assert len(overhead.added) == 7
    assert all(0 < each.networks < each.total for each in (*overhead.bare, *overhead.ours))


def test_pairs_end_with_the_minutes_but_not_before_there_is_an_interval(tmp_path: Path) -> None:
    seconds = count()  # one passes whenever the budget is asked
    overhead = measured(tmp_path / "tiny", 20, Budget(10 / 60, lambda: float(next(seconds))))
    assert LEAST <= len(overhead.added) < 20


def test_a_model_that_draws_too_slowly_is_left_out_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        OutOfTime, match=r"5 more pairs of pictures would take \d+ s here, and 0 s are left"
    ) as why:
        measured(tmp_path / "tiny", 20, Budget(0))
    assert "\n" not in str(why.value)


def test_the_overhead_is_the_median_difference_of_the_pairs() -> None:
    bare = [Taken(1.0, 0.9)] * 6
    ours = [Taken(1.0 + extra / 100, 0.9) for extra in (1, 2, 2, 2, 3, 40)]
    said = Overhead(bare, ours).sentence()
    assert said.startswith("+2.0% (95 % between +1.0% and +40.0%), of 6 pairs of 1.00 s")
    assert said.endswith("120 ms a picture, the bare loop 100 ms")


def test_what_networks_take_is_not_part_of_what_is_added_beyond_them() -> None:
    bare = [Taken(1.0 + noise, 0.9 + noise) for noise in (0.0, 0.3, -0.2, 0.0, 0.1, 0.0)]
    ours = [Taken(1.01 + noise, 0.9 + noise) for noise in (0.5, 0.0, 0.0, 0.1, -0.3, 0.2)]
    assert Overhead(bare, ours).added_beyond == pytest.approx([0.01] * 6)


@pytest.mark.parametrize(("pairs", "outside"), [(6, 0), (12, 2), (40, 13)])
def test_the_interval_of_a_median_leaves_out_as_many_as_the_binomial_distribution_allows(
    pairs: int, outside: int
) -> None:
    assert interval(range(pairs)) == (outside, pairs - 1 - outside)
