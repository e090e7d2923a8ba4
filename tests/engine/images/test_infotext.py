"""Infotext as AUTOMATIC1111 writes it, and as its reader reads it."""

import re

from engine.images.infotext import infotext
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
        prompt="a blue cat",
        negative_prompt="dog",
    )
    assert text.startswith("a blue cat\nNegative prompt: dog\n")
    assert ', Template: "a {red, small|blue} cat", Version' in text
    assert "Negative Template" not in text


def test_a_model_name_with_a_comma_is_quoted() -> None:
    assert 'Model: "one, two"' in text_of(ask(model="one, two"))


def test_a_prompt_that_looks_like_a_parameter_line_is_not_taken_for_one() -> None:
    spoof = "Steps: 1, Sampler: Euler, Seed: 0"
    last = text_of(ask(prompt=spoof)).split("\n")[-1]
    assert dict(PAIR.findall(last))["Steps"] == "20"
