"""What a person chose by name from what the engine has: in any case, by name or title. Pure.

What is not there is a `Refused` sentence with the names to choose from, the likeliest first.
"""

from collections.abc import Iterable, Sequence

from rapidfuzz import fuzz, process

from bot.checks import quoted
from bot.errors import Refused
from engine.wire import Capabilities, ModelInfo, SamplerInfo, Schedule, Seamless, Task

MOST_KNOWN = 10  # names in a sentence


def find_model(wanted: str | None, capabilities: Capabilities, task: Task = Task.TXT2IMG) -> ModelInfo:
    """The model called `wanted`; for None the first that can do the task, or else the first. Raises Refused."""
    if not capabilities.models:
        raise Refused("The engine has no model to draw with.")
    if wanted is None:
        return next((model for model in capabilities.models if task in model.tasks), capabilities.models[0])
    for model in capabilities.models:
        if _is(wanted, model.name, model.title):
            return model
    raise _unknown("model", wanted, [model.name for model in capabilities.models])


def find_sampler(wanted: str | None, model: ModelInfo, capabilities: Capabilities) -> SamplerInfo:
    """The sampler called `wanted`; for None the model's own. Raises Refused."""
    name = model.defaults.sampler if wanted is None else wanted
    for sampler in capabilities.samplers:
        if _is(name, sampler.name, sampler.label):
            return sampler
    raise _unknown("sampler", name, [sampler.label for sampler in capabilities.samplers])


def find_schedule(
    wanted: str | None, model: ModelInfo, sampler: SamplerInfo, capabilities: Capabilities
) -> Schedule:
    """The schedule called `wanted`; for None the model's own, where it goes with the sampler. Raises Refused."""
    if wanted is None:
        default = model.defaults.schedule
        return default if default in sampler.schedules else Schedule.AUTOMATIC
    for schedule in capabilities.schedules:
        if _is(wanted, schedule.name, schedule.label):
            if schedule.name not in sampler.schedules:
                takes = ", ".join(sampler.schedules)
                raise Refused(
                    f"schedule {schedule.name} does not go with {sampler.label}, which takes {takes}."
                )
            return schedule.name
    raise _unknown("schedule", wanted, [schedule.label for schedule in capabilities.schedules])


def find_vae(wanted: str | None, capabilities: Capabilities) -> str | None:
    """The VAE called `wanted`; None is the model's own. Raises Refused."""
    if wanted is None:
        return None
    for name in capabilities.vaes:
        if _is(wanted, name):
            return name
    raise _unknown("VAE", wanted, capabilities.vaes)


def find_tiling(wanted: str | None) -> Seamless:
    """Raises Refused."""
    try:
        return Seamless.NONE if wanted is None else Seamless(wanted.strip().casefold())
    except ValueError:
        raise Refused(f"tiling must be one of {', '.join(Seamless)}; it was '{wanted:.40}'.") from None


def closest(typed: str, names: Iterable[str], most: int) -> list[str]:
    """At most `most` of `names`, the best match for what was typed first; all in order for nothing typed."""
    every = list(names)
    if not typed.strip():
        return every[:most]
    ranked = process.extract(typed.casefold(), every, scorer=fuzz.WRatio, processor=str.casefold, limit=most)
    return [name for name, _, _ in ranked]


def _is(wanted: str, *names: str) -> bool:
    return wanted.strip().casefold() in {name.casefold() for name in names}


def _unknown(kind: str, wanted: str, names: Sequence[str]) -> Refused:
    if not names:
        return Refused(f"There is no {kind} called {quoted(wanted)}. The engine has none.")
    more = "" if len(names) <= MOST_KNOWN else f" and {len(names) - MOST_KNOWN} more"
    known = ", ".join(closest(wanted, names, MOST_KNOWN))
    return Refused(f"There is no {kind} called {quoted(wanted)}. Known: {known}{more}.")
