"""What other tools wrote into their pictures is read, in each of the layouts that they use."""

import io
import json
from collections.abc import Mapping

import pytest
from PIL import Image
from sd_parsers import ParserManager
from sd_parsers.extractors import Eagerness

from engine.images import infotext, xmp
from engine.images.reading import read_picture
from engine.images.recipe import Recipe
from engine.images.recognising import recipe_of
from tests.engine.images import files
from tests.engine.images.files import A1111, COMFYUI, COMFYUI_CUSTOM, COMFYUI_WORKFLOW, INVOKEAI, NOVELAI

UTF16 = b"UNICODE\0"


def recipe(data: bytes) -> Recipe:
    found = recipe_of(read_picture(data))
    assert found is not None
    return found


@pytest.mark.parametrize(
    "data",
    [
        files.png({"parameters": A1111}),
        files.with_comment("JPEG", UTF16 + A1111.encode("utf-16-be")),
        files.with_comment("WEBP", UTF16 + A1111.encode("utf-16-be")),
        files.with_comment("JPEG", UTF16 + A1111.encode("utf-16-le")),
        files.with_comment("JPEG", b"ASCII\0\0\0" + A1111.encode()),
    ],
    ids=["png", "jpeg", "webp", "other byte order", "ascii"],
)
def test_a1111_in_every_format(data: bytes) -> None:
    found = recipe(data)
    assert found.made_with == "AUTOMATIC1111 v1.10.1"
    assert found.prompt == "a (red:1.2) hamster, <lora:fur:0.8>\nin a hat"
    assert found.negative_prompt == "blurry,\ndull"
    assert found.settings["Size"] == "512x768"
    assert found.settings["Lora hashes"] == "fur: 0123456789ab, hat: ba9876543210"


def test_a_size_is_that_of_the_picture_and_no_other_key_that_ends_so() -> None:
    text = "x\nSteps: 20, Mask Size: 1x1, Hires resize: 9x9, Size: 512x768, First pass size: 2x2, Seed: 1"
    settings = recipe(files.png({"parameters": text})).settings
    assert (settings["Size"], settings["Mask Size"], settings["Hires resize"]) == ("512x768", "1x1", "9x9")


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_a1111_in_a_script_that_is_not_latin(kind: str) -> None:
    text = A1111.replace("hamster", "仓鼠 🐹")
    data = (
        files.png({"parameters": text})
        if kind == "png"
        else files.with_comment("JPEG", UTF16 + text.encode("utf-16-be"))
    )
    assert recipe(data).prompt == "a (red:1.2) 仓鼠 🐹, <lora:fur:0.8>\nin a hat"


@pytest.mark.parametrize(
    "data",
    [
        files.png({"prompt": json.dumps(COMFYUI), "workflow": "{}"}),
        files.with_exif("WEBP", {0x0110: f"prompt:{json.dumps(COMFYUI)}", 0x010F: "workflow:{}"}),
    ],
    ids=["png", "webp"],
)
def test_comfyui(data: bytes) -> None:
    assert recipe(data) == Recipe(
        made_with="ComfyUI",
        prompt="a hamster",
        negative_prompt="blurry",
        settings={
            "Steps": "20",
            "Sampler": "euler",
            "Schedule type": "normal",
            "CFG scale": "8",
            "Seed": "156680208700286",
            "Denoising strength": "1",
            "Model": "v1-5.safetensors",
            "Size": "512x640",
        },
    )


def test_comfyui_with_a_sampler_in_parts() -> None:
    found = recipe(files.png({"prompt": json.dumps(COMFYUI_CUSTOM)}))
    assert (found.prompt, found.negative_prompt) == ("a hamster", "")
    assert found.settings["Seed"] == "219670278747233"
    assert found.settings["Model"] == "flux.safetensors"
    assert found.settings["Size"] == "1024x768"


@pytest.mark.parametrize(
    "model", [INVOKEAI["model"], {"name": "stable-diffusion-v1-5", "base": "sd-1", "hash": "blake3:00"}]
)
def test_invokeai(model: Mapping[str, str]) -> None:
    found = recipe(files.png({"invokeai_metadata": json.dumps(INVOKEAI | {"model": model})}))
    assert (found.made_with, found.prompt, found.negative_prompt) == ("InvokeAI 3.4.0", "a hamster", "blurry")
    assert found.settings["Size"] == "512x512"
    assert found.settings["Sampler"] == "euler"
    assert found.settings["Model"] == "stable-diffusion-v1-5"


