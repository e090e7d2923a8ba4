"""Ways to draw faster, one function each: a loaded model in, the same model with faster networks out.

`exact` changes no picture beyond the rounding of floats and starts at once. `balanced` compiles the networks: the first
picture of each size and number of rows then waits for minutes, once for each machine, since what was compiled is kept
on disk. What each one gains is in docs/benchmarks.md.
"""

import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import torch

from engine.models.loading import StableDiffusion
from engine.worker.batching import BUCKETS

log = logging.getLogger(__name__)

GRAPHS = 64  # of one network: sizes × buckets. Beyond torch's own limit, 8 for all of a class, it would not compile
COMPILERS = ("c++", "g++", "clang++", "cl")


class Speed(StrEnum):
    EXACT = "exact"
    BALANCED = "balanced"


def sped_up(model: StableDiffusion, speed: Speed, cache: Path | None = None) -> StableDiffusion:
    """The model with all that `speed` allows. `cache` is where compiled code is kept."""
    return compiled(model, cache) if speed is Speed.BALANCED else model


def compiled(model: StableDiffusion, cache: Path | None = None) -> StableDiffusion:
    """The UNet as one compiled graph for each size and bucket of rows (`engine/worker/batching.py`)."""
    return replace(model, unet=Bucketed(model.unet, for_each_shape(model.unet), cache))


def for_each_shape(network: Any, backend: Any = "inductor") -> Any:
    """The network, compiled anew for each shape of its inputs. Others of its class do not count against GRAPHS."""
    limits: Any = {"recompile_limit": GRAPHS, "isolate_recompiles": True}  # torch's types do not know of them
    return torch.compile(network, dynamic=False, backend=backend, **limits)


def can_compile() -> bool:
    """Whether this machine has what torch compiles with: a C++ compiler, or for CUDA Triton, which brings its own."""
    return torch.cuda.is_available() or any(shutil.which(name) for name in COMPILERS)


def eager(unet: Any) -> Any:
    """The network as it was before it was compiled: for a pass in which it is another one."""
    return unet.network if isinstance(unet, Bucketed) else unet


class Bucketed(torch.nn.Module):
    """A network whose number of rows is rounded up to a bucket, so that few graphs serve all ticks.

    The rows that are added repeat the first one; their results are thrown away.
    """

    def __init__(self, network: Any, compiled: Callable[..., Any], cache: Path | None = None) -> None:
        super().__init__()
        self.network = network
        self._compiled = compiled
        self._cache = cache

    @property
    def config(self) -> Any:
        return self.network.config

    def forward(self, sample: torch.Tensor, timestep: torch.Tensor, **conditions: Any) -> Any:
        """As the network's, for any number of rows."""
        rows = len(sample)
        more = next((bucket for bucket in BUCKETS if bucket >= rows), rows) - rows
        padded = [_padded(value, rows, more) for value in (sample, timestep, conditions)]
        return _cut(self._run(*padded), rows)

    def _run(self, sample: torch.Tensor, timestep: torch.Tensor, conditions: dict[str, Any]) -> Any:
        changing = getattr(self.network, "loras_applied", None) or getattr(
            self.network, "comes_and_goes", False
        )
        if changing:  # LoRAs, or weights moved in for each pass: compiling would never end
            return self.network(sample, timestep, **conditions)
        try:
            return self._compiled(sample, timestep, **conditions)
        except torch.OutOfMemoryError:
            raise
        except Exception:
            if self._cache is None or not self._cache.exists():
                raise
        log.warning(
            "what was compiled before cannot be used: it is discarded and compiled anew", exc_info=True
        )
        shutil.rmtree(self._cache, ignore_errors=True)
        self._cache = None  # a second failure is not the cache's
        return self._compiled(sample, timestep, **conditions)


def _padded(value: Any, rows: int, more: int) -> Any:
    """Every tensor of `rows` rows with `more` copies of its first, in dictionaries, lists and tuples too."""
    if isinstance(value, torch.Tensor) and value.ndim and len(value) == rows and more:
        return torch.cat([value, value[:1].expand(more, *value.shape[1:])])
    if isinstance(value, dict):
        return {name: _padded(each, rows, more) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_padded(each, rows, more) for each in value)
    return value


def _cut(result: Any, rows: int) -> Any:
    return tuple(each[:rows] for each in result) if isinstance(result, tuple) else result
