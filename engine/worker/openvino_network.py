"""A UNet as OpenVINO runs it on a CPU: converted in memory, and compiled for each shape of what it is given.

Fixed shapes gain a third over free ones, and each has a copy of the weights in an order of its own: only so many are
kept as a part of the machine's memory holds (`engine/worker/openvino_shapes.py`). Nothing is written to disk: it takes
seconds.
"""

import importlib
import logging
import sys
import time
import warnings
import weakref
from collections.abc import Hashable
from typing import Any, Final

import torch
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from engine.worker.device import is_out_of_memory
from engine.worker.openvino_shapes import OpenVinoShapes
from engine.worker.precision import Precision, computing

log = logging.getLogger(__name__)

USUAL: Final = {"encoder_hidden_states", "timestep_cond", "class_labels", "added_cond_kwargs", "return_dict"}
GRAPH_BYTES: Final = 64 * 1024**2  # of a small network, beside its weights


def openvino() -> Any:
    """The library. Raises ImportError where it is not installed."""
    # By itself it reports to its makers that it is used. It does without the package that sends, where that is missing.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return importlib.import_module("openvino")


class OpenVinoNetwork:
    """Takes and returns what `network` does, in float32, for any shape; not inside other contexts of torch's.

    `dtype` is what it computes in, bfloat16 or float32. `shapes` keeps what is compiled, beside that of other networks.
    """

    def __init__(self, network: Any, *, dtype: torch.dtype, threads: int, shapes: OpenVinoShapes) -> None:
        # OpenVINO reads the weights where they are, and cannot where they are in channels-last memory
        self._network = network.to(memory_format=torch.contiguous_format)
        self._settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if dtype is torch.bfloat16 else "f32",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,  # a pinned thread waits for its core while another one is idle
        }
        weights = sum(each.numel() for each in network.parameters()) * dtype.itemsize
        self._bytes = weights + GRAPH_BYTES  # of a shape
        self._shapes, self._number = shapes, shapes.new_network()
        weakref.finalize(self, shapes.forget, self._number)
        self._converted: dict[Hashable, Any] = {}  # OpenVINO's models, whose shapes are free
        self._told = False
        self.compilations = 0

    def __call__(self, sample: torch.Tensor, timestep: torch.Tensor, **conditions: Any) -> Any:
        """A tuple of the prediction, [rows, channels, h, w]. What else steers the network is left to torch."""
        if others := conditions.keys() - USUAL:
            self._tell(others)
            return self._network(sample, timestep, **conditions)
        given = _Given(self._network, *tree_flatten((sample, timestep, conditions)))
        return (self._request(given)(given.tensors),)

    def _request(self, given: "_Given") -> "_Request":
        """For these shapes: the one that is kept, or a new one. Where memory is too short for it, the others go."""
        key = self._number, given.shapes
        request: _Request | None = self._shapes.get(key)
        if request is not None:
            return request
        self._shapes.make_room(self._bytes)
        try:
            request = self._compile(given)
        except Exception as error:
            if not is_out_of_memory(error) or not self._shapes.clear():
                raise
        if request is None:  # outside of the `except`, which would keep what was half made
            request = self._compile(given)
        self.compilations += 1
        self._shapes.add(key, request, self._bytes)
        return request

    def _tell(self, others: set[str]) -> None:
        if not self._told:
            log.info("not by OpenVINO but by torch: passes with %s", ", ".join(sorted(others)))
        self._told = True

    def _compile(self, given: "_Given") -> "_Request":
        began, library = time.monotonic(), openvino()
        if given.kind not in self._converted:
            self._converted[given.kind] = library.convert_model(given.traced())
        model = self._converted[given.kind].clone()
        shapes = [library.PartialShape(list(tensor.shape)) for tensor in given.tensors]
        model.reshape(dict(zip(model.inputs, shapes, strict=True)))
        compiled = library.Core().compile_model(model, "CPU", self._settings)
        rows, seconds = " × ".join(map(str, given.tensors[0].shape)), time.monotonic() - began
        log.info("compiled by OpenVINO for %s in %.1f s", rows, seconds)
        return _Request(library, compiled.create_infer_request())


class _Request:
    """One shape, ready to run. It reads tensors where they are, and writes to the same memory every time."""

    def __init__(self, library: Any, request: Any) -> None:
        self._library, self._request = library, request

    def __call__(self, tensors: list[torch.Tensor]) -> torch.Tensor:
        arrays = [_wide(tensor).contiguous().numpy() for tensor in tensors]  # alive until it has run
        for number, array in enumerate(arrays):
            self._request.set_input_tensor(number, self._library.Tensor(array, shared_memory=True))
        self._request.infer()
        made: torch.Tensor = torch.from_numpy(self._request.get_output_tensor(0).data).clone()
        return made


class _Given:
    """What a network is called with: `shapes` tells what must be compiled, `kind` what must be converted."""

    def __init__(self, network: Any, leaves: list[Any], structure: TreeSpec) -> None:
        self._network, self._leaves, self._structure = network, leaves, structure
        self.tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        rest = [None if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
        around = (repr(structure), *rest)
        self._sides = [_small(network, side) for side in self.tensors[0].shape[2:]]
        self.shapes: Hashable = (*around, *(tensor.shape for tensor in self.tensors))
        self.kind: Hashable = (*around, *self._sides, *(tensor.ndim for tensor in self.tensors))

    def traced(self) -> Any:
        """What the network does to tensors, followed with a small picture: no side is written down."""
        with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # torch would have us export: of that OpenVINO reads wrong weights
            examples = [torch.zeros_like(_wide(tensor)) for tensor in self.tensors]
            examples[0] = torch.zeros(*examples[0].shape[:2], *self._sides)
            trace: Any = torch.jit.trace  # it has no types
            return trace(self._predict, tuple(examples), strict=False, check_trace=False)

    def _predict(self, *tensors: torch.Tensor) -> Any:
        """In float32: weights are widened where they are used."""
        given = iter(tensors)
        leaves = [next(given) if isinstance(leaf, torch.Tensor) else leaf for leaf in self._leaves]
        sample, timestep, conditions = tree_unflatten(leaves, self._structure)
        with computing(Precision.FULL):
            return self._network(sample, timestep, **conditions)[0]


def _small(network: Any, side: int) -> int:
    """A side that the network halves as evenly as this one: where it does not, it goes another way."""
    factor = int(2 ** (len(network.config.block_out_channels) - 1))
    return 2 * factor + (side % factor > 0)


def _wide(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
