"""Faster networks draw the same pictures."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.tasks.text_to_image import start_text_to_image
from engine.wire import GenerationRequest
from engine.worker.batching import RowCap
from engine.worker.device import Device
from engine.worker.ladder import Rung
from engine.worker.policy import MemoryPolicy
from engine.worker.room import Room
from engine.worker.speed import Bucketed, Speed, eager, for_each_shape, sped_up
from engine.worker.step_loop import StepLoop

Ask = Callable[..., GenerationRequest]


class Counting:
    """A network that notes how many rows it was called with."""

    def __init__(self, unet: Any) -> None:
        self._unet = unet
        self.rows: list[int] = []

    def __call__(self, sample: torch.Tensor, *rest: Any, **conditions: Any) -> Any:
        self.rows.append(len(sample))
        return self._unet(sample, *rest, **conditions)


def latents(model: StableDiffusion, ask: Ask, count: int, room: Room | None = None) -> torch.Tensor:
    loop, images = StepLoop(model=model, cap=RowCap(fixed=16), room=room), []
    for seed in range(count):
        conditioning = model.prompts.encode("a hamster", "", guided=True)
        images.append(start_text_to_image(model, f"job {seed}", ask(seed=seed, steps=3), 0, conditioning))
        loop.join(images[-1])
    while loop.images:
        assert not loop.tick().failed
    return torch.cat([image.latents for image in images])


@pytest.mark.parametrize(("images", "rows"), [(1, 2), (2, 4), (3, 8), (4, 8), (5, 16)])
def test_rows_are_rounded_up_to_a_bucket_and_the_pictures_stay_the_same(
    model: StableDiffusion, ask: Ask, images: int, rows: int
) -> None:
    counting = Counting(model.unet)
    faster = replace(model, unet=Bucketed(model.unet, counting))
    drawn = latents(faster, ask, images)
    assert counting.rows == [rows] * 3
    torch.testing.assert_close(drawn, latents(model, ask, images), atol=1e-4, rtol=0)


def test_many_sizes_of_several_models_are_compiled_each() -> None:
    graphs = 0

    def backend(graph: torch.fx.GraphModule, _: list[torch.Tensor]) -> Callable[..., Any]:
        nonlocal graphs
        graphs += 1
        return graph.forward

    networks = [for_each_shape(torch.nn.Linear(2, 2), backend) for _ in range(2)]
    for _ in range(2):
        for rows in range(2, 14):
            for network in networks:
                network(torch.zeros(rows, 2))
    assert graphs == 2 * 12


def test_every_tensor_of_as_many_rows_is_rounded_up_however_deep() -> None:
    seen: dict[str, Any] = {}

    def network(sample: torch.Tensor, _: torch.Tensor, **conditions: Any) -> tuple[torch.Tensor]:
        seen.update(conditions)
        return (sample * 2,)

    bucketed = Bucketed(None, network)
    added = {"text_embeds": torch.arange(6.0).reshape(3, 2), "scale": torch.tensor(1.0)}
    residuals = (torch.zeros(3, 1), torch.zeros(1))
    (result,) = bucketed(torch.ones(3, 4), torch.zeros(3), added=added, residuals=residuals, name="x")
    assert result.shape == (3, 4)
    assert seen["added"]["text_embeds"].tolist() == [[0, 1], [2, 3], [4, 5], [0, 1]]
    assert seen["added"]["scale"].ndim == 0
    assert [len(each) for each in seen["residuals"]] == [4, 1]
    assert seen["name"] == "x"


def test_exact_draws_with_the_networks_as_they_are(model: StableDiffusion) -> None:
    assert sped_up(model, Speed.EXACT) is model
    assert isinstance(sped_up(model, Speed.BALANCED).unet, Bucketed)


def test_what_was_compiled_before_and_is_damaged_is_discarded_with_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = tmp_path / "compiled"
    cache.mkdir()
    (cache / "damaged").touch()

    def network(sample: torch.Tensor, _: torch.Tensor) -> tuple[torch.Tensor]:
        if cache.exists():
            raise RuntimeError("invalid load key")
        return (sample,)

    with caplog.at_level(logging.WARNING):
        Bucketed(None, network, cache)(torch.ones(2, 4), torch.zeros(2))
    assert not cache.exists()
    assert len(caplog.records) == 1


def test_a_second_failure_is_an_error(tmp_path: Path) -> None:
    def network(*_: torch.Tensor) -> tuple[torch.Tensor]:
        raise RuntimeError("it is not the cache")

    with pytest.raises(RuntimeError, match="not the cache"):
        Bucketed(None, network, tmp_path)(torch.ones(2, 4), torch.zeros(2))


def test_memory_that_is_short_is_not_the_caches_fault(tmp_path: Path) -> None:
    def network(*_: torch.Tensor) -> tuple[torch.Tensor]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        Bucketed(None, network, tmp_path)(torch.ones(2, 4), torch.zeros(2))
    assert tmp_path.exists()


def test_a_network_that_is_moved_for_each_pass_is_not_compiled_and_every_pass_finds_its_weights(
    model_folder: Path, exact: Device, ask: Ask
) -> None:
    plain = load_stable_diffusion("tiny", model_folder, exact)
    counting = Counting(plain.unet)
    faster = replace(plain, unet=Bucketed(plain.unet, counting))
    expected = latents(plain, ask, 1)
    room = Room(faster, MemoryPolicy())
    room._taken[64, 64] = frozenset({Rung.OFFLOAD})
    drawn = latents(faster, ask, 1, room)
    assert hasattr(eager(faster.unet), "_hf_hook")
    assert counting.rows == []
    torch.testing.assert_close(drawn, expected, atol=1e-5, rtol=0)
    room._taken.clear()
    latents(faster, ask, 1, room)
    assert counting.rows == [2] * 3
