"""The images of a job and what the person is told beside them, for either kind of model."""

import functools
from collections.abc import Callable

from engine.frames import Start
from engine.models.control_loading import ControlNetwork
from engine.models.loading import StableDiffusion
from engine.prompts import loras
from engine.prompts.wildcards import Lines, Words, words_of
from engine.tasks.conditioning import condition
from engine.tasks.own_pipeline import pipeline_images, pipeline_notices
from engine.tasks.refine import leave_to_refiner
from engine.tasks.starting import start_images
from engine.tasks.steering import steer
from engine.wire import GenerationRequest
from engine.worker.flight import ImageInFlight
from engine.worker.ladder import Work
from engine.worker.notices import notices_of
from engine.worker.picture import Picture
from engine.worker.pipeline_loop import PipelineLoop
from engine.worker.shelf import Loop
from engine.worker.step_loop import StepLoop

LoadControl = Callable[[str], ControlNetwork]


def begin(
    loop: Loop, command: Start, wildcards: Lines, control: LoadControl
) -> tuple[list[Picture], tuple[str, ...]]:
    """Raises Refusal, SamplerDoesNotFit, ModelBroken, torch.OutOfMemoryError, and OSError for a lost file."""
    request = command.request
    lines = functools.cache(wildcards)  # a file is read once for a job
    words = [_words(request, index, lines) for index in range(request.candidates)]
    if isinstance(loop, PipelineLoop):
        return [*pipeline_images(loop.model, command, words)], pipeline_notices(loop.model, request)
    assert isinstance(loop, StepLoop)
    model = loop.model
    size, work = (request.width, request.height), Work.TEXT if command.input is None else Work.VAE
    images = loop.room.run(size, work, lambda: _started(model, command, words))
    leave_to_refiner(images, request.refiner)
    steer(images, command, model=model, load=control)
    return [*images], notices_of(model, images)


def _started(model: StableDiffusion, command: Start, words: list[Words]) -> list[ImageInFlight]:
    return start_images(model, command, [condition(model, command.request, each) for each in words])


def _words(request: GenerationRequest, index: int, lines: Lines) -> Words:
    """What image `index` is drawn from. Wildcards may have put a LoRA in that the front has not seen."""
    words = words_of(request, index, lines=lines)
    loras.check(words.prompt, known=(), field="prompt")
    loras.check(words.negative_prompt, known=(), field="negative_prompt")
    return words
