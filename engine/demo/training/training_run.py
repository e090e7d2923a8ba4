"""One network's training: its steps, its moving average and its checkpoints. Resumed where it stopped."""

import copy
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from engine.demo.training.optimiser import Optimiser

log = logging.getLogger(__name__)

SAVE_EVERY_S = 120.0
LOG_EVERY = 100
CLIP_GRADIENT = 1.0
EMA_POWER = 0.75  # the average's memory grows with the run: decay 1 - (1 + step)^-power
EMA_MOST = 0.9995


class TrainingRun:
    """Trains `network` on the losses that `loss_at(step)` gives, for `steps` steps, with checkpoints in `file`.

    The moving average `ema` is what is shipped. A step's data come from its number alone, so that a resumed run
    sees what an uninterrupted one would have seen.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        file: Path,
        steps: int,
        lr: float,
        loss_at: Callable[[int], torch.Tensor],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.network = network.train()
        self.ema = copy.deepcopy(network).eval().requires_grad_(False)
        self._file, self._steps, self._loss_at, self._clock = file, steps, loss_at, clock
        self._optimiser = Optimiser(network, lr=lr, steps=steps)
        self.step, self.seconds = 0, 0.0

    def run(self) -> nn.Module:
        """Train to the end, and return the moving average."""
        self._resume()
        began = saved = self._clock()
        losses = []
        while self.step < self._steps:
            losses.append(self._train_step())
            if self.step % LOG_EVERY == 0:
                log.info(
                    "%s: step %d of %d, loss %.4f", self._file.stem, self.step, self._steps, _mean(losses)
                )
                losses.clear()
            now = self._clock()
            if now - saved > SAVE_EVERY_S or self.step == self._steps:
                self.seconds, began, saved = self.seconds + now - began, now, now
                self._save()
        return self.ema

    def _train_step(self) -> torch.Tensor:
        loss = self._loss_at(self.step)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), CLIP_GRADIENT)
        self._optimiser.step(self.step)
        self._average()
        self.step += 1
        return loss.detach()

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(EMA_MOST, 1 - (1 + self.step) ** -EMA_POWER)
        averaged: list[torch.Tensor] = list(self.ema.parameters())
        torch._foreach_lerp_(averaged, list[torch.Tensor](self.network.parameters()), 1 - decay)
        for mine, theirs in zip(self.ema.buffers(), self.network.buffers(), strict=True):
            mine.copy_(theirs)

    def _state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "seconds": self.seconds,
            "network": self.network.state_dict(),
            "ema": self.ema.state_dict(),
            "optimiser": self._optimiser.state_dict(),
        }

    def _save(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        aside = self._file.with_suffix(".part")
        torch.save(self._state(), aside)
        aside.replace(self._file)

    def _resume(self) -> None:
        if not self._file.exists():
            return
        state = torch.load(self._file, map_location=next(self.network.parameters()).device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.ema.load_state_dict(state["ema"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds = state["step"], state["seconds"]
        log.info("%s: goes on at step %d", self._file.stem, self.step)


def _mean(losses: list[torch.Tensor]) -> float:
    return float(torch.stack(losses).mean())
