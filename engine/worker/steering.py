"""Pictures that steer a picture: what they add to a forward pass.

A ControlNet sees what the network sees, and the picture, at every step; its residuals are added to the network's. A
T2I-Adapter's features are of the picture alone. An IP-Adapter lets attention read the picture beside the words. Each
row has its own weight and its own picture, so images that are steered by the same networks share ticks.
"""

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from PIL import Image

from engine.models.control_loading import ControlNetwork
from engine.wire import Control, ControlKind
from engine.worker.bucketed import eager
from engine.worker.passes import in_passes

Options = dict[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Steering:
    """One control of an image in flight, of a `picture` that may be fitted again to another size.

    `shown` is what its network made of the picture. ControlNet: the pixels themselves, [1, 3, H, W] in [0, 1].
    T2I-Adapter: features, [1, c, h, w] for each block. IP-Adapter: tokens, [2, tokens, width], of none and of this.
    """

    control: Control
    by: ControlNetwork
    picture: Image.Image
    shown: tuple[torch.Tensor, ...]

    def steers(self, position: int, steps: int) -> bool:
        """Whether it takes part in step `position` of `steps`, from 0. As diffusers counts: the whole step."""
        within = position / steps >= self.control.start and (position + 1) / steps <= self.control.end
        return within and self.control.weight > 0

    @property
    def key(self) -> Hashable:
        """What images must have in common to share a pass: an IP-Adapter has one weight for all rows."""
        weighs_all = self.by.kind is ControlKind.IP_ADAPTER
        return self.control.name, self.control.weight if weighs_all else None


class Steered(Protocol):
    """An image in flight, as far as it is needed here."""

    @property
    def rows(self) -> int: ...
    @property
    def unconditional_rows(self) -> int: ...
    @property
    def steered_by(self) -> tuple[Steering, ...]: ...


@contextmanager
def steered(
    unet: Any,
    batch: Sequence[Steered],
    most: int,
    sample: torch.Tensor,
    timesteps: torch.Tensor,
    options: Options,
) -> Iterator[tuple[Any, Options]]:
    """The network of a forward pass and its options, with what steers it; inside the block an IP-Adapter is worn.

    `most` rows fit into memory at a time. `sample` [rows, channels, h, w]; `options` has `encoder_hidden_states`. All
    images of the batch have equal keys.
    """
    wears: Any = nullcontext()
    more: Options = {}
    for controls in zip(*(image.steered_by for image in batch), strict=True):
        by = controls[0].by
        match by.kind:
            case ControlKind.CONTROLNET:
                _add_residuals(more, _residuals(batch, controls, most, sample, timesteps, options))
            case ControlKind.T2I_ADAPTER:
                features = _features(batch, controls, sample.dtype)
                _sum_up(more, "down_intrablock_additional_residuals", features)
            case ControlKind.IP_ADAPTER:
                tokens = {"image_embeds": [_tokens(batch, controls, sample.dtype)]}
                more["added_cond_kwargs"] = (options.get("added_cond_kwargs") or {}) | tokens
                unet = eager(unet)  # compiled it would have to be compiled anew
                wears = by.network.worn_by(unet, controls[0].control.weight)
    with wears:
        yield unet, options | more


def _residuals(
    batch: Sequence[Steered],
    controls: Sequence[Steering],
    most: int,
    sample: torch.Tensor,
    timesteps: torch.Tensor,
    options: Options,
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """What one ControlNet adds to each block, and in the middle. It sees latents alone: no mask, no depth."""
    network = controls[0].by.network
    pixels = torch.cat(
        [each.shown[0].expand(image.rows, -1, -1, -1) for image, each in _pairs(batch, controls)]
    )
    down, mid = in_passes(
        network,
        most,
        sample[:, : network.config.in_channels],
        timesteps,
        encoder_hidden_states=options["encoder_hidden_states"],
        controlnet_cond=pixels.to(sample.dtype),
        conditioning_scale=_weights(batch, controls, sample, network.config.global_pool_conditions),
        added_cond_kwargs=options.get("added_cond_kwargs"),
    )
    return list(down), mid


def _weights(
    batch: Sequence[Steered], controls: Sequence[Steering], sample: torch.Tensor, conditional: bool
) -> torch.Tensor:
    """[rows, 1, 1, 1]. A network that pools what it sees ("shuffle") steers the conditional rows only."""
    weights = [
        0.0 if conditional and row < image.unconditional_rows else each.control.weight
        for image, each in _pairs(batch, controls)
        for row in range(image.rows)
    ]
    return torch.tensor(weights, device=sample.device, dtype=sample.dtype).view(-1, 1, 1, 1)


def _features(
    batch: Sequence[Steered], controls: Sequence[Steering], dtype: torch.dtype
) -> list[torch.Tensor]:
    """What one T2I-Adapter adds, [rows, c, h, w] for each block."""
    blocks = range(len(controls[0].shown))
    return [
        torch.cat(
            [
                (each.shown[block] * each.control.weight).expand(image.rows, -1, -1, -1)
                for image, each in _pairs(batch, controls)
            ]
        ).to(dtype)
        for block in blocks
    ]


def _tokens(batch: Sequence[Steered], controls: Sequence[Steering], dtype: torch.dtype) -> torch.Tensor:
    """[rows, 1, tokens, width]: unconditional rows see no picture."""
    rows = [
        each.shown[0][0 if row < image.unconditional_rows else 1]
        for image, each in _pairs(batch, controls)
        for row in range(image.rows)
    ]
    return torch.stack(rows)[:, None].to(dtype)


def _pairs(batch: Sequence[Steered], controls: Sequence[Steering]) -> Iterator[tuple[Steered, Steering]]:
    return zip(batch, controls, strict=True)


def _add_residuals(options: Options, residuals: tuple[list[torch.Tensor], torch.Tensor]) -> None:
    down, mid = residuals
    _sum_up(options, "down_block_additional_residuals", down)
    before = options.get("mid_block_additional_residual")
    options["mid_block_additional_residual"] = mid if before is None else before + mid


def _sum_up(options: Options, name: str, addends: list[torch.Tensor]) -> None:
    before = options.get(name)
    options[name] = addends if before is None else [a + b for a, b in zip(before, addends, strict=True)]
