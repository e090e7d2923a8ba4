"""LoRAs inside a loaded network: beside its layers, and never mixed into their weights.

Each layer's output is added to by a hook. So switching is a matter of hooks, nothing has to be undone, and a network
without a LoRA computes what it always did, to the last bit. What a network has is kept on the network itself, as a
module, so that it goes where the network goes.
"""

import copy
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import torch
from accelerate.utils import align_module_device

from engine.models.fault import WrongKind
from engine.models.lora_changes import Change, Decomposed

MOST_INSIDE: Final = 8  # LoRAs that stay in a network after their pictures, for the next ones

Weighted = tuple[
    str, Mapping[str, Change], float
]  # a LoRA's key, its changes of this network, and its weight


def fitted(network: Any, changes: Mapping[str, Change]) -> Mapping[str, Change]:
    """The changes by the names of the network's layers. Raises WrongKind where one does not go with its layer."""
    network = _bare(network)
    known = {name for name, _ in network.named_modules()}
    named = {_name(known, layer): change for layer, change in changes.items()}
    for layer, change in named.items():
        try:
            change.fit(network.get_submodule(layer))
        except AttributeError:
            raise WrongKind(f"the model has no layer {layer[:80]}") from None
        except ValueError as error:
            raise WrongKind(f"the model's layer {layer[:80]} {error}") from None
    return named


def apply(network: Any, loras: Sequence[Weighted], place: torch.device) -> None:
    """Let the network compute with exactly these, which were `fitted` to it, from now on.

    `place` is where it computes whose weights come only for the work of their layer.
    """
    network = _bare(network)
    wanted = [(name, weight) for name, _, weight in loras]
    if getattr(network, "loras_applied", []) == wanted:
        return
    network.loras_applied = None  # unknown, should this fail half way
    with torch.inference_mode(False), torch.no_grad():  # parameters outlive the tick in which they are made
        for name, changes, _ in loras:
            if name not in inside(network):
                _put_in(network, name, changes, place)
        idle = [name for name in inside(network) if name not in dict(wanted)]
        for name in idle[: max(0, len(inside(network)) - MOST_INSIDE)]:
            del network.loras[name]
    _hook(network, wanted)
    network.loras_applied = wanted


def inside(network: Any) -> list[str]:
    """The keys of the LoRAs that a network has, at work or not."""
    return list(getattr(network, "loras", {}))


def _bare(network: Any) -> Any:
    """The network itself, where it is compiled (`engine/worker/bucketed.py`)."""
    return getattr(network, "network", network)


def _name(known: Collection[str], layer: str) -> str:
    """transformers keeps the layers of a text encoder that projects one level deeper."""
    deeper = f"text_model.{layer}"
    return deeper if deeper in known else layer


def _put_in(network: Any, name: str, changes: Mapping[str, Change], place: torch.device) -> None:
    """In the network's own precision. Nothing of it stays where it fails."""
    if network.device.type != "meta":  # as it is while the weights are away (accelerate's offload)
        place = network.device
    made = torch.nn.ModuleDict()
    for layer, change in changes.items():
        own = copy.deepcopy(change)
        module = network.get_submodule(layer)
        if isinstance(own, Decomposed):
            with align_module_device(module):  # it may be away
                own.settle(module.weight, module.bias)
        made[_key(layer)] = own.to(place, network.dtype)
    if not hasattr(network, "loras"):
        network.loras = torch.nn.ModuleDict()
    network.loras[name] = made


def _hook(network: Any, wanted: Sequence[tuple[str, float]]) -> None:
    for handle in getattr(network, "lora_hooks", ()):
        handle.remove()
    at_work: dict[str, list[tuple[Change, float]]] = defaultdict(list)
    for name, weight in wanted:
        for layer, change in network.loras[name].items():
            at_work[_layer(layer)].append((change, weight))
    network.lora_hooks = [
        network.get_submodule(layer).register_forward_hook(_Adding(changes))
        for layer, changes in at_work.items()
    ]


class _Adding:
    """A forward hook that adds to what a layer made, each change times its weight."""

    def __init__(self, changes: Sequence[tuple[Change, float]]) -> None:
        self._changes = changes

    def __call__(self, layer: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        changed = output
        for change, weight in self._changes:
            changed = changed + weight * change(inputs[0], output, layer.forward)
        return changed


def _key(layer: str) -> str:
    """A layer's name as torch takes names of modules."""
    return layer.replace(".", "/")


def _layer(key: str) -> str:
    return key.replace("/", ".")
