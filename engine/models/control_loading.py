"""From a control's folder or file to its networks on the device. Offline: local safetensors only."""

import logging
import time
from dataclasses import dataclass
from typing import Any

import diffusers
import torch
from accelerate import init_empty_weights
from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint
from safetensors.torch import load_file

from engine.errors import Refusal
from engine.models.control_file import PREFIXES
from engine.models.controls import IMAGE_ENCODER, ControlPlace
from engine.models.damage import note_damage
from engine.models.ip_adapter import IPAdapter, load_ip_adapter
from engine.wire import ControlKind
from engine.worker.device import Device

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class ControlNetwork:
    """A loaded control: `network` is a ControlNetModel, a T2IAdapter or an `IPAdapter`, on the device."""

    name: str
    kind: ControlKind
    network: Any
    device: Device

    @property
    def bytes(self) -> int:
        """What its parameters take."""
        return sum(each.numel() * each.element_size() for each in self.network.parameters())


def load_control(place: ControlPlace, device: Device) -> ControlNetwork:
    """Raises Refusal control_broken where files are damaged or incomplete."""
    name, began = place.info.name, time.monotonic()
    try:
        network = _placed(_network(place, device), device)
    except Exception as error:  # whatever a broken file provokes in three libraries
        note_damage(f"control {name}", error)
        raise Refusal(
            "control_broken", f"The control {name} is damaged or incomplete.", field="controls"
        ) from error
    log.info("control %s loaded in %.1f s", name, time.monotonic() - began)
    return ControlNetwork(name=name, kind=place.info.kind, network=network, device=device)


def _network(place: ControlPlace, device: Device) -> Any:
    if place.info.kind is ControlKind.IP_ADAPTER:
        return load_ip_adapter(place.place, place.place.with_name(IMAGE_ENCODER), device.dtype)
    if place.config is not None:
        return _of_file(place, device.dtype)
    is_controlnet = place.info.kind is ControlKind.CONTROLNET
    kind: Any = diffusers.ControlNetModel if is_controlnet else diffusers.T2IAdapter
    return kind.from_pretrained(
        place.place,
        local_files_only=True,
        use_safetensors=True,
        dtype=device.dtype,
        variant=place.variant or None,
    )


def _of_file(place: ControlPlace, dtype: torch.dtype) -> Any:
    with init_empty_weights():
        network = diffusers.ControlNetModel.from_config(place.config)
    tensors = {name: tensor.to(dtype) for name, tensor in load_file(place.place).items()}
    if any(name.startswith(PREFIXES[0]) for name in tensors):
        tensors = {n.removeprefix(PREFIXES[0]): it for n, it in tensors.items() if n.startswith(PREFIXES[0])}
    converted = convert_controlnet_checkpoint(tensors, network.config)
    network.load_state_dict(converted, strict=True, assign=True)
    return network


def _placed(network: Any, device: Device) -> Any:
    network = network.to(device.place).eval().requires_grad_(False)
    if isinstance(network, IPAdapter):
        return network
    return network.to(memory_format=torch.channels_last)  # as the model's own networks
