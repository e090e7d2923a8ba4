"""Faster networks draw the same pictures."""

import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.prompts.wildcards import Words
from engine.speed import Compiler, Speed
from engine.tasks.conditioning import condition
from engine.tasks.text_to_image import start_text_to_image
from engine.wire import GenerationRequest
from engine.worker.batching import RowCap
from engine.worker.bucketed import Bucketed, eager
from engine.worker.compiled_folder import DIGESTS, CompiledFolder
from engine.worker.device import Device
from engine.worker.ladder import Rung
from engine.worker.policy import MemoryPolicy
from engine.worker.room import Room
from engine.worker.speed import check_able, compiler_of, cuda_graphs, for_each_shape, name_of, sped_up
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

    networks = [for_each_shape(torch.nn.Linear(2, 2), backend=backend) for _ in range(2)]
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


def test_a_row_without_guidance_is_not_rounded_up(model: StableDiffusion, ask: Ask) -> None:
    counting = Counting(model.unet)
    faster = replace(model, unet=Bucketed(model.unet, counting))
    request = ask(steps=5, guidance_end=0.6)
    conditioning = condition(faster, request, Words(request.prompt, ""))
    loop = StepLoop(model=faster, cap=RowCap(fixed=16))
    loop.join(start_text_to_image(faster, "job", request, 0, conditioning))
    while loop.images:
        assert not loop.tick().failed
    assert counting.rows == [2, 2, 2, 1, 1]


def test_exact_draws_with_the_networks_as_they_are(model: StableDiffusion) -> None:
    assert sped_up(model, Speed.EXACT) is model


@pytest.mark.parametrize(
    ("speed", "place", "mode"),
    [
        (Speed.BALANCED, "cpu", None),
        (Speed.FAST, "cpu", None),
        (Speed.BALANCED, "cuda", None),
        (Speed.FAST, "cuda", "reduce-overhead"),
    ],
)
def test_the_others_compile_and_fast_on_a_gpu_records_graphs(
    model: StableDiffusion, monkeypatch: pytest.MonkeyPatch, speed: Speed, place: str, mode: str | None
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(torch, "compile", lambda _, **options: asked.append(options.get("mode")))
    placed = replace(model, device=replace(model.device, place=torch.device(place)))
    faster = sped_up(placed, speed)
    assert isinstance(faster.unet, Bucketed)
    assert eager(faster.unet) is model.unet
    assert asked == [mode]


def test_what_a_graph_made_outlives_its_next_run(
    model: StableDiffusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    static = torch.zeros(2, 4)  # a graph writes to the same memory every time

    def replay(sample: torch.Tensor, _: torch.Tensor, **__: Any) -> tuple[torch.Tensor]:
        return (static.copy_(sample),)

    monkeypatch.setattr(torch, "compile", lambda *_, **__: replay)
    unet = cuda_graphs(model).unet
    first = unet(torch.ones(2, 4), torch.zeros(2))[0]
    unet(torch.full((2, 4), 2.0), torch.zeros(2))
    assert first.tolist() == torch.ones(2, 4).tolist()


@pytest.mark.parametrize(("place", "language"), [("cpu", "C++"), ("cuda", "C")])
def test_a_machine_that_cannot_compile_is_told_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch, place: str, language: str
) -> None:
    monkeypatch.setenv("PATH", "")
    device = Device(place=torch.device(place), dtype=torch.float32, reason="test")
    check_able(Speed.EXACT, device)
    for speed in (Speed.BALANCED, Speed.FAST):
        with pytest.raises(ValueError, match=f"engine.speed is '{speed}'") as raised:
            check_able(speed, device)
        assert f"there is no {language} compiler" in raised.value.args[0]


@pytest.fixture
def no_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)  # as where it is not installed


def on(place: str) -> Device:
    return Device(place=torch.device(place), dtype=torch.float32, reason="test")


