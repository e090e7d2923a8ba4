"""Which device draws, in which number format, and why: decided once at start and said in words."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True, kw_only=True)
class Device:
    """Where and how the networks run. `reason` says why this format was chosen.

    With `parked`, networks are loaded into the host's memory, and `engine/worker/room.py` moves them to `place`.
    """

    place: torch.device
    dtype: torch.dtype
    reason: str
    parked: bool = False

    def __str__(self) -> str:
        return f"{self.place}, {str(self.dtype).removeprefix('torch.')} ({self.reason})"


def choose_device(device: str = "auto", dtype: str = "auto") -> Device:
    """The device and dtype of the settings, `auto` resolved by what the machine does well.

    Raises ValueError for a device that is not there and for half precision on a CPU, where
    float16 arithmetic is emulated or missing.
    """
    place = torch.device(_best_device() if device == "auto" else device)
    if place.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"engine.device is {device!r}, but this machine has no CUDA device that torch can use"
        )
    if dtype == "auto":
        chosen, reason = _best_dtype(place)
    else:
        chosen, reason = getattr(torch, dtype), "as set"
    if place.type == "cpu" and chosen is torch.float16:
        raise ValueError(
            "engine.dtype is 'float16', but CPUs cannot draw in half precision: use bfloat16 or float32"
        )
    return Device(place=place, dtype=chosen, reason=reason)


def wait_for(place: torch.device) -> None:
    """Wait until the device has done everything it was given. A CPU always has."""
    if place.type == "cuda":
        torch.cuda.synchronize(place)
    elif place.type == "mps":
        torch.mps.synchronize()


def free_memory(place: torch.device) -> None:
    """Give cached memory back to the device, after something did not fit."""
    if place.type == "cuda":
        torch.cuda.empty_cache()
    elif place.type == "mps":
        torch.mps.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is short. CPUs and MPS say so in a plain RuntimeError's words."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    said = str(error) if isinstance(error, RuntimeError) else ""
    return said == _ONEDNN or any(words in said for words in _OUT_OF_MEMORY)


_OUT_OF_MEMORY = (
    "MPS backend out of memory",
    "DefaultCPUAllocator: can't allocate memory",
    "std::bad_alloc",  # OpenVINO's last line
)
_ONEDNN = "could not create a primitive"  # all that it says where a convolution gets no memory


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _best_dtype(place: torch.device) -> tuple[torch.dtype, str]:
    if place.type == "cuda":
        if torch.cuda.get_device_capability(place) >= (8, 0):
            return torch.bfloat16, "the GPU computes bfloat16 natively"
        return torch.float16, "the GPU is older than bfloat16"
    if place.type == "mps":
        return torch.float32, "half precision is not reliable on MPS"
    able = torch.cpu.get_capabilities()
    for flag, name in (("amx_bf16", "AMX"), ("avx512_bf16", "AVX512-BF16")):
        if able.get(flag):
            return torch.bfloat16, f"the CPU has {name}"
    return torch.float32, "the CPU has neither AMX nor AVX512-BF16"
