"""The number format is chosen by what the device does well, and the reason is said."""

import pytest
import torch

from engine.worker.device import choose_device


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
