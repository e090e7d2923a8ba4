"""A1111's two menus, sampler and schedule: names, labels, and which go together.

Pure tables without torch, so that the front can offer them. The worker builds the scheduler objects
from them (`engine/worker/schedulers.py`). Labels and the automatic schedules are A1111's.
"""

from dataclasses import dataclass, field
from typing import Any

from engine.wire import MAX_STEPS, Sampler, SamplerInfo, Schedule, ScheduleInfo

_ALL = (Schedule.NORMAL, Schedule.KARRAS, Schedule.EXPONENTIAL, Schedule.SGM_UNIFORM)
_SPACED = (Schedule.NORMAL, Schedule.SGM_UNIFORM)

SCHEDULE_LABELS = {
    Schedule.AUTOMATIC: "Automatic",
    Schedule.NORMAL: "Normal",
    Schedule.KARRAS: "Karras",
    Schedule.EXPONENTIAL: "Exponential",
    Schedule.SGM_UNIFORM: "SGM Uniform",
}


@dataclass(frozen=True, kw_only=True)
class SamplerSpec:
    """How one sampler is made: a diffusers scheduler class, its options, the schedules it takes."""

    label: str
    scheduler: str
    options: dict[str, Any] = field(default_factory=dict)
    schedules: tuple[Schedule, ...] = _ALL
    automatic: Schedule = Schedule.NORMAL
    max_steps: int = MAX_STEPS


SAMPLERS = {
    Sampler.EULER: SamplerSpec(label="Euler", scheduler="EulerDiscreteScheduler"),
    Sampler.EULER_A: SamplerSpec(
        label="Euler a", scheduler="EulerAncestralDiscreteScheduler", schedules=_SPACED
    ),
    Sampler.DPMPP_2M: SamplerSpec(
        label="DPM++ 2M", scheduler="DPMSolverMultistepScheduler", automatic=Schedule.KARRAS
    ),
    Sampler.DPMPP_2M_SDE: SamplerSpec(
        label="DPM++ 2M SDE",
        scheduler="DPMSolverMultistepScheduler",
        options={"algorithm_type": "sde-dpmsolver++"},
        automatic=Schedule.EXPONENTIAL,
    ),
    # Latents are not pixels in [-1, 1]: clipping them, the class's default, is wrong for every Stable Diffusion.
    Sampler.DDIM: SamplerSpec(
        label="DDIM", scheduler="DDIMScheduler", options={"clip_sample": False}, schedules=_SPACED
    ),
    Sampler.PLMS: SamplerSpec(
        label="PLMS",
        scheduler="PNDMScheduler",
        options={"skip_prk_steps": True},
        schedules=_SPACED,
    ),
    Sampler.UNIPC: SamplerSpec(label="UniPC", scheduler="UniPCMultistepScheduler"),
    # LCM was distilled on 50 steps and picks its own subset of them; more cannot be asked for.
    Sampler.LCM: SamplerSpec(
        label="LCM", scheduler="LCMScheduler", schedules=(Schedule.NORMAL,), max_steps=50
    ),
    Sampler.TCD: SamplerSpec(  # distilled as LCM, with as much noise in each step as its authors recommend
        label="TCD", scheduler="TCDScheduler", schedules=(Schedule.NORMAL,), max_steps=50
    ),
}


def effective_schedule(sampler: Sampler, schedule: Schedule) -> Schedule:
    """The schedule that is really used: `automatic` resolved to the sampler's own default."""
    return SAMPLERS[sampler].automatic if schedule is Schedule.AUTOMATIC else schedule


def sampler_menu() -> tuple[SamplerInfo, ...]:
    """Every sampler as the capabilities offer it."""
    return tuple(
        SamplerInfo(
            name=name,
            label=spec.label,
            schedules=(Schedule.AUTOMATIC, *spec.schedules),
            max_steps=spec.max_steps,
        )
        for name, spec in SAMPLERS.items()
    )


def schedule_menu() -> tuple[ScheduleInfo, ...]:
    """Every schedule as the capabilities offer it."""
    return tuple(ScheduleInfo(name=name, label=label) for name, label in SCHEDULE_LABELS.items())
