"""Infotext as AUTOMATIC1111 writes it, and as its reader reads it."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.images.infotext import infotext, parse
from engine.prompts.wildcards import Words
from engine.samplers import SAMPLERS, SCHEDULE_LABELS, effective_schedule
from engine.wire import GenerationRequest, Sampler, Schedule, Task

# A1111's own pattern for one pair, and its rule: a last line with at least three of them is the parameter line.
PAIR = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')


def ask(**changes: object) -> GenerationRequest:
    fields: dict[str, object] = {
        "model": "sd-v1-5",
        "prompt": "a hamster",
        "width": 512,
        "height": 768,
        "steps": 20,
        "guidance_scale": 7.0,
        "sampler": Sampler.DPMPP_2M,
        "seed": 123,
    }
    return GenerationRequest.model_validate(fields | changes)


def text_of(request: GenerationRequest, seed: int = 123) -> str:
    return infotext(request, seed=seed, model_hash="6ce0161689", version="0.1.0")


def test_the_text_is_a1111s() -> None:
    assert text_of(ask(negative_prompt="blurry\ndull")) == (
        "a hamster\n"
        "Negative prompt: blurry\ndull\n"
        "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 123, Size: 512x768, "
        "Model hash: 6ce0161689, Model: sd-v1-5, RNG: CPU, Version: Darkroom 0.1.0"
    )


def test_inpaint_has_a1111s_keys_and_leaves_out_what_is_its_default() -> None:
    plain = ask(task=Task.INPAINT, strength=0.75)
    assert "Denoising strength: 0.75, RNG: CPU, Version" in text_of(plain)
    chosen = ask(task=Task.INPAINT, strength=0.75, mask_blur=4, only_masked=True, padding=16, fill="noise")
    assert (
        "RNG: CPU, Mask blur: 4, Inpaint area: Only masked, Masked area padding: 16, "
        "Masked content: latent noise, Version"
    ) in text_of(chosen)


def test_controls_are_written_as_a1111s_extension_writes_them_and_read_again() -> None:
    text = text_of(ask(controls=[{"name": "canny", "preprocess": "canny", "weight": 0.8, "end": 0.5}]))
    unit = "Module: canny, Model: canny, Weight: 0.8, Resize Mode: Crop and Resize,"
    unit += " Guidance Start: 0, Guidance End: 0.5"
    assert f'RNG: CPU, ControlNet 0: "{unit}", Version' in text
    recipe = parse(text)
    assert recipe is not None
    assert recipe.settings["ControlNet 0"] == unit


def test_a_variation_names_its_own_seed_and_strength() -> None:
    request = ask(variation_seed=7, variation_strength=0.2)
    text = infotext(request, seed=123, variation_seed=8, model_hash="h", version="0.1.0")
    assert "Model: sd-v1-5, Variation seed: 8, Variation seed strength: 0.2, RNG: CPU" in text


def test_without_a_negative_prompt_there_is_no_line_for_it() -> None:
    assert "Negative prompt" not in text_of(ask())


def test_image_to_image_names_its_strength() -> None:
    request = ask(task=Task.IMG2IMG, strength=0.55, schedule=Schedule.NORMAL)
    assert "Denoising strength: 0.55" in text_of(request)


def test_clip_skip_is_named_where_it_skips() -> None:
    assert "Clip skip: 2, RNG" in text_of(ask(clip_skip=2))
    assert "Clip skip" not in text_of(ask(clip_skip=1))
    assert "Clip skip" not in text_of(ask())


def test_the_prompt_is_the_one_that_was_drawn_and_the_one_that_was_asked_for_is_kept() -> None:
    text = infotext(
        ask(prompt="a {red, small|blue} cat", negative_prompt="dog"),
        seed=1,
        model_hash="6ce0161689",
        version="0.1.0",
        words=Words("a blue cat", "dog"),
    )
    assert text.startswith("a blue cat\nNegative prompt: dog\n")
    assert ', Template: "a {red, small|blue} cat", Version' in text
    assert "Negative Template" not in text


def test_a_model_name_with_a_comma_is_quoted() -> None:
    assert 'Model: "one, two"' in text_of(ask(model="one, two"))


def test_hashes_of_adapters_are_quoted_for_their_colons_and_read_back() -> None:
    hashes = {"Lora hashes": "ink: aaaa, a, b: bbbb", "TI hashes": "mood: cccc"}
    text = infotext(ask(), seed=1, model_hash="h", version="0.1.0", hashes=hashes)
    assert 'Lora hashes: "ink: aaaa, a, b: bbbb", TI hashes: "mood: cccc", Version' in text
    recipe = parse(text)
    assert recipe is not None
    assert {key: recipe.settings[key] for key in hashes} == hashes


def test_a_prompt_that_looks_like_a_parameter_line_is_not_taken_for_one() -> None:
    spoof = "Steps: 1, Sampler: Euler, Seed: 0"
    last = text_of(ask(prompt=spoof)).split("\n")[-1]
    assert dict(PAIR.findall(last))["Steps"] == "20"


TRAPS = (
    "\n",
    "Negative prompt:",
    "Negative prompt: x",
    "Steps: 1, Sampler: Euler, Seed: 0",
    '"',
    "\\",
    ",",
    ": ",
    "\r",
    "\0",
)
PROMPTS = st.lists(st.sampled_from(TRAPS) | st.text(max_size=20), max_size=8).map("".join)
REQUESTS = st.builds(
    ask,
    prompt=PROMPTS,
    negative_prompt=PROMPTS,
    model=st.text(min_size=1, max_size=40) | st.sampled_from(["one, two", '"quoted"', " x ", "a: b\nc"]),
    steps=st.integers(1, 150),
    guidance_scale=st.floats(0, 30),
    sampler=st.sampled_from(Sampler),
    schedule=st.sampled_from(Schedule),
    width=st.integers(8, 256).map(lambda n: 8 * n),
    height=st.integers(8, 256).map(lambda n: 8 * n),
    strength=st.none() | st.floats(0, 1, exclude_min=True),
)


@given(REQUESTS, st.integers(0, 2**32 - 1))
@example(ask(prompt="Negative prompt: a\nNegative prompt: b", negative_prompt="Negative prompt: c"), 1)
@example(ask(prompt="\n\n a \n", negative_prompt="\n"), 1)
def test_every_infotext_that_we_write_is_read_back_as_it_was(request: GenerationRequest, seed: int) -> None:
    read = parse(text_of(request, seed))
    assert read is not None
    assert (read.prompt, read.negative_prompt) == (request.prompt, request.negative_prompt)
    said = dict(read.settings)
    strength = said.pop("Denoising strength", None)
    assert (None if strength is None else float(strength)) == request.strength
    assert float(said.pop("CFG scale")) == request.guidance_scale
    assert said == {
        "Steps": str(request.steps),
        "Sampler": SAMPLERS[request.sampler].label,
        "Schedule type": SCHEDULE_LABELS[effective_schedule(request.sampler, request.schedule)],
        "Seed": str(seed),
        "Size": f"{request.width}x{request.height}",
        "Model hash": "6ce0161689",
        "Model": request.model,
        "RNG": "CPU",
        "Version": "Darkroom 0.1.0",
    }


@given(
    st.text() | st.lists(st.sampled_from(["a" * 70, "Steps: ", '"', "\\", ",", ":", " ", "\n"])).map("".join)
)
def test_any_text_is_read_or_is_no_infotext(text: str) -> None:
    parse(text)


@pytest.mark.parametrize("part", ["aa:", 'aa:"', 'aa:"\\"', "a" * 60, " ", 'aa:"",', "\n"])
def test_a_megabyte_of_tricks_takes_no_time(part: str) -> None:
    parse(part * (1_000_000 // len(part)))


def test_what_a1111_would_take_for_the_prompt_is_the_prompt() -> None:
    assert parse("a hamster\nSteps: 20, Seed: 1") is None
    read = parse("a hamster\nNegative prompt: dull\nSteps: 20, Sampler: Euler a, Seed: 1, Clip skip: 2\n")
    assert read is not None
    assert (read.made_with, read.prompt, read.negative_prompt) == (
        "AUTOMATIC1111 or alike",
        "a hamster",
        "dull",
    )
    assert read.settings == {"Steps": "20", "Sampler": "Euler a", "Seed": "1", "Clip skip": "2"}


def test_an_interval_of_guidance_is_named() -> None:
    assert "CFG scale: 7, Guidance interval: 0.2-0.8, Seed" in text_of(
        ask(guidance_start=0.2, guidance_end=0.8)
    )
    assert "Guidance interval: 0-0.4, Guidance after: 2, Seed" in text_of(
        ask(guidance_end=0.4, guidance_after=2.0)
    )
    assert "Guidance" not in text_of(ask(guidance_after=1.0))
