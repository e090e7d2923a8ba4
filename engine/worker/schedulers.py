"""From a sampler and a schedule to a diffusers scheduler object: one for each image, never shared."""

import inspect
from typing import Any

import diffusers
import torch

from engine.samplers import SAMPLERS, effective_schedule
from engine.wire import Sampler, Schedule

_SCHEDULE_OPTIONS: dict[Schedule, dict[str, Any]] = {
    Schedule.NORMAL: {},
    Schedule.KARRAS: {"use_karras_sigmas": True},
    Schedule.EXPONENTIAL: {"use_exponential_sigmas": True},
    Schedule.SGM_UNIFORM: {"timestep_spacing": "trailing"},
}


# What a model's files decide: the noise it was trained on. The rest is for whoever chooses sampler and schedule.
_OF_THE_MODEL = (
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "prediction_type",
    "rescale_betas_zero_snr",
    "timestep_spacing",
    "steps_offset",
    "set_alpha_to_one",
)


class SamplerDoesNotFit(Exception):
    """A sampler cannot draw with a model. `str()` says why, for a person."""


def make_scheduler(config: dict[str, Any], sampler: Sampler, schedule: Schedule) -> Any:
    """A new scheduler for one image, from the model's own scheduler configuration.

    As diffusers' `Scheduler.from_config(model_config, **options)` for a model whose file says nothing of
    samplers. Raises SamplerDoesNotFit.
    """
    spec = SAMPLERS[sampler]
    kind = getattr(diffusers, spec.scheduler)
    accepted = inspect.signature(kind.__init__).parameters
    if config.get("rescale_betas_zero_snr") and "rescale_betas_zero_snr" not in accepted:
        raise SamplerDoesNotFit(
            f"{spec.label} cannot draw with a model of zero terminal SNR. Choose another sampler."
        )
    noise = {key: config[key] for key in _OF_THE_MODEL if key in config and key in accepted}
    return kind(**noise | spec.options | _SCHEDULE_OPTIONS[effective_schedule(sampler, schedule)])


def timesteps_from(scheduler: Any, steps: int, strength: float) -> torch.Tensor:
    """Set `steps` steps and return the timesteps that are really drawn, shape [n].

    Strength 1 draws them all; less leaves out the first, as diffusers' img2img `get_timesteps`.
    They stay with the sigmas on the CPU, and `set_begin_index` spares a search: so that no scheduler step asks a GPU
    for a number, and waits for it.
    """
    scheduler.set_timesteps(steps, device="cpu")
    start = (steps - min(int(steps * strength), steps)) * scheduler.order
    if hasattr(scheduler, "set_begin_index"):  # DDIM and PLMS keep no index
        scheduler.set_begin_index(start)
    timesteps: torch.Tensor = scheduler.timesteps[start:]
    return timesteps
