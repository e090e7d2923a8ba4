"""Models that were distilled to draw in a few steps, and how each wants to be asked. Pure: no torch.

The files tell it by themselves where they can: a network that takes guidance as an input is an LCM, and a folder's
scheduler is the one that it was distilled for. A single file has no scheduler, so its name is a last hint. A card
is stronger than all of them.
"""

import re
from typing import Any

from engine.wire import Sampler, Schedule

FEW = 4  # steps, where the name has no number: what LCM, Turbo and Lightning are published for
NO_GUIDANCE = 1.0  # it was distilled into the network
EMBEDDED_GUIDANCE = 8.0  # of LCM's published networks, which take it as an input

_NAMED = re.compile(
    r"turbo|lightning|(?<![a-z])(?:lcm|tcd)(?![a-z])|(?<![a-z])hyper(?:-?sd|xl)?(?![a-z])", re.IGNORECASE
)
_STEPS = re.compile(r"(?<!\d)([1-9]|1[0-6])[-_ ]?steps?(?![a-z])", re.IGNORECASE)

_TURBO: dict[str, Any] = {"sampler": Sampler.EULER_A, "schedule": Schedule.SGM_UNIFORM}
_BY_NAME: dict[str, dict[str, Any]] = {
    "turbo": _TURBO,
    "lightning": {"sampler": Sampler.EULER, "schedule": Schedule.SGM_UNIFORM},
    "hyper": {"sampler": Sampler.DDIM, "schedule": Schedule.SGM_UNIFORM},
    "lcm": {"sampler": Sampler.LCM},
    "tcd": {"sampler": Sampler.TCD},
}
_BY_SCHEDULER = {  # diffusers' classes; of Euler's, only those whose timesteps end at the last: a Turbo, a Lightning
    "LCMScheduler": {"sampler": Sampler.LCM},
    "TCDScheduler": {"sampler": Sampler.TCD},
    "EulerAncestralDiscreteScheduler": _TURBO,
    "EulerDiscreteScheduler": {"sampler": Sampler.EULER, "schedule": Schedule.SGM_UNIFORM},
}


def defaults(name: str, *, takes_guidance: bool, scheduler: dict[str, Any]) -> dict[str, Any]:
    """What differs from the family's defaults, as fields of `wire.Defaults`; nothing for models of many steps.

    `scheduler` is the folder's configuration; empty for a single file.
    """
    if takes_guidance:
        return {"steps": FEW, "guidance_scale": EMBEDDED_GUIDANCE, "sampler": Sampler.LCM}
    found = _by_scheduler(scheduler) if scheduler else _by_name(name)
    return {"steps": _steps(name), "guidance_scale": NO_GUIDANCE, **found} if found else {}


def _by_scheduler(scheduler: dict[str, Any]) -> dict[str, Any]:
    kind = str(scheduler.get("_class_name"))
    if kind.startswith("Euler") and scheduler.get("timestep_spacing") != "trailing":
        return {}
    return _BY_SCHEDULER.get(kind, {})


def _by_name(name: str) -> dict[str, Any]:
    found = _NAMED.search(name)
    return next((how for word, how in _BY_NAME.items() if found and found[0].lower().startswith(word)), {})


def _steps(name: str) -> int:
    found = _STEPS.search(name)
    return int(found[1]) if found else FEW