@pytest.mark.parametrize(
    "data", [files.png(NOVELAI), files.stealth_png(NOVELAI)], ids=["texts", "in the pixels"]
)
def test_novelai(data: bytes) -> None:
    found = recipe(data)
    assert (found.made_with, found.prompt) == ("NovelAI", "a hamster, masterpiece")
    assert found.negative_prompt == "lowres"
    assert found.settings["Seed"] == "99"
    assert found.settings["Model"] == "Stable Diffusion 81274D13"


@pytest.mark.parametrize(
    "data",
    [
        files.png({"parameters": A1111}),
        files.with_comment("JPEG", UTF16 + A1111.encode("utf-16-be")),
        files.png({"prompt": json.dumps(COMFYUI), "workflow": json.dumps(COMFYUI_WORKFLOW)}),
        files.png({"invokeai_metadata": json.dumps(INVOKEAI)}),
        files.png(NOVELAI),
        files.stealth_png(NOVELAI),
    ],
    ids=["a1111", "a1111 jpeg", "comfyui", "invokeai", "novelai", "novelai in the pixels"],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # sd-parsers on newer Pillow
def test_an_independent_reader_agrees(data: bytes) -> None:
    with Image.open(io.BytesIO(data)) as image:
        theirs = ParserManager(eagerness=Eagerness.EAGER).parse(image)
    ours = recipe(data)
    assert theirs is not None
    (sampler,) = theirs.samplers
    assert [prompt.value for prompt in sampler.prompts] == [ours.prompt]
    assert [prompt.value for prompt in sampler.negative_prompts] == [ours.negative_prompt]
    assert sampler.name == ours.settings["Sampler"]
    assert str(sampler.parameters["seed"]) == ours.settings["Seed"]


@pytest.mark.parametrize(
    "texts",
    [
        {},
        {"parameters": "a hamster"},
        {"parameters": "a hamster\nSteps: 20, Seed: 1"},
        {"prompt": "a hamster"},
        {"prompt": "[1, 2]"},
        {"prompt": '{"1": {"inputs": {"latent_image": ["1", 0], "positive": ["2", 0]}}}'},
        {"prompt": '{"1": null, "2": {"inputs": 3}, "3": {"inputs": {"positive": ["9", 0]}}}'},
        {"invokeai_metadata": "{"},
        {"invokeai_metadata": "[" * 100_000},
        {"invokeai_metadata": '{"seed": ' + "9" * 10_000 + "}"},
        {"Description": "x", "Comment": '{"steps": 28}'},
        {"darkroom": "{}"},
        {"darkroom": '{"request": {"prompt": 1}}'},
    ],
)
def test_what_makes_no_sense_is_no_recipe(texts: Mapping[str, str]) -> None:
    found = recipe_of(read_picture(files.png(texts)))
    assert found is None or (found.made_with, found.prompt) == ("ComfyUI", "")


def test_a_graph_that_bites_its_tail_ends() -> None:
    loop = {
        "1": {"inputs": {"latent_image": ["2", 0], "positive": ["2", 0]}},
        "2": {"inputs": {"model": ["1", 0], "clip": ["2", 0]}},
    }
    assert recipe(files.png({"prompt": json.dumps(loop)})).settings == {}


def test_a_hidden_bomb_is_not_unpacked() -> None:
    found = recipe_of(read_picture(files.stealth_png(NOVELAI | {"Description": "0" * 50_000_000}, side=700)))
    assert found is None


def test_numbers_without_end_in_a_packet_are_no_record() -> None:
    assert xmp.record(f'darkroom:record="&#{"1" * 5000};"') == ""
    assert xmp.source_type(f'DigitalSourceType="&#{"1" * 190};"') in ("", "\ufffd")


def test_an_infotext_without_end_is_none() -> None:
    assert infotext.parse("a" * 2_000_000 + "\nSteps: 1, Sampler: Euler, Seed: 1") is None
