"""From a sampler and a schedule to a diffusers scheduler object: one for each image, never shared."""

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


# What belongs to the sampler or the schedule that somebody chose, not to the model: never taken from its files.
_NOT_THE_MODELS = frozenset(
    {
        "use_karras_sigmas",
        "use_exponential_sigmas",
        "use_beta_sigmas",
        "use_lu_lambdas",
        "use_flow_sigmas",
        "algorithm_type",
        "solver_order",
        "solver_type",
        "final_sigmas_type",
        "euler_at_final",
    }
)


def make_scheduler(config: dict[str, Any], sampler: Sampler, schedule: Schedule) -> Any:
    """A new scheduler for one image, from the model's own scheduler configuration.

    As diffusers' `Scheduler.from_config(model_config, **options)`: betas, prediction type and timestep
    spacing are the model's, the rest is the sampler's and the schedule's.
    """
    spec = SAMPLERS[sampler]
    options = spec.options | _SCHEDULE_OPTIONS[effective_schedule(sampler, schedule)]
    of_the_model = {key: value for key, value in config.items() if key not in _NOT_THE_MODELS}
    return getattr(diffusers, spec.scheduler).from_config(of_the_model, **options)


def timesteps_from(scheduler: Any, steps: int, strength: float, device: torch.device) -> torch.Tensor:
    """Set `steps` steps and return the timesteps that are really drawn, shape [n].

    Strength 1 draws them all; less leaves out the first, as diffusers' img2img `get_timesteps`.
    `set_begin_index` spares a search, and with it a device sync, in each scheduler step.
    """
    scheduler.set_timesteps(steps, device=device)
    start = (steps - min(int(steps * strength), steps)) * scheduler.order
    if hasattr(scheduler, "set_begin_index"):  # DDIM and PLMS keep no index
        scheduler.set_begin_index(start)
    timesteps: torch.Tensor = scheduler.timesteps[start:]
    return timesteps
