"""Several models in memory, within what they may take."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.models.loading import ModelBroken, StableDiffusion, load_stable_diffusion
from engine.models.stamp import Stamps
from engine.wire import Memory
from engine.worker.cap_book import CapBook
from engine.worker.device import Device
from engine.worker.placement import bytes_of
from engine.worker.policy import SHORTAGES, MemoryPolicy
from engine.worker.shelf import Shelf
from tests.engine.tiny_model import make_tiny_model

DEVICE = Device(place=torch.device("cpu"), dtype=torch.float32, reason="test")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    make_tiny_model(folder, width=16, latent_side=8)
    return folder


class Loads:
    """Loads models and remembers which. All of them are the same on the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.names: list[str] = []
        self.short = 0  # of memory, so many times

    def __call__(self, name: str) -> StableDiffusion:
        self.names.append(name)
        if name == "broken":
            raise ModelBroken("Model 'broken' is damaged.")
        if self.short:
            self.short -= 1
            raise MemoryError
        return load_stable_diffusion(name, self._folder, DEVICE)


@pytest.fixture
def loads(folder: Path) -> Loads:
    return Loads(folder)


@pytest.fixture(scope="module")
def size(folder: Path) -> int:
    return bytes_of(load_stable_diffusion("tiny", folder, DEVICE))


def shelf(loads: Loads, *, cache: int = 0, **policy: Any) -> Shelf:
    return Shelf(
        load=loads, caps=CapBook(file=None, machine="test"), policy=MemoryPolicy(cache=cache, **policy)
    )


def test_a_models_size_is_that_of_its_weights(folder: Path, size: int) -> None:
    written = sum(file.stat().st_size for file in folder.rglob("*.safetensors"))
    assert 0.9 * written < size < 1.1 * written


def test_without_a_cache_there_is_one_model_at_a_time(loads: Loads) -> None:
    held = shelf(loads)
    first = held.loop_of("a")
    assert held.loop_of("a") is first
    held.loop_of("b")
    assert not held.holds("a")
    held.loop_of("a")
    assert loads.names == ["a", "b", "a"]


def test_models_stay_within_the_caches_size_and_the_least_used_goes(loads: Loads, size: int) -> None:
    held = shelf(loads, cache=2 * size)
    first = held.loop_of("a")
    held.loop_of("b")
    assert held.loop_of("a") is first is held.loop
    held.loop_of("c")
    assert [held.holds(name) for name in "abc"] == [True, False, True]
    assert held.loop_of("a") is first
    assert loads.names == ["a", "b", "c"]


def test_a_model_that_is_not_at_work_leaves_a_device_that_cannot_hold_both(loads: Loads, size: int) -> None:
    for gigantic in (True, False):
        memory = Memory(bytes=size * (8 if gigantic else 3), number=4)
        held = shelf(loads, cache=4 * size, device=memory, rungs=())
        first, second = held.loop_of("a"), held.loop_of("b")
        assert (first.on_device, second.on_device) == (gigantic, True)
        assert held.loop_of("a").on_device


def test_a_file_that_was_replaced_is_loaded_again(loads: Loads, folder: Path, size: int) -> None:
    held = shelf(loads, cache=9 * size, stamp=Stamps(lambda _: folder))
    first = held.loop_of("a")
    held.drop_changed()
    assert held.loop_of("a") is first
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    content = weights.read_bytes()
    weights.unlink()
    weights.write_bytes(content)
    assert held.holds("a")  # until somebody looks: not while it draws
    held.drop_changed()
    assert held.loop is None
    assert held.loop_of("a") is not first


def test_a_model_that_is_gone_from_the_disk_is_forgotten(loads: Loads) -> None:
    stamps: dict[str, Hashable] = {"a": 1}

    def stamp(name: str) -> Hashable:
        if name not in stamps:
            raise FileNotFoundError
        return stamps[name]

    held = shelf(loads, stamp=stamp)
    held.loop_of("a")
    stamps.clear()
    held.drop_changed()
    assert not held.holds("a")


def test_a_model_that_cannot_be_loaded_leaves_the_shelf_usable(loads: Loads, size: int) -> None:
    held = shelf(loads, cache=9 * size)
    first = held.loop_of("a")
    with pytest.raises(ModelBroken):
        held.loop_of("broken")
    assert not held.holds("broken")
    assert held.loop_of("a") is first


def test_where_memory_is_too_short_to_load_the_others_make_room(loads: Loads, size: int) -> None:
    held = shelf(loads, cache=9 * size)
    held.loop_of("a")
    loads.short = 1
    held.loop_of("b")
    assert loads.names == ["a", "b", "b"]
    assert [held.holds(name) for name in "ab"] == [False, True]
    loads.short = 2
    with pytest.raises(MemoryError):
        held.loop_of("c")
    held.loop_of("a")


def test_many_shortages_within_minutes_wear_the_shelf_out(loads: Loads) -> None:
    now = 0.0
    policy = MemoryPolicy(clock=lambda: now)
    for _ in range(SHORTAGES - 1):
        policy.exhausted()
    assert not policy.worn_out
    now = 3600.0
    policy.exhausted()
    assert not policy.worn_out
    for _ in range(SHORTAGES):
        policy.exhausted()
    assert policy.worn_out
    held = Shelf(load=loads, caps=CapBook(file=None, machine="test"), policy=policy)
    held.loop_of("a")
    held.clear()
    assert not held.holds("a")
    assert held.loop is None
    assert not policy.worn_out
