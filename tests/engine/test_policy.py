"""Refused before anything is queued: checks that nobody can make, candidates that nobody can rank."""

from typing import Any

import pytest

from engine.errors import Refusal
from engine.queue import cost_of
from engine.samplers import sampler_menu, schedule_menu
from engine.validation import completed, validate
from engine.wire import Capabilities, Defaults, GenerationRequest, ModelInfo, Safety, Sampler, Schedule, Task

DEFAULTS = Defaults(
    width=256,
    height=256,
    steps=20,
    guidance_scale=4.0,
    strength=0.75,
    sampler=Sampler.EULER,
    schedule=Schedule.AUTOMATIC,
)


def engine(*, least: Safety = Safety.OFF, ranked: bool = False, checked: bool = False) -> Capabilities:
    tasks = (Task.TXT2IMG, Task.IMG2IMG, *((Task.DESCRIBE,) if ranked else ()))
    model = ModelInfo(
        name="demo",
        title="Demo",
        family="sd1",
        tasks=tasks,
        defaults=DEFAULTS,
        ranked=ranked,
        checked=checked,
    )
    return Capabilities(
        boot_id="1",
        device="cpu",
        models=(model,),
        samplers=sampler_menu(),
        schedules=schedule_menu(),
        safety=least,
    )


def ask(**changes: Any) -> GenerationRequest:
    fields = {
        "model": "demo",
        "prompt": "a cat",
        "width": 64,
        "height": 64,
        "steps": 4,
        "guidance_scale": 4.0,
    }
    return GenerationRequest.model_validate({**fields, "sampler": "euler", "seed": 1, **changes})


def refusal(request: GenerationRequest, capabilities: Capabilities, *, has_image: bool = False) -> Refusal:
    with pytest.raises(Refusal) as refused:
        validate(request, capabilities, has_image=has_image)
    return refused.value


def test_a_check_that_nobody_can_make_is_refused_whoever_wants_it() -> None:
    by_request = refusal(ask(safety="block"), engine()).body
    assert (by_request.code, by_request.field) == ("safety_unavailable", "safety")
    assert by_request.message == (
        "The request asks for safety 'block', and there is no safety checker for demo: nothing is shown unchecked."
    )
    by_operator = refusal(ask(), engine(least=Safety.PASS)).body
    assert by_operator.code == "safety_unavailable"
    assert by_operator.message.startswith("This engine is set for safety 'pass'")
    validate(ask(safety="block"), engine(checked=True), has_image=False)
    validate(ask(), engine(), has_image=False)


@pytest.mark.parametrize(
    ("asked", "least", "gets"),
    [("off", "block", "block"), ("block", "pass", "block"), ("pass", "blur", "blur"), ("off", "off", "off")],
)
def test_a_request_may_be_stricter_than_the_operator_and_never_laxer(
    asked: str, least: str, gets: str
) -> None:
    drawn = completed(ask(safety=asked), engine(least=Safety(least), checked=True))
    assert drawn.safety is Safety(gets)
    assert drawn.clip_skip == 1


def test_best_of_needs_a_clip_and_no_fewer_candidates_than_pictures() -> None:
    missing = refusal(ask(best_of=4), engine()).body
    assert (missing.code, missing.field) == ("clip_missing", "best_of")
    few = refusal(ask(best_of=2, count=3), engine(ranked=True)).body
    assert few.message == "best_of must be at least count, which is 3; it was 2."
    validate(ask(best_of=3, count=3), engine(ranked=True), has_image=False)


@pytest.mark.parametrize("best_of", [0, 17, 2.5, True])
def test_best_of_has_limits(best_of: object) -> None:
    with pytest.raises(ValueError, match="best_of"):
        ask(best_of=best_of)


def test_candidates_cost_as_much_as_pictures() -> None:
    assert cost_of(ask(best_of=8, count=2)) == cost_of(ask(count=2)) * 4
    assert cost_of(ask(task="describe")) < cost_of(ask())


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"count": 2}, "count"), ({"best_of": 2}, "best_of"), ({"strength": 0.5}, "strength")],
)
def test_describe_takes_a_picture_and_nothing_of_what_belongs_to_drawing(
    changes: dict[str, Any], field: str
) -> None:
    request, capabilities = ask(task="describe", **changes), engine(ranked=True)
    assert refusal(request, capabilities, has_image=True).body.field == field
    assert refusal(ask(task="describe"), capabilities).body.code == "image_missing"
    assert refusal(ask(task="describe"), engine(), has_image=True).body.code == "unsupported_task"
    validate(ask(task="describe"), capabilities, has_image=True)


def test_a_picture_is_described_also_where_nobody_checks_pictures() -> None:
    validate(ask(task="describe"), engine(ranked=True, least=Safety.BLOCK), has_image=True)
