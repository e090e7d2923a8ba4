"""The optimiser of all four networks: Muon for matrices and convolutions, AdamW for the rest.

Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/) steps along the momentum with its singular
values made equal. It needs about half of the pictures that AdamW needs, for a tenth more time per step.
"""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # the quintic of the post above: steep at zero
_ITERATIONS = 5
_MOMENTUM = 0.95
_ADAMW_LIKE = (
    0.2  # the RMS of an AdamW step, so that both take one learning rate (Liu et al. 2025, arXiv 2502.16982)
)


class Muon(torch.optim.Optimizer):
    """For parameters of two dimensions or more; a convolution counts as a matrix [out, in × height × width]."""

    def __init__(self, parameters: Iterable[nn.Parameter], *, lr: float, weight_decay: float) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step, with the gradients that are there."""
        assert closure is None
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group["lr"], group["weight_decay"])

    def _update(self, parameter: nn.Parameter, lr: float, weight_decay: float) -> None:
        gradient = parameter.grad
        assert gradient is not None
        momentum = self.state[parameter].setdefault("momentum", torch.zeros_like(gradient))
        momentum.lerp_(gradient, 1 - _MOMENTUM)
        ahead = gradient.lerp(momentum, _MOMENTUM)  # Nesterov
        matrix = ahead.reshape(len(ahead), -1)
        update = _orthogonal(matrix) * (_ADAMW_LIKE * math.sqrt(max(matrix.shape)))
        parameter.mul_(1 - lr * weight_decay)
        parameter.add_(update.reshape(ahead.shape), alpha=-lr)


def _orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """Nearly U·Vᵀ of the singular value decomposition, by Newton-Schulz iterations.

    Every iterate is a polynomial of X·Xᵀ times X, so that the iterations need only the small square matrix.
    """
    a, b, c = _NEWTON_SCHULZ
    wide = matrix.T if len(matrix) > matrix.shape[1] else matrix
    x = wide / (wide.norm() + 1e-7)
    square = x @ x.T  # in float32: small singular values come in squared
    identity = torch.eye(len(square), device=square.device)
    factor = identity
    for _ in range(_ITERATIONS):
        gram = factor @ factor @ square
        factor = (a * identity + b * gram + c * gram @ gram) @ factor
    update: torch.Tensor = factor @ x
    return update.T if len(matrix) > matrix.shape[1] else update


class Optimiser:
    """Both optimisers behind one step, with a warm-up and a linear decay over `steps` steps to nothing."""

    def __init__(self, network: nn.Module, *, lr: float, steps: int, warmup: int = 100) -> None:
        matrices: list[nn.Parameter] = []
        rest: list[nn.Parameter] = []
        for name, parameter in network.named_parameters():
            is_matrix = parameter.ndim >= 2 and not name.endswith(
                ("embedding.weight", "positional_embedding")
            )
            (matrices if is_matrix and min(parameter.shape[:2]) > 4 else rest).append(parameter)
        self._parts: list[torch.optim.Optimizer] = [
            Muon(matrices, lr=lr, weight_decay=0.01),
            torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.99), weight_decay=0.0),
        ]
        self._lr, self._steps, self._warmup = lr, steps, warmup

    def step(self, number: int) -> None:
        """Step `number`, counted from zero, and forget the gradients."""
        rate = self._lr * min(1.0, (number + 1) / self._warmup, (self._steps - number) / (0.4 * self._steps))
        for part in self._parts:
            for group in part.param_groups:
                group["lr"] = rate
            part.step()
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict[str, Any]]:
        return [part.state_dict() for part in self._parts]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        for part, state in zip(self._parts, states, strict=True):
            part.load_state_dict(state)
