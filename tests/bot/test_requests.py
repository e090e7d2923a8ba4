"""What a person chose becomes a complete request, or a sentence that says what to change."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import Refused
from bot.menus import closest
from bot.requests import VARIATION_STRENGTH, Options, again, build, least_strength, variation
from bot.sizes import ASPECTS, fit, preset_sizes
from engine.wire import GenerationRequest, Limits, Refiner, Sampler, Schedule, Seamless, Task
from tests.bot.samples import capabilities, model, request

OFFERED = capabilities()


def made(**options: object) -> GenerationRequest:
    chosen = Options(**({"prompt": "a hamster"} | options))  # type: ignore[arg-type]  # wrong values on purpose
    return build(chosen, OFFERED, owner="7", random_seed=99)


def refusal(**options: object) -> str:
    with pytest.raises(Refused) as refused:
        made(**options)
    return str(refused.value)


def test_a_prompt_alone_takes_every_default_from_the_first_model() -> None:
    assert made() == GenerationRequest(
        owner="7",
        task=Task.TXT2IMG,
        model="sd15",
        prompt="a hamster",
        width=512,
        height=512,
        steps=20,
        guidance_scale=7.5,
        sampler=Sampler.DPMPP_2M,
        schedule=Schedule.KARRAS,
        seed=99,
        count=1,
        strength=None,
    )


def test_every_choice_arrives_in_the_request() -> None:
    chosen = made(
        negative_prompt="blurry",
        image=(100, 100),
        strength=0.5,
        size="640x384",
        count=3,
        steps=30,
        guidance=4.0,
        seed=5,
        sampler="Euler a",
        schedule="normal",
        model="Model anything-v3",
        refiner=Refiner(model="sd15"),
    )
    assert chosen == GenerationRequest(
        owner="7",
        task=Task.IMG2IMG,
        model="anything-v3",
        refiner=Refiner(model="sd15", switch_at=0.8),
        prompt="a hamster",
        negative_prompt="blurry",
        width=640,
        height=384,
        steps=30,
        guidance_scale=4.0,
        sampler=Sampler.EULER_A,
        schedule=Schedule.NORMAL,
        seed=5,
        count=3,
        strength=0.5,
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"prompt": " \n "}, "prompt must not be empty."),
        ({"prompt": "x" * 2001}, "prompt must be at most 2000 characters; it was 2001."),
        ({"negative_prompt": "x" * 2001}, "negative_prompt must be at most 2000 characters; it was 2001."),
        ({"steps": 100000}, "steps must be between 1 and 150; it was 100000."),
        ({"steps": 0}, "steps must be between 1 and 150; it was 0."),
        ({"steps": 60, "sampler": "lcm"}, "steps must be between 1 and 50 with LCM; it was 60."),
        ({"guidance": 30.5}, "guidance must be between 0 and 30; it was 30.5."),
        ({"guidance": float("nan")}, "guidance must be between 0 and 30; it was nan."),
        ({"count": 5}, "count must be between 1 and 4; it was 5."),
        ({"seed": -1}, "seed must be between 0 and 4294967295; it was -1."),
        ({"seed": 2**32}, "seed must be between 0 and 4294967295; it was 4294967296."),
        ({"strength": 0.5}, "strength needs an image to start from: attach one, or leave strength out."),
        (
            {"strength": 1.5, "image": (64, 64)},
            "strength must be between 0.05 and 1; it was 1.5.",
        ),
        (
            {"strength": 0.1, "image": (64, 64), "steps": 5},
            "strength must be at least 0.2 with 5 steps; it was 0.1.",
        ),
        (
            {"size": "huge"},
            "size must be square, portrait, landscape, wide, or a width and a height such as 512x768; "
            "it was 'huge'.",
        ),
        ({"size": "32x512"}, "width must be between 64 and 2048; it was 32."),
        ({"size": "512x99999"}, "height must be between 64 and 2048; it was 99999."),
        ({"size": "513x512"}, "width must be a multiple of 8, such as 512 or 520; it was 513."),
        (
            {"schedule": "karras", "sampler": "plms"},
            "schedule karras does not go with PLMS, which takes automatic, normal, sgm_uniform.",
        ),
    ],
)
def test_a_violation_names_the_field_the_limit_and_the_value(
    options: dict[str, object], sentence: str
) -> None:
    assert refusal(**options) == sentence


def test_too_many_pixels_are_refused_even_where_both_sides_are_allowed() -> None:
    offered = capabilities(limits=Limits(pixels=1024 * 1024))
    with pytest.raises(Refused, match=re.escape("size must be at most 1048576 pixels in all; 2048x2048")):
        build(Options(prompt="x", size="2048x2048"), offered, owner="", random_seed=1)


def test_an_unknown_name_is_answered_with_the_known_ones_the_likeliest_first() -> None:
    assert refusal(model="dreamlke") == (
        "There is no model called 'dreamlke'. Known: dreamlike, sd15, anything-v3."
    )
    assert refusal(sampler="eulr").startswith("There is no sampler called 'eulr'. Known: Euler, Euler a, ")
    assert refusal(schedule="karas").startswith("There is no schedule called 'karas'. Known: Karras, ")


def test_tiling_is_along_an_axis_or_both() -> None:
    assert made(prompt="x").tiling is Seamless.NONE
    assert made(prompt="x", tiling=" Both ").tiling is Seamless.BOTH
    with pytest.raises(Refused, match="tiling must be one of none, x, y, both; it was 'z'"):
        made(prompt="x", tiling="z")


def test_a_vae_is_one_of_those_that_the_engine_has() -> None:
    offered = OFFERED.model_copy(update={"vaes": ("sharp", "soft")})
    request = build(Options(prompt="x", vae=" Sharp "), offered, owner="", random_seed=1)
    assert request.vae == "sharp"
    assert made(prompt="x").vae is None
    with pytest.raises(Refused, match=r"There is no VAE called 'shrap'\. Known: sharp, soft"):
        build(Options(prompt="x", vae="shrap"), offered, owner="", random_seed=1)
    assert refusal(vae="sharp") == "There is no VAE called 'sharp'. The engine has none."


def test_a_long_wrong_name_is_cut_in_the_answer() -> None:
    assert len(refusal(model="x" * 5000)) < 250


def test_many_models_are_not_all_listed() -> None:
    offered = capabilities(*(model(f"m{number}") for number in range(30)))
    with pytest.raises(Refused, match="and 20 more"):
        build(Options(prompt="x", model="nothing"), offered, owner="", random_seed=1)


def test_an_engine_without_models_is_said_so() -> None:
    with pytest.raises(Refused, match="no model"):
        build(Options(prompt="x"), capabilities(models=()), owner="", random_seed=1)


def test_a_model_that_cannot_start_from_an_image_says_so() -> None:
    offered = capabilities(model(tasks=(Task.TXT2IMG,)))
    with pytest.raises(Refused, match="The model sd15 cannot start from an image"):
        build(Options(prompt="x", image=(64, 64)), offered, owner="", random_seed=1)


def test_an_image_without_a_strength_takes_the_models_own() -> None:
    assert made(image=(512, 512)).strength == 0.75


def test_a_sampler_that_does_not_take_the_default_schedule_gets_its_own() -> None:
    assert made(sampler="plms").schedule is Schedule.AUTOMATIC


def test_default_steps_stay_within_what_the_sampler_takes() -> None:
    defaults = model().defaults.model_copy(update={"steps": 80})
    offered = capabilities(model(defaults=defaults))
    assert build(Options(prompt="x", sampler="lcm"), offered, owner="", random_seed=1).steps == 50


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("square", (512, 512)),
        ("portrait", (448, 640)),
        ("landscape", (640, 448)),
        ("wide", (704, 384)),
    ],
)
def test_named_sizes_keep_the_models_own_area(name: str, size: tuple[int, int]) -> None:
    assert preset_sizes(model(), OFFERED.limits)[name] == size
    chosen = made(size=name.upper())
    assert (chosen.width, chosen.height) == size


def test_the_size_follows_the_image_where_none_is_chosen() -> None:
    chosen = made(image=(4000, 3000))
    assert (chosen.width, chosen.height) == (592, 440)


@given(st.integers(1, 20000), st.integers(1, 20000), st.sampled_from([64, 256, 512, 1024]))
def test_any_image_has_a_size_that_the_engine_takes(width: int, height: int, native: int) -> None:
    defaults = model().defaults.model_copy(update={"width": native, "height": native})
    fitted = fit((width, height), model(defaults=defaults), OFFERED.limits)
    request(width=fitted[0], height=fitted[1])
    assert all(side % (64 if native >= 512 else 32) == 0 for side in fitted)


def test_wide_is_wider_than_landscape_for_small_models_too() -> None:
    defaults = model().defaults.model_copy(update={"width": 256, "height": 256})
    sizes = preset_sizes(model(defaults=defaults), OFFERED.limits)
    assert (sizes["landscape"], sizes["wide"]) == ((320, 224), (352, 192))


@pytest.mark.parametrize("prompt", ["", "  ", "\u200b", "\0", "\u202e\n"])
def test_a_prompt_that_shows_nothing_is_refused(prompt: str) -> None:
    with pytest.raises(Refused, match="prompt must not be empty"):
        made(prompt=prompt)


@given(
    st.builds(
        Options,
        prompt=st.text(max_size=20),
        negative_prompt=st.text(max_size=20),
        image=st.none() | st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
        strength=st.none() | st.floats(),
        size=st.none() | st.sampled_from(list(ASPECTS)) | st.from_regex(r"\d{0,5}x\d{0,5}") | st.text(),
        count=st.none() | st.integers(-1, 6),
        steps=st.none() | st.integers(-1, 160),
        guidance=st.none() | st.floats(),
        seed=st.none() | st.integers(),
        sampler=st.none() | st.sampled_from(list(Sampler)) | st.text(),
        schedule=st.none() | st.sampled_from(list(Schedule)) | st.text(),
        model=st.none() | st.just("sd15") | st.text(),
    )
)
def test_whatever_is_typed_becomes_a_request_or_one_sentence(options: Options) -> None:
    sentence = ""
    try:
        built = build(options, OFFERED, owner="7", random_seed=1)
    except Refused as refused:
        sentence = str(refused)
    if sentence:
        assert sentence[0].isalpha()
        assert sentence.endswith(".")
    else:
        assert GenerationRequest.model_validate_json(built.model_dump_json()) == built
        assert (built.strength is None) == (built.task is Task.TXT2IMG)


def test_characters_that_no_database_takes_are_dropped_from_a_prompt() -> None:
    assert made(prompt="a\0 cat \ud800").prompt == "a cat ?"


def test_the_least_strength_always_leaves_one_step() -> None:
    for steps in range(1, 151):
        assert int(steps * least_strength(steps)) >= 1
        assert least_strength(steps) <= 1


def test_again_changes_the_seed_and_the_owner_and_nothing_else() -> None:
    assert again(request(), owner="8", seed=4) == request(owner="8", seed=4)


def test_a_variation_starts_from_the_picture_with_a_new_seed() -> None:
    varied = variation(request(count=4), OFFERED, owner="8", seed=4)
    assert varied == request(owner="8", seed=4, count=4, task=Task.IMG2IMG, strength=VARIATION_STRENGTH)


def test_a_variation_of_a_one_step_picture_has_a_step_to_draw() -> None:
    assert variation(request(steps=1), OFFERED, owner="8", seed=4).strength == 1


def test_a_variation_with_a_model_that_is_gone_is_refused() -> None:
    with pytest.raises(Refused, match="There is no model called 'gone'"):
        variation(request(model="gone"), OFFERED, owner="8", seed=4)


def test_nothing_typed_offers_everything_in_its_own_order() -> None:
    assert closest("", ["b", "a", "c"], 2) == ["b", "a"]
