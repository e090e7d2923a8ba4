"""Where the networks of one loaded model are, and how they spare memory."""

from collections.abc import Sequence
from typing import Any

import torch
from accelerate import cpu_offload
from accelerate.hooks import ModelHook, add_hook_to_module, remove_hook_from_module
from torch.utils._pytree import tree_leaves, tree_map

from engine.models.loading import StableDiffusion
from engine.wire import Weights
from engine.worker.bucketed import eager
from engine.worker.device import wait_for
from engine.worker.ladder import Rung, Rungs, place_of

HOST = torch.device("cpu")
PARKED = "parked"  # all in the host's memory, none at work

Size = tuple[int, int]  # width and height of a picture, in pixels


def networks_of(model: StableDiffusion) -> list[torch.nn.Module]:
    """Every network that the model holds, in the order of their work: text encoders first.

    Not what was compiled of one: a pass that must run it as it was would miss what is hooked to that.
    """
    held = map(eager, tree_leaves([vars(model.prompts), vars(model)]))
    found = {id(each): each for each in held if isinstance(each, torch.nn.Module)}
    return list(found.values())


def bytes_of(model: StableDiffusion) -> int:
    """What the model's parameters and buffers take, wherever they are."""
    numbers = (each for net in networks_of(model) for each in (*net.parameters(), *net.buffers()))
    return sum(each.numel() * each.element_size() for each in numbers)


def weights_of(model: StableDiffusion) -> Weights:
    """The parameters of each of the model's networks."""
    unet, vae = numbers_of(model.unet), numbers_of(model.vae)
    return Weights(text=sum(map(numbers_of, networks_of(model))) - unet - vae, unet=unet, vae=vae)


def numbers_of(network: Any) -> int:
    """How many parameters a network has; none where it is no network."""
    return sum(each.numel() for each in network.parameters()) if isinstance(network, torch.nn.Module) else 0


def tile_side(size: Size, factor: int) -> int:
    """How wide and high tiles of a picture are, in cells of `factor` pixels: half of its longer side."""
    return max(1, -(-max(size) // (2 * factor)))


class Placement:
    """Puts one model's networks where the rungs of the ladder say."""

    def __init__(self, model: StableDiffusion) -> None:
        self._model = model
        self._place: Rung | str | None = ""  # not known: they are where loading left them
        self._processors: dict[str, Any] | None = None
        self._formats = [_format_of(network) for network in networks_of(model)]

    @property
    def on_device(self) -> bool:
        """Whether the networks lie in the device's memory as a whole."""
        return self._place is None

    def settle(self, rungs: Rungs) -> None:
        """Be as the rungs say, tiles apart. May raise torch.OutOfMemoryError, half moved; call it then with others."""
        self._slice(Rung.SLICES in rungs)
        self._move(place_of(rungs))

    def park(self) -> None:
        """Leave the device to others."""
        self._move(PARKED)

    def tile(self, vae: Any, size: Size, *, on: bool) -> None:
        """Let an autoencoder, the model's own or another one, work on parts of a picture."""
        if not hasattr(vae, "enable_tiling"):
            return
        if not on:
            vae.disable_tiling()
            return
        vae.tile_latent_min_size = tile_side(size, self._model.vae_factor)
        vae.tile_sample_min_size = vae.tile_latent_min_size * self._model.vae_factor
        vae.enable_tiling()

    def _slice(self, on: bool) -> None:
        unet = eager(self._model.unet)
        if on == (self._processors is not None):
            return
        if on:
            self._processors = dict(unet.attn_processors)
            unet.set_attention_slice("max")
        elif self._processors is not None:
            unet.set_attn_processor(self._processors)
            self._processors = None

    def _move(self, place: Rung | str | None) -> None:
        if place == self._place:
            return
        wait_for(self._model.device.place)  # a decode beside the steps may still read what is moved
        was, self._place = self._place, ""
        eager(self._model.unet).comes_and_goes = place is not None
        networks = networks_of(self._model)
        for network, format_ in zip(networks, self._formats, strict=True):
            remove_hook_from_module(network, recurse=True)
            if was is Rung.CPU and format_ is not _format_of(network):
                network.to(format_)
        _PLACED[place](self._model, networks)
        if (
            depth := self._model.depth_estimator
        ) is not None:  # it looks where its weights are before it works
            depth.network.to(self._model.device.place if place is None else HOST)
        self._place = place


def _format_of(network: torch.nn.Module) -> torch.dtype | None:
    return next((each.dtype for each in network.parameters()), None)


def _on_device(model: StableDiffusion, networks: Sequence[torch.nn.Module]) -> None:
    for network in networks:
        network.to(model.device.place)


def _parked(_: StableDiffusion, networks: Sequence[torch.nn.Module]) -> None:
    for network in networks:
        network.to(HOST)


def _one_at_a_time(model: StableDiffusion, networks: Sequence[torch.nn.Module]) -> None:
    _parked(model, networks)
    for network in networks:
        others = [each for each in networks if each is not network]
        add_hook_to_module(network, _Alone(network, others, model.device.place))


def _by_layer(model: StableDiffusion, networks: Sequence[torch.nn.Module]) -> None:
    _parked(model, networks)
    for network in networks:
        cpu_offload(network, execution_device=model.device.place)


def _on_cpu(model: StableDiffusion, networks: Sequence[torch.nn.Module]) -> None:
    """The text encoders stay with the device, layer by layer: they are small, and read words only once."""
    drawing = [model.unet, model.vae]
    _parked(model, networks)
    _by_layer(model, [each for each in networks if each not in drawing])
    for network in drawing:
        if _format_of(network) is torch.float16:  # CPUs compute it, but at a crawl
            network.to(torch.float32)
    # An autoencoder is called by `encode` and `decode`, which run its children: a hook on itself would not be asked.
    for network in (model.unet, *model.vae.children()):
        add_hook_to_module(network, _Visiting(_format_of(network) or torch.float32))


_PLACED = {
    None: _on_device,
    PARKED: _parked,
    Rung.OFFLOAD: _one_at_a_time,
    Rung.SEQUENTIAL: _by_layer,
    Rung.CPU: _on_cpu,
}


class _Alone(ModelHook):  # type: ignore[misc]  # accelerate has no types
    """Has a network's siblings make room before it works. As accelerate's CpuOffload, which knows one sibling only."""

    def __init__(
        self, network: torch.nn.Module, others: Sequence[torch.nn.Module], place: torch.device
    ) -> None:
        self._network, self._others, self._place = network, others, place

    def pre_forward(self, module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        del module
        with (
            torch.inference_mode(False),
            torch.no_grad(),
        ):  # weights moved inside it could never be moved again
            for other in self._others:
                other.to(HOST)
            self._network.to(self._place)
        return args, kwargs


class _Visiting(ModelHook):  # type: ignore[misc]
    """Runs a network on the CPU for callers elsewhere, in `format_`: inputs come over, outputs go back."""

    def __init__(self, format_: torch.dtype) -> None:
        self._format = format_
        self._back: tuple[torch.device, torch.dtype] | None = None

    def pre_forward(self, module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        del module
        first = next(each for each in tree_leaves(args) if isinstance(each, torch.Tensor))
        self._back = first.device, first.dtype
        return tree_map(lambda each: _sent(each, HOST, self._format), (args, kwargs))

    def post_forward(self, module: torch.nn.Module, output: Any) -> Any:
        del module
        assert self._back is not None
        place, format_ = self._back
        return tree_map(lambda each: _sent(each, place, format_), output)


def _sent(value: Any, place: torch.device, format_: torch.dtype) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    return value.to(place, format_ if value.is_floating_point() else value.dtype)
