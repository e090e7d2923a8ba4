"""Ways to draw faster, one function each: a loaded model in, the same model with faster networks out.

What every level does is done where networks are loaded: the device's number format, and convolutions in channels-last
memory (`engine/models/loading.py`). What each one gains is in docs/benchmarks.md, what was tried and left out in
docs/decisions/0024-speed.md; `python -m bench.speedups` measures both.
"""

import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import torch
from torch.utils._pytree import tree_map

from engine.models.loading import StableDiffusion
from engine.speed import Compiler, Speed, check_installed, has_openvino
from engine.worker.bucketed import Bucketed
from engine.worker.compiled_folder import CompiledFolder
from engine.worker.device import Device
from engine.worker.device_memory import host_memory
from engine.worker.openvino_network import OpenVinoNetwork
from engine.worker.openvino_shapes import OpenVinoShapes

GRAPHS = 64  # of one network: sizes × buckets. Beyond torch's own limit, 8 for all of a class, it would not compile
COMPILERS = {"C": ("gcc", "clang"), "C++": ("c++", "g++", "clang++", "cl")}
OPENVINO_SHARE = 4  # a quarter of the machine's memory may hold what OpenVINO makes of a network


def sped_up(
    model: StableDiffusion,
    speed: Speed,
    folder: CompiledFolder | None = None,
    compiler: Compiler = Compiler.INDUCTOR,
    shapes: OpenVinoShapes | None = None,
) -> StableDiffusion:
    """The model with all that `speed` allows on its device.

    `folder` is where compiled code is kept, `shapes` what OpenVINO compiles, of all models.
    """
    if speed is Speed.EXACT:
        return model
    if compiler_of(compiler, model.device) is Compiler.OPENVINO:
        return by_openvino(model, shapes)
    graphs = speed is Speed.FAST and model.device.place.type == "cuda"
    return (cuda_graphs if graphs else compiled)(model, folder)


def compiler_of(compiler: Compiler, device: Device) -> Compiler:
    """The one that compiles for this device: `AUTO` is settled."""
    if compiler is not Compiler.AUTO:
        return compiler
    return Compiler.OPENVINO if device.place.type == "cpu" and has_openvino() else Compiler.INDUCTOR


def name_of(compiler: Compiler) -> str:
    """With its version, where it is not torch's."""
    return f"OpenVINO {version('openvino')}" if compiler is Compiler.OPENVINO else "inductor"


def check_able(speed: Speed, device: Device, compiler: Compiler = Compiler.INDUCTOR) -> None:
    """Raises ValueError where this machine lacks what `speed` and `compiler` need."""
    check_installed(compiler)
    if compiler is Compiler.OPENVINO and device.place.type != "cpu":
        raise ValueError(
            f"engine.compiler is 'openvino', which is for CPUs, but this engine draws on {device.place}"
        )
    if compiler_of(compiler, device) is Compiler.OPENVINO:
        return
    if speed is not Speed.EXACT and not can_compile(device):
        language = "C" if device.place.type == "cuda" else "C++"
        raise ValueError(
            f"engine.speed is {str(speed)!r}, but there is no {language} compiler to compile with"
            f" ({', '.join(COMPILERS[language])})"
        )


def can_compile(device: Device) -> bool:
    """Whether this machine has what torch compiles with for the device. For CUDA Triton does, and needs C alone."""
    language = "C" if device.place.type == "cuda" else "C++"
    return any(shutil.which(name) for name in COMPILERS[language])


def compiled(model: StableDiffusion, folder: CompiledFolder | None = None) -> StableDiffusion:
    """The UNet as one compiled graph for each size and bucket of rows (`engine/worker/bucketed.py`)."""
    return replace(model, unet=Bucketed(model.unet, for_each_shape(model.unet), folder))


def by_openvino(model: StableDiffusion, shapes: OpenVinoShapes | None = None) -> StableDiffusion:
    """The UNet converted for OpenVINO, for each size and bucket of rows (`engine/worker/openvino_network.py`)."""
    network = OpenVinoNetwork(
        model.unet,
        dtype=model.device.dtype,
        threads=torch.get_num_threads(),
        shapes=shapes or OpenVinoShapes(host_memory() // OPENVINO_SHARE),
    )
    return replace(model, unet=Bucketed(model.unet, network))


def for_each_shape(network: Any, **options: Any) -> Callable[..., Any]:
    """The network, compiled anew for each shape of its inputs. Others of its class do not count against GRAPHS."""
    limits: Any = {"recompile_limit": GRAPHS, "isolate_recompiles": True}  # torch's types do not know of them
    return torch.compile(network, dynamic=False, **limits, **options)


def cuda_graphs(model: StableDiffusion, folder: CompiledFolder | None = None) -> StableDiffusion:
    """Compiled, and each graph is handed to the GPU as a whole, which saves a thousand launches a pass.

    Each bucket keeps its own memory for it. It has not been seen on a GPU (`tests/gpu/test_cuda.py`).
    """
    replay = for_each_shape(model.unet, mode="reduce-overhead")

    def run(*inputs: torch.Tensor, **conditions: Any) -> Any:
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        made = replay(*inputs, **conditions)
        return tree_map(torch.Tensor.clone, made)  # the next pass writes over what this one made

    return replace(model, unet=Bucketed(model.unet, run, folder))
