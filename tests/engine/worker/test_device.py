"""The number format is chosen by what the device does well, and the reason is said."""

import pytest
import torch

from engine.wire import Memory
from engine.worker.device import Device, choose_device, is_out_of_memory
from engine.worker.device_memory import device_memory, host_memory, rungs_of
from engine.worker.ladder import Rung


def test_a_cpu_draws_in_bfloat16_only_where_it_has_instructions_for_it() -> None:
    able = torch.cpu.get_capabilities()
    fast = bool(able.get("amx_bf16") or able.get("avx512_bf16"))
    chosen = choose_device("cpu")
    assert chosen.dtype is (torch.bfloat16 if fast else torch.float32)
    assert ("AMX" in chosen.reason) or ("AVX512-BF16" in chosen.reason)


def test_a_format_that_is_set_is_used() -> None:
    assert str(choose_device("cpu", "float32")) == "cpu, float32 (as set)"


def test_a_cpu_never_draws_in_half_precision() -> None:
    with pytest.raises(ValueError, match=r"engine\.dtype is 'float16', but CPUs cannot"):
        choose_device("cpu", "float16")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match=r"engine\.device is 'cuda'"):
        choose_device("cuda")


def test_memory_that_is_short_is_told_from_other_errors() -> None:
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("could not create a primitive"))
    assert is_out_of_memory(
        RuntimeError("Exception from src/core/src/runtime/allocator.cpp:79:\nstd::bad_alloc")
    )
    assert not is_out_of_memory(RuntimeError("could not create a primitive descriptor for a convolution"))
    assert not is_out_of_memory(RuntimeError("a shape is wrong"))
    with pytest.raises(RuntimeError) as short:
        torch.empty(2**55, dtype=torch.uint8)
    assert is_out_of_memory(short.value)


def test_a_cpu_is_bounded_only_by_what_is_set_and_moves_nothing_out() -> None:
    device = choose_device("cpu", "float32")
    assert device_memory(device, None) is None
    assert device_memory(device, 4096, cpu_fallback=True) == Memory(bytes=4096, number=4, apart=False)
    assert rungs_of(device, cpu_fallback=True) == (Rung.TILES, Rung.SLICES)
    assert host_memory() > 2**28
    gpu = Device(place=torch.device("cuda"), dtype=torch.bfloat16, reason="")
    assert Rung.CPU not in rungs_of(gpu, cpu_fallback=False)
    assert rungs_of(gpu, cpu_fallback=True) == tuple(Rung)
