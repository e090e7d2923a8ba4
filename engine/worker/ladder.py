"""What is done where memory is short, in which order, and what a person is told of it. Pure: no torch.

Each rung costs more time than the one before it. None changes the size or the steps of a picture, and only tiles change
its pixels, a little. Smaller ticks come before all of them: `engine/worker/batching.py`.
"""

from collections.abc import Collection
from enum import StrEnum


class Work(StrEnum):
    """What ran out of memory."""

    LOAD = "load"  # moving a model's networks to the device
    TEXT = "text"
    UNET = "unet"
    VAE = "vae"
    FACE = "face"  # restoring one
    CONTROL = "control"  # loading a network by which pictures steer, and what it makes of them


class Rung(StrEnum):
    """In the order in which they are tried. The last three say where the networks are: each replaces the one before."""

    TILES = "tiles"  # the autoencoder works on overlapping parts of the picture
    SLICES = "slices"  # attention takes one head after the other
    OFFLOAD = "offload"  # only the network that is at work is on the device
    SEQUENTIAL = "sequential"  # only the layer that is at work is on the device
    CPU = "cpu"  # UNet and VAE run on the CPU


Rungs = frozenset[Rung]
NONE: Rungs = frozenset()
PLACES = (Rung.OFFLOAD, Rung.SEQUENTIAL, Rung.CPU)
_HELPS = {  # what else than moving networks out helps with
    Rung.TILES: (Work.VAE,),
    Rung.SLICES: (Work.UNET,),
}
_WORDS = {
    Rung.TILES: "decoded in tiles, whose seams may show a little",
    Rung.SLICES: "attention computed in slices",
    Rung.OFFLOAD: "only one part of the model on the device at a time",
    Rung.SEQUENTIAL: "only one layer of the model on the device at a time",
    Rung.CPU: "computed on the CPU",
}


def next_rung(taken: Collection[Rung], work: Work, available: Collection[Rung] = tuple(Rung)) -> Rung | None:
    """The first of the `available` rungs below those `taken` that helps with `work`; None where there is none left."""
    place = place_of(taken)
    for rung in Rung:
        helps = work in _HELPS.get(rung, tuple(Work))
        passed = rung in taken or (place is not None and rung in PLACES[: PLACES.index(place)])
        if rung in available and helps and not passed:
            return rung
    return None


def place_of(taken: Collection[Rung]) -> Rung | None:
    """Where the networks are: the last of PLACES that is taken; None: all are on the device."""
    return next((rung for rung in reversed(PLACES) if rung in taken), None)


def notice(taken: Collection[Rung]) -> str | None:
    """What a person is told; None where nothing was taken."""
    place = place_of(taken)
    said = [_WORDS[rung] for rung in Rung if rung in taken and (rung not in PLACES or rung is place)]
    if not said:
        return None
    *first, last = said
    listed = f"{', '.join(first)} and {last}" if first else last
    return f"The device's memory is short for this size. So it was drawn more slowly: {listed}."
