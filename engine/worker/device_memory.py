"""How much memory there is to draw in, and which ways of sparing it the device has."""

import os

import torch

from engine.wire import Memory
from engine.worker.device import Device
from engine.worker.ladder import Rung


def device_memory(device: Device, wanted: int | None, *, cpu_fallback: bool = False) -> Memory | None:
    """What drawing may take: `wanted` bytes, or what is free of a GPU's now. None where nothing bounds it.

    On CUDA the bound is enforced: what goes beyond it is out of memory, even if the GPU has more.
    """
    place = device.place
    if place.type == "cuda":
        free, total = torch.cuda.mem_get_info(place)
        wanted = free if wanted is None else min(wanted, total)
        torch.cuda.set_per_process_memory_fraction(wanted / total, place)
    if wanted is None:
        return None
    apart = place.type != "cpu"
    return Memory(
        bytes=wanted, number=device.dtype.itemsize, apart=apart, slow_but_sure=apart and cpu_fallback
    )


def host_memory() -> int:
    """Bytes of memory that the machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def rungs_of(device: Device, *, cpu_fallback: bool) -> tuple[Rung, ...]:
    """The rungs of the ladder that this device has: from a CPU there is nowhere to move anything out to."""
    if device.place.type == "cpu":
        return (Rung.TILES, Rung.SLICES)
    return tuple(rung for rung in Rung if cpu_fallback or rung is not Rung.CPU)
