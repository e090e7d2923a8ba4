"""What a LoRA adds to one layer: the kinds of matrices that trainers write.

LoRA (Hu et al. 2021, arXiv 2106.09685), with Tucker's decomposition as LoCon has it; LoHa (Hyeon-Woo et al. 2021,
arXiv 2108.06098), LoKr (Edalati et al. 2022, arXiv 2212.10650) and DoRA (Liu et al. 2024, arXiv 2402.09353), each as
LyCORIS names its tensors (https://github.com/KohakuBlueleaf/LyCORIS). Small matrices are kept, and a LoHa's or
LoKr's large one is made of them at each pass, so that a LoRA never takes a network's memory again.
"""

import math
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any, Final

import torch
from torch.nn import functional

from engine.models.fault import WrongKind

Tensors = Mapping[str, torch.Tensor]
Run = Callable[[torch.Tensor], torch.Tensor]

ALPHA, MAGNITUDE = "alpha", "dora_scale"


class Change(torch.nn.Module):
    """What is added to one layer, from tensors by their names in a file. `fit` it to a layer, then call it.

    A module, so that it goes where its network goes; `tensors` are its parameters, under the same names.
    """

    SCALED = ""  # the tensor that alpha / rank goes into
    RANKED: tuple[
        str, ...
    ] = ()  # the tensors whose first side is the rank; of those that are there the first counts

    def __init__(self, tensors: Tensors) -> None:
        super().__init__()
        self.shape = torch.Size()
        self._geometry: dict[str, Any] = {}
        rank = next((len(tensors[name]) for name in self.RANKED if name in tensors), None)
        alpha = float(tensors[ALPHA]) if ALPHA in tensors and rank else rank or 1
        scaled = next(name for name in (self.SCALED, f"{self.SCALED}_a") if name in tensors)
        for name, tensor in tensors.items():
            if name != ALPHA:
                tensor = tensor * (alpha / (rank or 1)) if name == scaled else tensor
                parameter = torch.nn.Parameter(tensor, requires_grad=False)
                self.register_parameter(name.removesuffix(".weight"), parameter)

    def fit(self, layer: Any) -> None:
        """Take the layer's shape and, of a convolution, its stride and padding. Raises ValueError: the layer …"""
        if not isinstance(layer, (torch.nn.Linear, torch.nn.Conv2d)):
            raise ValueError("is neither linear nor a convolution")
        self.shape = layer.weight.shape
        if isinstance(layer, torch.nn.Conv2d):
            names = ("stride", "padding", "dilation", "groups")
            self._geometry = {name: getattr(layer, name) for name in names}
        with torch.device("meta"):
            try:
                numbers = self.full({name: torch.empty(it.shape) for name, it in self.named_parameters()})
            except (RuntimeError, IndexError) as error:
                raise ValueError("has another size") from error
        if len(numbers) != self.shape[0] or numbers.numel() != math.prod(self.shape):
            raise ValueError("has another size")

    def settle(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        """See the layer's own numbers, once, where they are needed later."""

    def full(self, own: Tensors) -> torch.Tensor:
        """ΔW of such tensors, as many numbers as the layer's weights."""
        raise NotImplementedError

    def delta(self) -> torch.Tensor:
        """ΔW in the layer's shape."""
        return self.full(dict(self.named_parameters())).reshape(self.shape)

    def forward(self, x: torch.Tensor, output: torch.Tensor, run: Run) -> torch.Tensor:
        """What is added to `output`, which is what the layer makes of `x` and what `run` does."""
        del output, run
        return self.applied(x)

    def applied(self, x: torch.Tensor) -> torch.Tensor:
        """ΔW x."""
        delta = self.delta()
        return (
            functional.conv2d(x, delta, **self._geometry) if self._geometry else functional.linear(x, delta)
        )


class LowRank(Change):
    """LoRA: up · down. With a core between them, `lora_mid`, up and down are 1 × 1 convolutions."""

    SCALED, RANKED = "lora_up.weight", ("lora_down.weight",)

    def full(self, own: Tensors) -> torch.Tensor:
        up, down = own["lora_up"].flatten(1), own["lora_down"]
        if "lora_mid" in own:
            return _tucker(own["lora_mid"], up.T, down.flatten(1))
        return up @ down.flatten(1)

    def applied(self, x: torch.Tensor) -> torch.Tensor:
        """In two steps, as the matrices are small."""
        own = dict(self.named_parameters())
        up, down = own["lora_up"].flatten(1), own["lora_down"].flatten(1)
        if "lora_mid" in own or self._geometry.get("groups", 1) > 1:
            return super().applied(x)
        if not self._geometry:
            return functional.linear(functional.linear(x, down), up)
        inner = functional.conv2d(x, down.view(len(down), *self.shape[1:]), **self._geometry)
        return functional.conv2d(inner, up[:, :, None, None])


class Hadamard(Change):
    """LoHa: (w1_a · w1_b) ⊙ (w2_a · w2_b), or each of them with a core, t1 and t2."""

    SCALED, RANKED = "hada_w1", ("hada_w1_b",)

    def full(self, own: Tensors) -> torch.Tensor:
        return _factor(own, "hada_w1", "hada_t1") * _factor(own, "hada_w2", "hada_t2")


class Kronecker(Change):
    """LoKr: w1 ⊗ w2, each whole or factored; alpha counts only where one is factored."""

    SCALED, RANKED = "lokr_w1", ("lokr_w2_b", "lokr_w1_b")

    def full(self, own: Tensors) -> torch.Tensor:
        first, second = _factor(own, "lokr_w1"), _factor(own, "lokr_w2", "lokr_t2")
        first = first.reshape(*first.shape, *[1] * (second.dim() - 2))
        return torch.kron(first, second.contiguous())  # torch.kron takes a view of it


class Decomposed(Change):
    """DoRA: W' = m · (W + ΔW) / ‖W + ΔW‖, with a length m for each output, or each input, of the layer.

    LyCORIS' `wd_on_output` tells which; in a file the magnitude's shape does. A weight w of the LoRA makes it
    W + w · (W' - W), as in ComfyUI and AUTOMATIC1111, and W is the model's own, whatever other LoRAs there are.
    """

    def __init__(self, change: Change, magnitude: torch.Tensor) -> None:
        torch.nn.Module.__init__(self)
        self.change = change
        self.magnitude = torch.nn.Parameter(magnitude, requires_grad=False)
        self.register_parameter("gain", None)  # m / ‖W + ΔW‖ - 1: small, so that half precision holds it
        self.register_parameter("bias", None)
        self._by_output = True

    def fit(self, layer: Any) -> None:
        self.change.fit(layer)
        self.shape = layer.weight.shape
        outputs, inputs = self.shape[:2]
        self._by_output = self.magnitude.dim() == 1 or len(self.magnitude) == outputs
        if self.magnitude.numel() != (outputs if self._by_output else inputs):
            raise ValueError("has another size")

    def settle(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        axis = 0 if self._by_output else 1
        changed = weight.float() + self.change.float().delta().to(weight.device)
        length = changed.transpose(0, axis).flatten(1).norm(dim=1)
        gain = self.magnitude.float().flatten().to(weight.device) / length - 1
        self.gain = torch.nn.Parameter(gain, requires_grad=False)
        if bias is not None:
            self.bias = torch.nn.Parameter(bias.clone(), requires_grad=False)

    def forward(self, x: torch.Tensor, output: torch.Tensor, run: Run) -> torch.Tensor:
        gain = self._by_channel(self.gain)
        if self._by_output:
            change = self.change.applied(x)
            return change + gain * (self._unbiased(output) + change)
        return self._unbiased(run(x * gain)) + self.change.applied(x + x * gain)

    def _unbiased(self, output: torch.Tensor) -> torch.Tensor:
        return output if self.bias is None else output - self._by_channel(self.bias)

    def _by_channel(self, numbers: torch.Tensor) -> torch.Tensor:
        """Channels are the last dimension of what a linear layer makes, and the third last of a convolution's."""
        return numbers.view(-1, 1, 1) if len(self.shape) > 2 else numbers


def change_of(layer: str, tensors: Tensors) -> Change:
    """What a file's tensors do to a layer. Raises WrongKind where they are none of the kinds."""
    rest = {name: tensor for name, tensor in tensors.items() if name != MAGNITUDE}
    kind = KINDS.get(frozenset(rest) - {ALPHA})
    if kind is None:
        names = ", ".join(sorted(rest))
        raise WrongKind(
            f"its layer {layer[:80]} has a set of tensors that Darkroom does not know: {names[:80]}"
        )
    change = kind(rest)
    return Decomposed(change, tensors[MAGNITUDE]) if MAGNITUDE in tensors else change


def _factor(own: Tensors, name: str, core: str = "") -> torch.Tensor:
    """A matrix that is there as a whole, or as two, or as two with a core between."""
    if name in own:
        return own[name]
    first, second = own[f"{name}_a"], own[f"{name}_b"]
    return _tucker(own[core], first, second) if core in own else first @ second


def _tucker(core: torch.Tensor, outputs: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    """[outputs, inputs, h, w] of a core [r, r, h, w] and two matrices [r, …]."""
    return torch.einsum("ijhw,io,jn->onhw", core, outputs, inputs)


def _halves(name: str) -> frozenset[str]:
    return frozenset({f"{name}_a", f"{name}_b"})


_LOW_RANK: Final = frozenset({"lora_up.weight", "lora_down.weight"})
_LOHA: Final = _halves("hada_w1") | _halves("hada_w2")
_W1: Final = (frozenset({"lokr_w1"}), _halves("lokr_w1"))
_W2: Final = (frozenset({"lokr_w2"}), _halves("lokr_w2"), _halves("lokr_w2") | {"lokr_t2"})
KINDS: Final[dict[frozenset[str], type[Change]]] = {  # by the tensors that a layer has
    _LOW_RANK: LowRank,
    _LOW_RANK | {"lora_mid.weight"}: LowRank,
    _LOHA: Hadamard,
    _LOHA | {"hada_t1", "hada_t2"}: Hadamard,
    **{first | second: Kronecker for first, second in product(_W1, _W2)},
}
