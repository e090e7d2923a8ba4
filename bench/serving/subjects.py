"""The models that are served in the benchmark, each at its own size."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.random_models import SIDES, write_full_size, write_mid_size
from bench.serving.gate import FIXED
from bench.serving.workloads import STEPS
from engine.models.registry import DEMO_FOLDER

NAMES = {"sd1": "Stable Diffusion 1.5", "sd2": "Stable Diffusion 2.1", "sdxl": "Stable Diffusion XL"}
EVERY_SAMPLER = 9  # requests of the gate where each takes long
HALF, QUARTER = (4, 10, 15, 25), (2, 5, 8, 12)  # of the usual steps: for a CPU, whose pictures take long
MLPERF_H200 = (
    2.40  # pictures/s of one H200 by TensorRT in fp8: SDXL of MLPerf Inference v5.1, closed, 20 Euler steps
)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """`write` makes its files in a folder; `steps` are those of its pictures. `fixed` is how many requests the gate
    compares, at `gate_side` (None: at the same side); `yardstick` what others draw, in pictures a second.
    """

    name: str
    side: int
    write: Callable[[Path], None] | None = None
    folder: Path | None = None
    steps: Sequence[int] = STEPS
    fixed: int = EVERY_SAMPLER
    gate_side: int | None = None
    yardstick: float | None = None

    def written(self, scratch: Path) -> Path:
        """The folder of its files, in diffusers' layout; they are made in `scratch` unless they are there."""
        if self.folder is not None:
            return self.folder
        assert self.write is not None
        self.write(scratch / "model")
        return scratch / "model"


def demo() -> Subject:
    return Subject(name="demo model", side=256, folder=DEMO_FOLDER, steps=HALF, fixed=FIXED, gate_side=128)


def mid_size() -> Subject:
    return Subject(
        name="mid-size network, 78 million parameters",
        side=192,
        write=write_mid_size,
        steps=QUARTER,
        gate_side=128,
    )


def full_size() -> list[Subject]:
    """Stable Diffusion 1.5, 2.1 and XL with random weights: for a GPU."""
    return [
        Subject(
            name=NAMES[family],
            side=side,
            write=partial(write_full_size, family),
            yardstick=MLPERF_H200 if family == "sdxl" else None,
        )
        for family, side in SIDES.items()
    ]