def test_openvino_compiles_on_a_cpu_where_it_is_installed_and_torch_elsewhere() -> None:
    assert compiler_of(Compiler.AUTO, on("cpu")) is Compiler.OPENVINO
    assert compiler_of(Compiler.AUTO, on("cuda")) is Compiler.INDUCTOR
    assert compiler_of(Compiler.INDUCTOR, on("cpu")) is Compiler.INDUCTOR


@pytest.mark.usefixtures("no_openvino")
def test_without_it_torch_compiles_and_who_named_it_is_told_what_to_install() -> None:
    assert compiler_of(Compiler.AUTO, on("cpu")) is Compiler.INDUCTOR
    with pytest.raises(ValueError, match=r"engine\.compiler is 'openvino', but OpenVINO is not installed"):
        check_able(Speed.BALANCED, on("cpu"), Compiler.OPENVINO)


def test_who_names_it_for_a_gpu_is_told_that_it_is_for_cpus() -> None:
    with pytest.raises(ValueError, match=r"'openvino', which is for CPUs, but this engine draws on cuda:1"):
        check_able(Speed.BALANCED, on("cuda:1"), Compiler.OPENVINO)


def test_openvino_needs_no_compiler_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    for compiler in (Compiler.AUTO, Compiler.OPENVINO):
        check_able(Speed.FAST, on("cpu"), compiler)


def test_what_openvino_makes_of_a_model_draws_the_same_pictures_and_loras_find_the_network_itself(
    model_folder: Path, exact: Device, ask: Ask
) -> None:
    plain = load_stable_diffusion("tiny", model_folder, exact)
    expected = latents(plain, ask, 1)
    faster = sped_up(plain, Speed.BALANCED, compiler=Compiler.OPENVINO)
    assert isinstance(faster.unet, Bucketed)
    assert eager(faster.unet) is plain.unet
    torch.testing.assert_close(latents(faster, ask, 1), expected, atol=1e-4, rtol=0)


def test_the_versions_of_what_compiles_are_told() -> None:
    assert name_of(Compiler.OPENVINO) == f"OpenVINO {version('openvino')}"
    assert name_of(Compiler.INDUCTOR) == "inductor"


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
        Bucketed(None, network, CompiledFolder(cache))(torch.ones(2, 4), torch.zeros(2))
    assert not (cache / "damaged").exists()
    assert [record.getMessage() for record in caplog.records] == [
        "what was compiled before cannot be used (RuntimeError): it is discarded and compiled anew"
    ]
    assert caplog.records[0].exc_info is None


def test_what_is_compiled_for_a_new_shape_is_sealed_and_for_a_known_one_is_not(tmp_path: Path) -> None:
    def network(sample: torch.Tensor, _: torch.Tensor) -> tuple[torch.Tensor]:
        return (sample,)

    bucketed = Bucketed(None, network, CompiledFolder(tmp_path))
    bucketed(torch.ones(2, 4), torch.zeros(2))
    (tmp_path / DIGESTS).unlink()
    bucketed(torch.ones(2, 4), torch.zeros(2))
    assert not (tmp_path / DIGESTS).exists()
    bucketed(torch.ones(4, 4), torch.zeros(4))
    assert (tmp_path / DIGESTS).exists()


def test_a_second_failure_is_an_error(tmp_path: Path) -> None:
    def network(*_: torch.Tensor) -> tuple[torch.Tensor]:
        raise RuntimeError("it is not the cache")

    with pytest.raises(RuntimeError, match="not the cache"):
        Bucketed(None, network, CompiledFolder(tmp_path))(torch.ones(2, 4), torch.zeros(2))


def test_memory_that_is_short_is_not_the_caches_fault(tmp_path: Path) -> None:
    def network(*_: torch.Tensor) -> tuple[torch.Tensor]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        Bucketed(None, network, CompiledFolder(tmp_path))(torch.ones(2, 4), torch.zeros(2))
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
