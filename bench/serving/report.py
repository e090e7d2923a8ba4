"""What a run of the serving benchmark says: a JSON file with every figure, a table, and plots."""

import json
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import diffusers
import matplotlib as mpl
import torch

from bench.serving.gate import Difference
from bench.serving.load import Summary

mpl.use("Agg")
from matplotlib import pyplot as plt


@dataclass
class Report:
    """`runs` are by workload and arm, one summary each round; `curve` is rows to seconds of a tick."""

    model: str
    side: int
    device: str
    runs: dict[str, dict[str, list[Summary]]] = field(default_factory=dict)
    curve: dict[int, float] = field(default_factory=dict)
    differences: Sequence[Difference] = ()
    reproducible: bool = False
    peak_bytes: int = 0

    def add(self, workload: str, arm: str, figures: Summary) -> None:
        self.runs.setdefault(workload, {}).setdefault(arm, []).append(figures)

    def median(self, workload: str, arm: str, what: str) -> float:
        """The median over all rounds."""
        return statistics.median(getattr(figures, what) for figures in self.runs[workload][arm])

    def write(self, folder: Path) -> None:
        """`serving.json` and a plot for each workload."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "serving.json").write_text(json.dumps(self._content(), indent=1) + "\n")
        for workload in self.runs:
            self._plot(workload, folder / f"serving-{workload.replace(' ', '-')}.png")

    def table(self) -> str:
        """Medians over the rounds, as the documentation shows them."""
        rows = ["| workload | arm | pictures/s | p50 s | p95 s | p99 s | first preview s | stretch p95 |"]
        rows.append("|---|---|---|---|---|---|---|---|")
        for workload, arms in self.runs.items():
            for arm in arms:
                figures = [
                    f"{self.median(workload, arm, what):.2f}"
                    for what in ("throughput", "p50", "p95", "p99", "preview", "stretch")
                ]
                rows.append(f"| {workload} | {arm} | {' | '.join(figures)} |")
        return "\n".join(rows)

    def _content(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "date": time.strftime("%Y-%m-%d"),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "diffusers": diffusers.__version__,
            "threads": torch.get_num_threads(),
        }

    def _plot(self, workload: str, file: Path) -> None:
        arms = list(self.runs[workload])
        figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
        for axis, what, title in zip(
            axes,
            ("throughput", "p95"),
            ("pictures a second", "95th percentile of the latency, s"),
            strict=True,
        ):
            axis.barh(arms, [self.median(workload, arm, what) for arm in arms])
            axis.set_title(title, fontsize=9)
            axis.invert_yaxis()
            axis.tick_params(labelsize=8)
        figure.suptitle(f"{workload}: {self.model}, {self.side} × {self.side}, {self.device}", fontsize=9)
        figure.savefig(file, dpi=100)
        plt.close(figure)
