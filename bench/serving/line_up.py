"""All arms of one model, made of the same files."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import torch
from PIL import Image

from bench.serving.arms import Arm, EngineArm
from bench.serving.gate import fixed_requests, started
from bench.serving.pipeline_arm import TOGETHER, PipelineArm
from bench.serving.stock import Stock, compiled, load_stock
from bench.serving.workloads import Workload, start_picture
from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.speed import Compiler, Speed
from engine.wire import Task
from engine.worker.cap_book import CapBook
from engine.worker.device import Device
from engine.worker.speed import sped_up
from engine.worker.step_loop import StepLoop

AS_DOWNLOADED = "diffusers, one lock, float32"
LOCK = "diffusers, one lock"
LOCK_COMPILED = "diffusers, one lock, compiled"
WINDOW = f"diffusers, batches of {TOGETHER}"
ONE = "Darkroom, one image a tick"
OURS = "Darkroom"
EVERYTHING = "Darkroom, compiled"

UNCOMPILED = (LOCK, WINDOW, ONE, OURS)
COMPILED = (LOCK_COMPILED, EVERYTHING)


class LineUp:
    """Networks are loaded when an arm first asks for them, and shared by the arms that follow."""

    def __init__(self, folder: Path, device: Device, side: int) -> None:
        self._folder = folder
        self._device = device
        self._side = side
        self._picture: Image.Image = start_picture(side)

    @cached_property
    def model(self) -> StableDiffusion:
        return load_stable_diffusion("model", self._folder, self._device)

    @cached_property
    def exact(self) -> StableDiffusion:
        return load_stable_diffusion("model", self._folder, replace(self._device, dtype=torch.float32))

    @cached_property
    def stock(self) -> Stock:
        return load_stock(self._folder, self._device.dtype)

    @cached_property
    def exact_stock(self) -> Stock:
        return load_stock(self._folder, torch.float32)

    @cached_property
    def caps(self) -> CapBook:
        return measured_caps(self.model, self._side)

    @cached_property
    def compiled_stock(self) -> Stock:
        return compiled(load_stock(self._folder, self._device.dtype))

    @cached_property
    def compiled_model(self) -> StableDiffusion:
        """A copy: for OpenVINO its weights leave the order in which torch draws the fastest."""
        own = load_stable_diffusion("model", self._folder, self._device)
        return sped_up(own, Speed.BALANCED, compiler=Compiler.AUTO)

    @cached_property
    def compiled_caps(self) -> CapBook:
        return measured_caps(self.compiled_model, self._side)

    def arms(self, names: Sequence[str]) -> list[Arm]:
        """A fresh set of the arms of `names`."""
        one = CapBook(file=None, machine="bench", fixed=1)
        made: dict[str, Callable[[], Arm]] = {
            AS_DOWNLOADED: lambda: self._pipeline(AS_DOWNLOADED, self.exact_stock),
            LOCK: lambda: self._pipeline(LOCK, self.stock),
            LOCK_COMPILED: lambda: self._pipeline(LOCK_COMPILED, self.compiled_stock),
            WINDOW: lambda: self._pipeline(WINDOW, self.stock, together=TOGETHER),
            ONE: lambda: self._engine(ONE, self.model, one),
            OURS: lambda: self._engine(OURS, self.model, self.caps),
            EVERYTHING: lambda: self._engine(EVERYTHING, self.compiled_model, self.compiled_caps),
        }
        return [made[name]() for name in names]

    def compile(self, names: Sequence[str], workloads: Sequence[Workload]) -> dict[str, float]:
        """Compile what the compiled arms of `names` will need; seconds by arm."""
        took = {}
        for name in names:
            began = time.monotonic()
            if name == LOCK_COMPILED:
                _draw_each_kind(self.compiled_stock, workloads)
            else:
                _ = self.compiled_caps
            took[name] = time.monotonic() - began
        return took

    def _pipeline(self, name: str, stock: Stock, together: int = 1) -> Arm:
        return PipelineArm(name, stock, start_picture=self._picture, together=together)

    def _engine(self, name: str, model: StableDiffusion, caps: CapBook) -> Arm:
        return EngineArm(name, model, caps, start_picture=self._picture)


def measured_caps(model: StableDiffusion, side: int) -> CapBook:
    """Caps as they are once the machine was idle for a moment."""
    caps = CapBook(file=None, machine="bench")
    loop = StepLoop(model=model, cap=caps.cap(model.hash))
    loop.join(started(model, fixed_requests(model.name, side)[0]))
    while loop.probe():
        pass
    return caps


def _draw_each_kind(stock: Stock, workloads: Sequence[Workload]) -> None:
    """Two steps of each number of rows and each sampler, whose timesteps are of one type or another."""
    asked = [request for workload in workloads for request in workload.requests]
    kinds = {(each.count, each.guidance_scale > 1, each.sampler): each for each in asked}
    for request in kinds.values():
        stock.draw([request.model_copy(update={"steps": 2, "task": Task.TXT2IMG, "strength": None})])
