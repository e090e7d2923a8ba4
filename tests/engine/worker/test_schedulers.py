"""A scheduler takes its noise from the model and its method from whoever chose it."""

from typing import Any

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, EulerDiscreteScheduler

from engine.samplers import SAMPLERS
from engine.wire import Sampler, Schedule
from engine.worker.schedulers import SamplerDoesNotFit, make_scheduler, timesteps_from

SD15: dict[str, Any] = {  # what Stable Diffusion 1.5's own scheduler_config.json says
    "_class_name": "PNDMScheduler",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
}
CPU = torch.device("cpu")


def test_a_models_own_karras_setting_does_not_leak_into_another_schedule() -> None:
    model = dict(DPMSolverMultistepScheduler(use_karras_sigmas=True, algorithm_type="sde-dpmsolver++").config)
    normal = make_scheduler(model, Sampler.DPMPP_2M, Schedule.NORMAL)
    assert not normal.config.use_karras_sigmas
    assert normal.config.algorithm_type == "dpmsolver++"


def test_no_leftover_of_a_models_file_breaks_or_bends_a_choice() -> None:
    model = SD15 | {
        "use_karras_sigmas": True,
        "use_beta_sigmas": True,
        "solver_order": 3,
        "clip_sample": True,
    }
    for sampler, spec in SAMPLERS.items():
        for schedule in spec.schedules:
            made = make_scheduler(model, sampler, schedule).config
            assert made.get("use_karras_sigmas", False) is (schedule is Schedule.KARRAS)
            assert made.get("solver_order", 2) == 2
            assert not made.get("clip_sample", False)


def test_a_model_of_zero_terminal_snr_is_refused_by_samplers_that_do_not_know_it() -> None:
    model = SD15 | {"rescale_betas_zero_snr": True}
    assert make_scheduler(model, Sampler.DDIM, Schedule.NORMAL).config.rescale_betas_zero_snr
    with pytest.raises(SamplerDoesNotFit, match="PLMS cannot draw with a model of zero terminal SNR"):
        make_scheduler(model, Sampler.PLMS, Schedule.NORMAL)


def test_the_models_noise_and_prediction_are_kept() -> None:
    model = SD15 | {"prediction_type": "v_prediction", "beta_end": 0.02}
    for sampler in Sampler:
        made = make_scheduler(model, sampler, Schedule.AUTOMATIC)
        assert (made.config.prediction_type, made.config.beta_end) == ("v_prediction", 0.02)


def test_a_few_step_models_spacing_is_kept() -> None:
    turbo = dict(EulerDiscreteScheduler(timestep_spacing="trailing").config)
    made = make_scheduler(turbo, Sampler.EULER, Schedule.NORMAL)
    assert timesteps_from(made, 1, 1.0).tolist() == [999.0]


@pytest.mark.parametrize("sampler", list(Sampler))
def test_every_image_has_a_scheduler_of_its_own(sampler: Sampler) -> None:
    first, second = (make_scheduler(SD15, sampler, Schedule.AUTOMATIC) for _ in range(2))
    timesteps_from(first, 10, 1.0)
    assert first is not second
    assert second.num_inference_steps is None


@pytest.mark.parametrize("sampler", list(Sampler))
@pytest.mark.parametrize(
    ("steps", "strength", "drawn"), [(20, 1.0, 20), (20, 0.5, 10), (10, 0.75, 7), (3, 0.34, 1)]
)
def test_strength_leaves_out_the_first_steps(
    sampler: Sampler, steps: int, strength: float, drawn: int
) -> None:
    made = make_scheduler(SD15, sampler, Schedule.AUTOMATIC)
    repeated = 1 if sampler is Sampler.PLMS else 0  # PLMS takes its second step twice
    count = len(timesteps_from(made, steps, strength))
    assert count == drawn + repeated


def test_the_automatic_schedules_are_a1111s() -> None:
    chosen = {
        name: spec.automatic for name, spec in SAMPLERS.items() if spec.automatic is not Schedule.NORMAL
    }
    assert chosen == {
        Sampler.DPMPP_2M: Schedule.KARRAS,
        Sampler.DPMPP_2M_SDE: Schedule.EXPONENTIAL,
    }
