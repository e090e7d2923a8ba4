"""A compiled network whose number of rows is rounded up to a bucket, so that few graphs serve all ticks."""

from collections.abc import Callable
from typing import Any

import torch

from engine.worker.batching import ROWS
from engine.worker.compiled_folder import CompiledFolder


def eager(unet: Any) -> Any:
    """The network as it was before it was compiled: for a pass in which it is another one."""
    return unet.network if isinstance(unet, Bucketed) else unet


def compilations(unet: Any) -> int:
    """How many shapes of the network were compiled, where the compiler tells."""
    return unet.compilations if isinstance(unet, Bucketed) else 0


class Bucketed(torch.nn.Module):
    """`network`, and what was compiled of it, which takes and returns the same. `folder` is where that is kept.

    The rows that are added repeat the first one; their results are thrown away.
    """

    def __init__(
        self, network: Any, compiled: Callable[..., Any], folder: CompiledFolder | None = None
    ) -> None:
        super().__init__()
        self.network = network
        self._compiled = compiled
        self._folder = folder
        self._may_be_damaged = folder is not None
        self._known: set[tuple[int, ...]] = set()  # shapes that were compiled, or found so

    @property
    def config(self) -> Any:
        return self.network.config

    @property
    def compilations(self) -> int:
        return getattr(self._compiled, "compilations", 0)

    def forward(self, sample: torch.Tensor, timestep: torch.Tensor, **conditions: Any) -> Any:
        """As the network's, for any number of rows."""
        rows = len(sample)
        # a single row is not rounded up: it would cost twice as much
        more = next((bucket for bucket in ROWS if bucket >= rows), rows) - rows
        padded = [_padded(value, rows, more) for value in (sample, timestep, conditions)]
        return _cut(self._run(*padded), rows)

    def _run(self, sample: torch.Tensor, timestep: torch.Tensor, conditions: dict[str, Any]) -> Any:
        changing = getattr(self.network, "loras_applied", None) or getattr(
            self.network, "comes_and_goes", False
        )
        if changing:  # LoRAs, or weights moved in for each pass: compiling would never end
            return self.network(sample, timestep, **conditions)
        result = self._of_compiled(sample, timestep, conditions)
        if self._folder is not None and sample.shape not in self._known:
            self._known.add(sample.shape)
            self._folder.seal()
        return result

    def _of_compiled(self, sample: torch.Tensor, timestep: torch.Tensor, conditions: dict[str, Any]) -> Any:
        try:
            return self._compiled(sample, timestep, **conditions)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            if self._folder is None or not self._may_be_damaged or not self._folder.path.exists():
                raise
            self._folder.discard(f"cannot be used ({type(error).__name__})")
        self._may_be_damaged = False  # a second failure is not the folder's
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
