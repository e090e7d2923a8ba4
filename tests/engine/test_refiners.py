"""A request may have a refiner where two SDXLs can share it."""

import pytest

from engine import refiners
from engine.errors import Refusal
from engine.samplers import sampler_menu, schedule_menu
from engine.wire import Capabilities, Defaults, GenerationRequest, ModelInfo, Refiner, Sampler, Schedule, Task

ALL = (Task.TXT2IMG, Task.IMG2IMG, Task.INPAINT, Task.OUTPAINT)


def model(name: str, family: str = "sdxl", tasks: tuple[Task, ...] = ALL) -> ModelInfo:
    defaults = Defaults(
        width=64,
        height=64,
        steps=4,
        guidance_scale=5,
        strength=0.75,
        sampler=Sampler.EULER,
        schedule=Schedule.NORMAL,
    )
    return ModelInfo(name=name, title=name, family=family, tasks=tasks, defaults=defaults)


def check(refiner: str | None, *, of: str = "base", task: Task = Task.TXT2IMG) -> None:
    models = (
        model("base"),
        model("old", family="sd1"),
        model("refiner", tasks=ALL[1:]),
        model("inpainting", tasks=ALL[2:]),
    )
    capabilities = Capabilities(
        boot_id="1", device="cpu", models=models, samplers=sampler_menu(), schedules=schedule_menu()
    )
    request = GenerationRequest(
        model=of,
        task=task,
        prompt="a hamster",
        width=64,
        height=64,
        steps=4,
        guidance_scale=5.0,
        sampler=Sampler.EULER,
        seed=1,
        refiner=None if refiner is None else Refiner(model=refiner),
    )
    refiners.check(request, next(each for each in models if each.name == of), capabilities)


@pytest.mark.parametrize("task", [Task.TXT2IMG, Task.IMG2IMG])
@pytest.mark.parametrize("refiner", ["refiner", "base", None])
def test_an_sdxl_may_refine_another_ones_pictures(refiner: str | None, task: Task) -> None:
    check(refiner, task=task)


@pytest.mark.parametrize(
    ("refiner", "of", "task", "code", "says"),
    [
        (
            "refinr",
            "base",
            Task.TXT2IMG,
            "unknown_model",
            "There is no model called 'refinr' to refine with.",
        ),
        (
            "refiner",
            "base",
            Task.INPAINT,
            "invalid_field",
            "refiner belongs to txt2img and img2img; the task",
        ),
        ("old", "base", Task.TXT2IMG, "invalid_field", "with SDXL models alone; old is of the family sd1."),
        (
            "refiner",
            "old",
            Task.TXT2IMG,
            "invalid_field",
            "with SDXL models alone; old is of the family sd1.",
        ),
        ("inpainting", "base", Task.TXT2IMG, "invalid_field", "can do img2img; inpainting cannot."),
    ],
)
def test_what_cannot_refine_is_refused_by_name(
    refiner: str, of: str, task: Task, code: str, says: str
) -> None:
    with pytest.raises(Refusal) as caught:
        check(refiner, of=of, task=task)
    assert (caught.value.body.code, caught.value.body.field) == (code, "refiner")
    assert says in caught.value.body.message
