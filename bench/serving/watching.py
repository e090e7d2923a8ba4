"""What a run does to the network and to the memory while it is watched."""

import resource
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any

import torch


class Passes:
    """How many forward passes of a network had how many rows, while it is entered."""

    def __init__(self, unet: Any) -> None:
        self.by_rows: Counter[int] = Counter()
        self._unet = unet

    def __enter__(self) -> "Passes":
        self._hook = self._unet.register_forward_pre_hook(self._count)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._hook.remove()

    def _count(self, _: Any, inputs: tuple[Any, ...]) -> None:
        self.by_rows[len(inputs[0])] += 1


class NetworkTime:
    """How long passes of networks take in all, in seconds; on a GPU only for as long as they are launched."""

    def __init__(self, *networks: torch.nn.Module) -> None:
        self.seconds = self._began = 0.0
        for network in networks:
            network.register_forward_pre_hook(self._begin)
            network.register_forward_hook(self._end)

    def _begin(self, *_: Any) -> None:
        self._began = time.perf_counter()

    def _end(self, *_: Any) -> None:
        self.seconds += time.perf_counter() - self._began


def reset_peak_memory() -> None:
    """Forget what was needed before. On a CPU only Linux can."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    elif (switch := Path("/proc/self/clear_refs")).exists():
        switch.write_text("5")  # man 5 proc_pid_clear_refs: the peak of the resident set


def peak_memory() -> int:
    """Bytes that were held at most: of the first GPU, or else of the whole process with every arm's weights."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else []:
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
