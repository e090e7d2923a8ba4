"""How much may be given up for speed (`engine.speed`), and what that means for requests. Pure: no torch.

What it means for networks is in `engine/worker/speed.py`; why, in docs/decisions/0024-speed.md.
"""

from enum import StrEnum
from importlib.util import find_spec

from engine.wire import GenerationRequest, ModelInfo

GUIDED_UNTIL = 0.6  # of the steps, where pictures are to come fast: the others cost half without guidance


class Speed(StrEnum):
    EXACT = "exact"  # no picture changes beyond the rounding of floats, and nothing has to be waited for
    BALANCED = "balanced"  # the same pictures; networks are compiled, once for each machine
    FAST = "fast"  # the same, and pictures change a little where that saves much


class Compiler(StrEnum):
    AUTO = "auto"  # OpenVINO on a CPU, where it is installed, else torch's own
    INDUCTOR = "inductor"  # torch's own
    OPENVINO = "openvino"  # for CPUs; an extra


def check_installed(compiler: Compiler) -> None:
    """Raises ValueError where it is an extra that is not installed."""
    if compiler is Compiler.OPENVINO and not has_openvino():
        raise ValueError(
            "engine.compiler is 'openvino', but OpenVINO is not installed: .venv/bin/pip install openvino,"
            " or set it to 'auto'"
        )


def has_openvino() -> bool:
    return find_spec("openvino") is not None


def hastened(request: GenerationRequest, model: ModelInfo, speed: Speed) -> GenerationRequest:
    """The request as `speed` has it drawn: fast, guidance ends early unless the request says when or how it goes on."""
    guided = request.guidance_scale > 1 and not model.own_pipeline  # such a pipeline guides all steps or none
    goes_on = (request.guidance_after or 1) > 1  # then nothing would be saved
    said = request.guidance_start > 0 or request.guidance_end is not None or goes_on
    if speed is not Speed.FAST or not guided or said:
        return request
    return request.model_copy(update={"guidance_end": min(GUIDED_UNTIL, model.defaults.guidance_end)})
