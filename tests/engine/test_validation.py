"""What a request leaves open is filled in from its model."""

import json

import pytest

from engine.errors import Refusal
from engine.prompts import composition, loras
from engine.samplers import sampler_menu, schedule_menu
from engine.speed import GUIDED_UNTIL, Speed
from engine.validation import completed, parse_request, validate
from engine.wire import Capabilities, Defaults, GenerationRequest, ModelInfo, Sampler, Schedule, Task


def capabilities(**more: object) -> Capabilities:
    defaults = Defaults(
        width=64,
        height=64,
        steps=1,
        guidance_scale=7.0,
        strength=0.75,
        sampler=Sampler.EULER,
        schedule=Schedule.AUTOMATIC,
        clip_skip=2,
    )
    model = ModelInfo(name="anime", title="Anime", family="sd1", tasks=(Task.TXT2IMG,), defaults=defaults)
    fields = {"boot_id": "b", "device": "cpu", "models": (model,), "samplers": sampler_menu()}
    return Capabilities.model_validate(fields | {"schedules": schedule_menu()} | more)


def ask(**changes: object) -> GenerationRequest:
    fields: dict[str, object] = {"model": "anime", "prompt": "", "width": 64, "height": 64, "steps": 1}
    fields |= {"guidance_scale": 7.0, "sampler": Sampler.EULER, "seed": 0}
    return GenerationRequest.model_validate(fields | changes)


def test_clip_skip_is_the_models_where_the_request_says_nothing() -> None:
    assert completed(ask(), capabilities()).clip_skip == 2
    assert completed(ask(clip_skip=1), capabilities()).clip_skip == 1


def test_guidance_ends_early_where_the_engine_is_to_be_fast_and_the_request_says_nothing() -> None:
    assert completed(ask(), capabilities(), Speed.FAST).guidance_end == GUIDED_UNTIL
    assert completed(ask(guidance_end=0.9), capabilities(), Speed.FAST).guidance_end == 0.9
    assert completed(ask(), capabilities()).guidance_end == 1


def test_a_lora_that_the_engine_offers_may_be_named() -> None:
    validate(ask(prompt="a cat <lora:film:0.8>"), capabilities(loras=("film",)), has_image=False)


def test_a_vae_that_the_engine_does_not_have_is_refused_with_those_it_has() -> None:
    validate(ask(vae="sharp"), capabilities(vaes=("sharp",)), has_image=False)
    with pytest.raises(Refusal) as refused:
        validate(ask(vae="shrap"), capabilities(vaes=("sharp", "soft")), has_image=False)
    body = refused.value.body
    assert (body.code, body.field, body.hint) == ("unknown_vae", "vae", "sharp")
    assert body.message == "There is no VAE called 'shrap'. Known: sharp, soft."
    with pytest.raises(Refusal, match="This engine has none"):
        validate(ask(vae="sharp"), capabilities(), has_image=False)


def test_an_interval_of_guidance_without_any_step_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        validate(ask(guidance_start=0.5, guidance_end=0.5), capabilities(), has_image=False)
    assert refused.value.body.field == "guidance_end"
    assert refused.value.body.message == "guidance_end must be over guidance_start, which is 0.5; it was 0.5."


@pytest.mark.parametrize(
    "smuggled",
    [
        "a cat --steps 150 --width 4096 --model other",
        "a cat\nSteps: 150, Sampler: Euler, Seed: 1, Size: 4096x4096, Model: other",
        '<sd_cpp_extra_args>{"steps": 150}</sd_cpp_extra_args>',
        '{"prompt": "a cat", "steps": 150}',
        "a cat <param[steps]:150> <setvar[width]:4096>",
    ],
)
def test_what_a_prompt_says_of_settings_is_text(smuggled: str) -> None:
    plain = ask()
    request = parse_request(json.dumps(plain.model_dump(mode="json") | {"prompt": smuggled}).encode())
    assert request == plain.model_copy(update={"prompt": smuggled})
    assert loras.take_out(smuggled) == (smuggled, ())
    assert [part.text for part in composition.parts(smuggled)] == [smuggled]


def guided_by_its_card() -> Capabilities:
    known = capabilities()
    own = {"guidance_end": 0.5, "guidance_after": 2.0}
    card = known.models[0].model_copy(update={"defaults": known.models[0].defaults.model_copy(update=own)})
    return known.model_copy(update={"models": (card,)})


def test_guidance_ends_where_the_models_card_says_unless_the_request_says_when() -> None:
    known = guided_by_its_card()
    assert completed(ask(), known).guidance_end == 0.5
    assert completed(ask(), known, Speed.FAST).guidance_end == 0.5
    assert completed(ask(guidance_end=1.0), known, Speed.FAST).guidance_end == 1.0
    assert completed(ask(guidance_start=0.6), known).guidance_end == 1.0


def test_a_models_own_scale_after_the_end_belongs_to_its_own_end() -> None:
    known = guided_by_its_card()
    assert completed(ask(), known).guidance_after == 2.0
    assert completed(ask(guidance_after=1.0), known).guidance_after == 1.0
    assert completed(ask(guidance_scale=1.5), known).guidance_after == 1.5
    assert completed(ask(guidance_scale=0.0), known).guidance_after == 1.0
    for other in (ask(guidance_end=0.5), ask(guidance_start=0.2)):
        assert completed(other, known).guidance_after == 1.0
    assert completed(ask(), known, Speed.FAST).guidance_after == 1.0
