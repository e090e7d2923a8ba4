"""LoRAs inside a loaded network: beside its layers, by peft, and never mixed into their weights.

So switching is a matter of flags, nothing has to be undone, and a network without a LoRA computes what it always
did, to the last bit. What a network has is kept on the network itself.
"""

import math
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer

from engine.models.fault import WrongKind
from engine.models.lora import Pair

MOST_INSIDE: Final = 8  # LoRAs that stay in a network after their pictures, for the next ones

Weighted = tuple[str, Mapping[str, Pair], float]  # a LoRA's key, its pairs for this network, and its weight


def fitted(network: Any, pairs: Mapping[str, Pair]) -> Mapping[str, Pair]:
    """The pairs in the shapes of the network's layers. Raises WrongKind where one does not go with its layer."""
    network = _bare(network)
    named = {_name(network, layer): pair for layer, pair in pairs.items()}
    return {layer: _fitted(network, layer, pair) for layer, pair in named.items()}


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
        for name, pairs, _ in loras:
            if name not in _inside(network):
                _put_in(network, name, pairs, place)
        idle = [name for name in _inside(network) if name not in dict(wanted)]
        for name in idle[: max(0, len(_inside(network)) - MOST_INSIDE)]:
            _take_out(network, name)
        for layer in _layers(network):
            _switch(layer, wanted)
    network.loras_applied = wanted


def _bare(network: Any) -> Any:
    """The network itself, where it is compiled (`engine/worker/speed.py`)."""
    return getattr(network, "network", network)


def _name(network: Any, layer: str) -> str:
    """transformers keeps the layers of a text encoder that projects one level deeper."""
    deeper = f"text_model.{layer}"
    return deeper if deeper in dict(network.named_modules()) else layer


def _fitted(network: Any, layer: str, pair: Pair) -> Pair:
    """Trainers write 1 × 1 convolutions as matrices and the other way round."""
    try:
        module = network.get_submodule(layer)
        weight = getattr(module, "base_layer", module).weight
    except AttributeError:
        raise WrongKind(f"the model has no layer {layer[:80]}") from None
    down, up = (pair.rank, *weight.shape[1:]), (len(weight), pair.rank, *[1] * (weight.dim() - 2))
    if pair.down.numel() != math.prod(down) or pair.up.numel() != math.prod(up):
        raise WrongKind(f"the model's layer {layer[:80]} has another size")
    return Pair(pair.down.reshape(down), pair.up.reshape(up))


def _inside(network: Any) -> list[str]:
    return list(getattr(network, "peft_config", {}))


def _layers(network: Any) -> Iterator[BaseTunerLayer]:
    return (module for module in network.modules() if isinstance(module, BaseTunerLayer))


def _put_in(network: Any, name: str, pairs: Mapping[str, Pair], place: torch.device) -> None:
    """Beside the layers, in the network's own precision. Nothing of it stays where it fails."""
    dtype = network.dtype
    if network.device.type != "meta":  # as it is while the weights are away (accelerate's offload)
        place = network.device
    state = {f"{layer}.lora_A.weight": pair.down.to(place, dtype) for layer, pair in pairs.items()}
    state |= {f"{layer}.lora_B.weight": pair.up.to(place, dtype) for layer, pair in pairs.items()}
    usual = Counter(pair.rank for pair in pairs.values()).most_common(1)[0][0]
    others = {f"^{layer}": pair.rank for layer, pair in pairs.items() if pair.rank != usual}
    # An alpha as large as the rank is a scale of 1: the pairs are scaled already.
    config = LoraConfig(
        r=usual,
        lora_alpha=usual,
        rank_pattern=others,
        alpha_pattern=others,
        target_modules=list(pairs),
    )
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Already found a `peft_config`")  # that is the point
            inject_adapter_in_model(
                config, network, adapter_name=name, low_cpu_mem_usage=True, state_dict=state
            )
        # peft's own function would send them after weights that are away, and lose them
        network.load_state_dict(
            {f"{half.removesuffix('.weight')}.{name}.weight": it for half, it in state.items()},
            strict=False,
            assign=True,
        )
    except BaseException:
        _take_out(network, name)
        raise


def _take_out(network: Any, name: str) -> None:
    for layer in _layers(network):
        layer.delete_adapter(name)
    getattr(network, "peft_config", {}).pop(name, None)


def _switch(layer: Any, wanted: Sequence[tuple[str, float]]) -> None:
    if layer.disable_adapters == bool(wanted):
        layer.enable_adapters(bool(wanted))
    if wanted:
        layer.set_adapter([name for name, _ in wanted], inference_mode=True)
        for name, weight in wanted:
            layer.set_scale(name, weight)
