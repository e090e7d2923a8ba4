"""The images of a job, each started as its task says."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from engine.frames import Start
from engine.images.canvas import Canvas
from engine.models.loading import StableDiffusion
from engine.prompts.conditioning import Conditioning
from engine.tasks.depth_to_image import depth_cells, start_depth_to_image
from engine.tasks.image_to_image import start_image_to_image
from engine.tasks.inpaint import start_inpaint
from engine.tasks.text_to_image import start_text_to_image
from engine.tasks.upscale import start_upscale
from engine.wire import Task
from engine.worker.flight import ImageInFlight


def start_images(
    model: StableDiffusion, command: Start, conditionings: Sequence[Conditioning]
) -> list[ImageInFlight]:
    """One image in flight for each of `conditionings`. Raises SamplerDoesNotFit, and OSError for a lost file."""
    request = command.request
    each = [(model, command.job, request, index, words) for index, words in enumerate(conditionings)]
    picture = None if command.input is None else _opened(command.input, "RGB")
    if model.sees_depth:
        depth = None if command.depth is None else _opened(command.depth, "L")
        cells = depth_cells(model, request, picture, depth)  # once for all of them
        return [start_depth_to_image(*image, picture, cells) for image in each]
    if picture is None:
        return [start_text_to_image(*image) for image in each]
    if request.task is Task.UPSCALE:
        return [start_upscale(*image, picture) for image in each]
    if request.task is Task.IMG2IMG:
        return [start_image_to_image(*image, picture) for image in each]
    canvas = Canvas.of(request, picture, None if command.mask is None else _opened(command.mask, "L"))
    return [start_inpaint(*image, canvas) for image in each]


def _opened(path: Path, mode: str) -> Image.Image:
    with Image.open(path) as file:
        return file.convert(mode)
