"""What a person says of depth and of upscaling becomes fields of the request, or a sentence."""

from typing import Any

import pytest

from bot.errors import Refused
from bot.redraw import Redraw
from bot.requests import Options, build
from engine.wire import GenerationRequest, Task
from tests.bot.samples import capabilities, model

OFFERED = capabilities(
    model(),
    model("depth", tasks=(Task.DEPTH2IMG, Task.IMG2IMG), estimates_depth=True),
    model("x4", tasks=(Task.UPSCALE,)),
)


def made(**options: Any) -> GenerationRequest:
    return build(Options(prompt="a hamster", **options), OFFERED, owner="", random_seed=1)


def test_a_task_takes_the_first_model_that_can_do_it() -> None:
    assert made(task="depth2img", image=(512, 384)).model == "depth"
    assert made(task="upscale", image=(64, 64)).model == "x4"


def test_the_picture_decides_the_size_that_is_upscaled() -> None:
    request = made(task="upscale", image=(133, 40), noise_level=50)
    assert (request.task, request.width, request.height) == (Task.UPSCALE, 136, 64)
    assert (request.strength, request.noise_level) == (None, 50)


def test_a_depth_image_asks_for_its_task_and_alone_starts_from_noise_in_its_shape() -> None:
    request = made(depth=(1000, 500))
    assert (request.task, request.strength) == (Task.DEPTH2IMG, 1.0)
    assert (request.width, request.height) == (728, 360)
    assert made(depth=(512, 512), image=(512, 512)).strength == 0.75


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"task": "zoom"}, "task must be one of depth2img, upscale, or left out; it was 'zoom'."),
        ({"task": "upscale"}, "upscale needs an image to start from."),
        ({"task": "depth2img"}, "depth2img needs an image to start from, or a depth image."),
        ({"task": "upscale", "depth": (8, 8)}, "depth belongs to depth2img; the task was upscale."),
        ({"task": "upscale", "image": (64, 64), "size": "wide"}, "size does not go with upscale"),
        ({"task": "upscale", "image": (64, 64), "strength": 0.5}, "strength does not go with upscale"),
        ({"task": "upscale", "image": (64, 64), "noise_level": 351}, "noise_level must be between 0 and 350"),
        ({"noise_level": 5}, "noise_level belongs to upscale."),
        (
            {"task": "upscale", "image": (1025, 1024)},
            "at most 1048576 pixels and 2048 a side; it was 1025 x 1024.",
        ),
        (
            {"task": "upscale", "image": (2056, 64)},
            "at most 1048576 pixels and 2048 a side; it was 2056 x 64.",
        ),
        (
            {"task": "upscale", "image": (64, 64), "redraw": Redraw(mask=True)},
            "mask and outpaint do not go with upscale.",
        ),
        (
            {"task": "upscale", "image": (64, 64), "model": "depth"},
            "The model depth cannot upscale an image; x4 can.",
        ),
    ],
)
def test_what_does_not_go_together_is_told(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused) as caught:
        made(**options)
    assert sentence in str(caught.value)
