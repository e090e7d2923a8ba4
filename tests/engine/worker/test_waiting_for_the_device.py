"""A step of an image asks the device for no number: whoever asks a GPU waits until it has done all it was given.

Here the device is torch's `meta`, whose tensors have shapes and no numbers: asking for one raises.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from PIL import Image

from engine.images.canvas import Canvas
from engine.models.loading import StableDiffusion
from engine.tasks.image_to_image import start_image_to_image
from engine.tasks.inpaint import start_inpaint
from engine.tasks.text_to_image import start_text_to_image
from engine.wire import GenerationRequest, Sampler, Task
from engine.worker.flight import ImageInFlight

Ask = Callable[..., GenerationRequest]
META = torch.device("meta")


def stepped_on_meta(image: ImageInFlight) -> None:
    """Every step, with latents and predictions without numbers."""
    image.latents = image.latents.to(META)
    if image.held is not None:
        image.held = type(image.held)(
            **{name: getattr(image.held, name).to(META) for name in ("mask", "clean", "noise")}
        )
    while not image.done:
        image.model_input()
        image.advance(torch.empty((image.rows, 4, 8, 8), device=META))
    assert image.latents.device == META


@pytest.fixture
def words(model: StableDiffusion) -> Any:
    return model.prompts.encode("a hamster with a brush", "blurry", guided=True)


@pytest.mark.parametrize("sampler", Sampler)
def test_no_sampler_asks_for_a_number(model: StableDiffusion, ask: Ask, words: Any, sampler: Sampler) -> None:
    stepped_on_meta(start_text_to_image(model, "job", ask(sampler=sampler, steps=8), 0, words))


@pytest.mark.parametrize("sampler", Sampler)
def test_none_does_so_from_the_middle(
    model: StableDiffusion, ask: Ask, words: Any, picture: Image.Image, sampler: Sampler
) -> None:
    request = ask(task=Task.IMG2IMG, sampler=sampler, steps=8, strength=0.6)
    stepped_on_meta(start_image_to_image(model, "job", request, 0, words, picture))


@pytest.mark.parametrize("sampler", [Sampler.EULER, Sampler.DDIM, Sampler.DPMPP_2M])
def test_none_does_so_where_parts_are_held(
    model: StableDiffusion, ask: Ask, words: Any, picture: Image.Image, mask: Image.Image, sampler: Sampler
) -> None:
    request = ask(task=Task.INPAINT, sampler=sampler, steps=8, strength=0.8)
    stepped_on_meta(start_inpaint(model, "job", request, 0, words, Canvas.of(request, picture, mask)))


def test_timesteps_on_the_device_would_be_noticed(model: StableDiffusion, ask: Ask, words: Any) -> None:
    image = start_text_to_image(model, "job", ask(sampler=Sampler.DDIM, steps=8), 0, words)
    image.timesteps = image.timesteps.to(META)
    with pytest.raises(Exception, match="meta"):
        stepped_on_meta(image)
