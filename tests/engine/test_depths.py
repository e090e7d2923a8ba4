"""Depth images and pictures to upscale, before anything is queued: each wrong one is refused in one sentence."""

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from engine.errors import Refusal
from engine.images.decoding import decode_depth
from engine.images.inputs import Sent, decode_inputs
from engine.queue import cost_of
from engine.samplers import sampler_menu, schedule_menu
from engine.validation import validate
from engine.wire import Capabilities, Defaults, GenerationRequest, ModelInfo, Sampler, Schedule, Task
from tests.engine.front_process import running
from tests.engine.test_registry import make_model

DEFAULTS = Defaults(
    width=64,
    height=64,
    steps=20,
    guidance_scale=7.5,
    strength=0.8,
    sampler=Sampler.EULER,
    schedule=Schedule.AUTOMATIC,
)


def offered(name: str, *tasks: Task, estimates_depth: bool = False) -> ModelInfo:
    return ModelInfo(
        name=name,
        title=name,
        family="sd",
        tasks=tasks,
        defaults=DEFAULTS,
        estimates_depth=estimates_depth,
    )


CAPABILITIES = Capabilities(
    boot_id="b",
    device="cpu",
    models=(
        offered("sd", Task.TXT2IMG, Task.IMG2IMG),
        offered("depth", Task.DEPTH2IMG, Task.IMG2IMG, estimates_depth=True),
        offered("blind", Task.DEPTH2IMG),
        offered("x4", Task.UPSCALE),
    ),
    samplers=sampler_menu(),
    schedules=schedule_menu(),
)


def ask(model: str, task: Task, **changes: Any) -> GenerationRequest:
    fields: dict[str, Any] = {
        "model": model,
        "task": task,
        "prompt": "a hamster",
        "width": 64,
        "height": 64,
        "steps": 10,
        "guidance_scale": 7.5,
        "sampler": Sampler.EULER,
        "seed": 1,
    }
    return GenerationRequest.model_validate(fields | changes)


def png(size: tuple[int, int], mode: str = "RGB") -> bytes:
    stream = io.BytesIO()
    Image.new(mode, size, 40000 if mode == "I;16" else "grey").save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("asked", "image", "depth"),
    [
        (ask("depth", Task.DEPTH2IMG, strength=0.5), True, False),
        (ask("depth", Task.DEPTH2IMG, strength=0.5), True, True),
        (ask("blind", Task.DEPTH2IMG, strength=0.5), True, True),
        (ask("blind", Task.DEPTH2IMG, strength=1.0), False, True),
        (ask("depth", Task.IMG2IMG, strength=0.5), True, False),
        (ask("x4", Task.UPSCALE, noise_level=0), True, False),
    ],
)
def test_what_goes_together_is_taken(asked: GenerationRequest, image: bool, depth: bool) -> None:
    validate(asked, CAPABILITIES, has_image=image, has_depth=depth)


