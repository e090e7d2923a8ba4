"""How much memory a model and a picture need, told before either is there; and what fits into how much. Pure: no torch.

Weights are counted from the headers of the model's files. What computing takes is counted per pixel of the picture, in
numbers, as the networks of Stable Diffusion 1, 2 and XL were seen to hold at once (docs/decisions/0018).
"""

import re
from dataclasses import dataclass

from engine.errors import Refusal
from engine.wire import GenerationRequest, Memory, ModelInfo, Task, Weights
from engine.worker.ladder import NONE, Rung, Rungs

GB = 1024**3
SETTING = re.compile(r"(\d+(?:\.\d+)?)\s*(G|M)i?B", re.IGNORECASE)
BESIDE = GB // 2  # what the device's driver and libraries take for themselves
UNET_ROW = 160  # numbers per pixel and row: 130 were seen, and some for workspaces
VAE = 1000  # numbers per pixel: 770 were seen
TILE_SHARE = 4  # a tile is half as wide and half as high
LAYER_SHARE = 40  # the largest layer of a UNet is about so small a part of it
GUIDED = 2  # rows of a picture with guidance
MOST_ROWS = 256
CHOICES: tuple[Rungs, ...] = (
    NONE,
    frozenset({Rung.TILES}),
    frozenset({Rung.OFFLOAD}),
    frozenset({Rung.OFFLOAD, Rung.TILES}),
    frozenset({Rung.SEQUENTIAL, Rung.TILES}),
)


@dataclass(frozen=True)
class Plan:
    """`rungs` to begin on, `rows` of a forward pass, None where nothing bounds them, and the `needs` in bytes."""

    rungs: Rungs = NONE
    rows: int | None = None
    needs: int = 0


def parse(setting: str) -> int | None:
    """Bytes of "8GB", "8 GiB" (the same: cards are sold so) or "900MB"; None for "auto". Raises ValueError."""
    if setting == "auto":
        return None
    found = SETTING.fullmatch(setting.strip())
    if found is None:
        raise ValueError(f"must be auto or look like 8GB; it was '{setting}'.")
    return int(float(found[1]) * (GB if found[2] in "Gg" else GB // 1024))


def plan(weights: Weights, pixels: int, memory: Memory) -> Plan:
    """The fastest way in which a guided picture fits; where none does, the most frugal way, which needs too much."""
    for rungs in _open(memory):
        found = _plan(weights, pixels, memory, rungs)
        if found.needs <= memory.bytes and (found.rows or 0) >= GUIDED:
            return found
    return found


def check(request: GenerationRequest, model: ModelInfo, memory: Memory | None) -> None:
    """Raises Refusal invalid_field, with the estimate, where such a picture can never fit.

    Where memory or weights are not known, nothing is refused, and no upscaler: it works in tiles.
    """
    if memory is None or model.weights is None or memory.slow_but_sure or request.task is Task.UPSCALE:
        return
    pixels = request.width * request.height
    least = plan(model.weights, pixels, memory)
    if least.needs > memory.bytes:
        raise Refusal(
            "invalid_field",
            f"width × height is too much for the device's memory: {request.width} × {request.height} with"
            f" {model.name} needs about {in_words(least.needs)}, and there are {in_words(memory.bytes)}.",
            field="width",
            hint="a smaller size",
        )


def in_words(size: int) -> str:
    return f"{size / GB:.1f} GB"


def _open(memory: Memory) -> tuple[Rungs, ...]:
    """On a CPU there is nowhere to move anything out to."""
    return CHOICES if memory.apart else CHOICES[:2]


def _plan(weights: Weights, pixels: int, memory: Memory, rungs: Rungs) -> Plan:
    row = UNET_ROW * max(1, pixels) * memory.number
    decode = VAE * pixels * memory.number // (TILE_SHARE if Rung.TILES in rungs else 1)
    text, unet, vae = (each * memory.number for each in (weights.text, weights.unet, weights.vae))
    if Rung.SEQUENTIAL in rungs:
        drawing, other = unet // LAYER_SHARE, decode
    elif Rung.OFFLOAD in rungs:
        drawing, other = unet, max(vae + decode, text)
    else:
        drawing, other = text + unet + vae, text + unet + vae + decode
    rows = max(1, min(MOST_ROWS, (memory.bytes - BESIDE - drawing) // row))
    return Plan(rungs, rows, BESIDE + max(drawing + min(rows, GUIDED) * row, other))
