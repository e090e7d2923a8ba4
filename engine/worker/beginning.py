"""The images of a job and what the person is told beside them, for either kind of model."""

import functools

from engine.frames import Start
from engine.models.pipeline_loading import LoadedPipeline
from engine.prompts import loras
from engine.prompts.wildcards import Lines, Words, words_of
from engine.tasks.conditioning import condition
from engine.tasks.own_pipeline import pipeline_images, pipeline_notices
from engine.tasks.refine import leave_to_refiner
from engine.tasks.starting import start_images
from engine.wire import GenerationRequest
from engine.worker.notices import notices_of
from engine.worker.picture import Picture
from engine.worker.shelf import Model


def begin(model: Model, command: Start, wildcards: Lines) -> tuple[list[Picture], tuple[str, ...]]:
    """Raises Refusal, SamplerDoesNotFit, ModelBroken, and OSError for a lost file."""
    request = command.request
    lines = functools.cache(wildcards)  # a file is read once for a job
    words = [_words(request, index, lines) for index in range(request.candidates)]
    if isinstance(model, LoadedPipeline):
        return [*pipeline_images(model, command, words)], pipeline_notices(model, request)
    images = start_images(model, command, [condition(model, request, each) for each in words])
    leave_to_refiner(images, request.refiner)
    return [*images], notices_of(model, images)


def _words(request: GenerationRequest, index: int, lines: Lines) -> Words:
    """What image `index` is drawn from. Wildcards may have put a LoRA in that the front has not seen."""
    words = words_of(request, index, lines=lines)
    loras.check(words.prompt, known=(), field="prompt")
    loras.check(words.negative_prompt, known=(), field="negative_prompt")
    return words