@pytest.mark.parametrize(
    ("asked", "image", "depth", "code", "message"),
    [
        (
            ask("sd", Task.IMG2IMG, strength=0.5),
            True,
            True,
            "invalid_field",
            "img2img takes no depth image; one was sent.",
        ),
        (
            ask("blind", Task.DEPTH2IMG, strength=0.5),
            True,
            False,
            "depth_missing",
            "blind cannot estimate the depth of a picture: depth2img needs a depth image with it, and none was sent.",
        ),
        (
            ask("depth", Task.DEPTH2IMG, strength=1.0),
            False,
            False,
            "image_missing",
            "depth2img needs an input image, and none was sent.",
        ),
        (
            ask("depth", Task.DEPTH2IMG, strength=0.5),
            False,
            True,
            "invalid_field",
            "strength must be 1 with a depth image alone: there is no picture to keep anything of; it was 0.5.",
        ),
        (
            ask("depth", Task.DEPTH2IMG),
            False,
            True,
            "invalid_field",
            "strength is missing: depth2img needs one, more than 0 and at most 1.",
        ),
        (
            ask("x4", Task.UPSCALE),
            False,
            False,
            "image_missing",
            "upscale needs an input image, and none was sent.",
        ),
        (
            ask("x4", Task.UPSCALE, strength=0.5),
            True,
            False,
            "invalid_field",
            "strength belongs to img2img, inpaint, outpaint, depth2img; the task was upscale.",
        ),
        (
            ask("sd", Task.TXT2IMG, noise_level=50),
            False,
            False,
            "invalid_field",
            "noise_level belongs to upscale; the task was txt2img.",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(
    asked: GenerationRequest, image: bool, depth: bool, code: str, message: str
) -> None:
    with pytest.raises(Refusal) as caught:
        validate(asked, CAPABILITIES, has_image=image, has_depth=depth)
    assert (caught.value.body.code, caught.value.body.message) == (code, message)


def test_a_depth_image_becomes_grey_of_any_size_and_sixteen_bits_are_scaled() -> None:
    for mode in ("RGB", "L", "I;16", "P"):
        with Image.open(io.BytesIO(decode_depth(png((40, 24), mode)))) as depth:
            assert (depth.mode, depth.size) == ("L", (40, 24))
            assert depth.getpixel((0, 0)) == (155 if mode == "I;16" else 128)


def test_a_depth_image_may_be_smaller_but_not_of_another_shape() -> None:
    request = ask("depth", Task.DEPTH2IMG, strength=0.5)
    inputs = decode_inputs(request, Sent(png((512, 384)), depth=png((256, 192))))
    assert inputs.depth is not None
    assert decode_inputs(request, Sent(depth=png((64, 32)))).image is None
    with pytest.raises(Refusal) as caught:
        decode_inputs(request, Sent(png((512, 384)), depth=png((384, 384))))
    assert caught.value.body.message == (
        "The depth image must have the proportions of the input image, 512 × 384; it was 384 × 384."
    )


@pytest.mark.parametrize(
    ("data", "what"), [(b"", "is empty."), (png((64, 64))[:60], "is damaged or cut off.")]
)
def test_an_unreadable_depth_image_is_refused(data: bytes, what: str) -> None:
    with pytest.raises(Refusal) as caught:
        decode_depth(data)
    body = caught.value.body
    assert (body.code, body.field, body.message) == ("depth_unreadable", "depth", f"The depth image {what}")


@pytest.mark.parametrize(
    ("picture", "size", "field", "message"),
    [
        (
            (133, 64),
            (512, 64),
            "width",
            "width must be 136 to upscale this picture, whose width is 133; it was 512.",
        ),
        (
            (64, 20),
            (64, 72),
            "height",
            "height must be 64 to upscale this picture, whose height is 20; it was 72.",
        ),
        (
            (1032, 1024),
            (1032, 1024),
            "image",
            "To be enlarged 4 times the input image must have at most 1048576 pixels and 2048 a side;"
            " it was 1032 × 1024 (1056768).",
        ),
        (
            (4096, 64),
            (2048, 64),
            "image",
            "To be enlarged 4 times the input image must have at most 1048576 pixels and 2048 a side;"
            " it was 4096 × 64 (262144).",
        ),
    ],
)
def test_what_is_upscaled_has_the_size_that_the_request_says(
    picture: tuple[int, int], size: tuple[int, int], field: str, message: str
) -> None:
    request = ask("x4", Task.UPSCALE, width=size[0], height=size[1])
    with pytest.raises(Refusal) as caught:
        decode_inputs(request, Sent(png(picture)))
    assert (caught.value.body.field, caught.value.body.message) == (field, message)


def test_the_largest_and_an_odd_picture_are_taken_for_upscaling() -> None:
    decode_inputs(ask("x4", Task.UPSCALE, width=1024, height=1024), Sent(png((1024, 1024))))
    decode_inputs(ask("x4", Task.UPSCALE, width=136, height=64), Sent(png((133, 9))))


async def test_a_depth_image_alone_reaches_the_worker_and_counts_as_content(tmp_path: Path) -> None:
    make_model(
        tmp_path / "models",
        "depth",
        pipeline="StableDiffusionDepth2ImgPipeline",
        unet={"in_channels": 5, "cross_attention_dim": 1024},
    )
    changes: dict[str, Any] = {"model": "depth", "task": "depth2img", "strength": 1.0, "prompt": "slow"}
    async with running(tmp_path) as engine:
        assert (await engine.put("job", depth=png((48, 32)), **changes))[0] == 202
        await engine.until("job", "progress")
        with Image.open(tmp_path / "spool" / "job" / "depth.png") as depth:
            assert (depth.mode, depth.size) == ("L", (48, 32))
        assert (await engine.put("job", depth=png((48, 32)), **changes))[0] == 200
        assert (await engine.put("job", depth=png((48, 40)), **changes))[0] == 409
        assert (await engine.put("job", mask=png((48, 32)), **changes))[0] == 409


def test_upscaling_costs_what_its_result_has_in_pixels() -> None:
    small, large = ask("x4", Task.UPSCALE), ask("sd", Task.TXT2IMG, width=256, height=256)
    assert cost_of(small) == cost_of(large)
