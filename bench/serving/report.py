"""What a run of the serving benchmark says: a JSON file with every figure, tables, and plots."""

import json
import platform
import re
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matplotlib as mpl
import torch

from bench.serving.gate import Difference
from bench.serving.summary import Summary

mpl.use("Agg")
from matplotlib import pyplot as plt

LIBRARIES = ("torch", "diffusers", "transformers", "numpy", "pillow")
COLUMNS = {  # of the table: what of a summary, and how it is written
    "pictures/s": ("throughput", "{:.2f}"),
    "p50 s": ("p50", "{:.2f}"),
    "p95 s": ("p95", "{:.2f}"),
    "p99 s": ("p99", "{:.2f}"),
    "first preview s": ("preview", "{:.2f}"),
    "stretch p95": ("stretch", "{:.2f}"),
    "largest stretch": ("worst_stretch", "{:.2f}"),
    "rows a tick": ("rows", "{:.1f}"),
    "peak memory GB": ("peak_gb", "{:.2f}"),
}
PLOTTED = {
    "throughput": "pictures a second",
    "p95": "95th percentile of the latency, s",
    "stretch": "95th percentile of the stretch",
}


@dataclass
class Report:
    """Of one model. `runs` are by load and arm, one summary for each of the `rounds` of so many `requests`, of so many
    `steps`; `minutes` were given for them, and `left_out` says why there are none. `curve` is rows to seconds of a
    tick; `compile_s` what compiling took, by arm; `yardstick` what others draw, in pictures a second.
    """

    model: str
    side: int
    device: str
    steps: tuple[int, ...]
    requests: int = 0
    rounds: int = 0
    minutes: float | None = None
    left_out: str = ""
    runs: dict[str, dict[str, list[Summary]]] = field(default_factory=dict)
    curve: dict[int, float] = field(default_factory=dict)
    compile_s: dict[str, float] = field(default_factory=dict)
    differences: Sequence[Difference] = ()
    reproducible: bool = False
    yardstick: float | None = None

    def add(self, load: str, arm: str, figures: Summary) -> None:
        self.runs.setdefault(load, {}).setdefault(arm, []).append(figures)

    def median(self, load: str, arm: str, what: str) -> float:
        """The median over all rounds."""
        return statistics.median(self._rounds(load, arm, what))

    def largest(self, load: str, arm: str, what: str) -> float:
        """The largest of all rounds."""
        return max(self._rounds(load, arm, what))

    def table(self) -> str:
        """A row for each load and arm: medians over the rounds, with the least and the largest."""
        rows = [f"| load | arm | {' | '.join(COLUMNS)} |", "|---|---|" + "---|" * len(COLUMNS)]
        for load, arms in self.runs.items():
            for arm in arms:
                cells = [self._cell(load, arm, what, form) for what, form in COLUMNS.values()]
                rows.append(f"| {load} | {arm} | {' | '.join(cells)} |")
        return "\n".join(rows)

    def plot(self, folder: Path) -> None:
        """A picture for each load."""
        for load in self.runs:
            self._plot(load, folder / f"serving-{_slug(self.model)}-{_slug(load)}.png")

    def _rounds(self, load: str, arm: str, what: str) -> list[float]:
        if what == "peak_gb":
            return [figures.peak_bytes / 1e9 for figures in self.runs[load][arm]]
        return [getattr(figures, what) for figures in self.runs[load][arm]]

    def _cell(self, load: str, arm: str, what: str, form: str) -> str:
        rounds = self._rounds(load, arm, what)
        middle, least, most = (
            form.format(value) for value in (statistics.median(rounds), min(rounds), max(rounds))
        )
        return middle if least == most else f"{middle} ({least}–{most})"

    def _plot(self, load: str, file: Path) -> None:
        arms = list(self.runs[load])
        figure, axes = plt.subplots(1, len(PLOTTED), figsize=(12, 3.2), layout="constrained", sharey=True)
        for axis, (what, title) in zip(axes, PLOTTED.items(), strict=True):
            axis.barh(arms, [self.median(load, arm, what) for arm in arms])
            axis.set_title(title, fontsize=9)
            axis.tick_params(labelsize=8)
        axes[0].invert_yaxis()
        figure.suptitle(f"{load}: {self.model}, {self.side} × {self.side}, {self.device}", fontsize=9)
        figure.savefig(file, dpi=100)
        plt.close(figure)


def write(reports: Sequence[Report], folder: Path) -> None:
    """`serving.json` and the plots."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"machine": machine(), "models": [asdict(report) for report in reports]}
    (folder / "serving.json").write_text(json.dumps(content, indent=1) + "\n")
    for report in reports:
        report.plot(folder)


def machine() -> dict[str, Any]:
    """Hardware, versions and the day: figures of different machines are not to be compared."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "cuda": torch.version.cuda if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*: (.+)$", file.read_text(), re.MULTILINE) if file.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


def _slug(words: str) -> str:
    return re.sub(r"[^\w.]+", "-", words)
