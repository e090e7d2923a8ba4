"""A request as the call of diffusers' own pipeline. What the pipeline does not take is refused, or said in a notice."""

from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageOps

from engine.errors import Refusal
from engine.frames import Start
from engine.images.canvas import Canvas
from engine.models.own_pipeline import SAMPLERS
from engine.models.pipeline_loading import LoadedPipeline, parameters
from engine.prompts.wildcards import Words
from engine.wire import GenerationRequest, Task
from engine.worker.pipeline_image import PipelineImage

TRUE_GUIDANCE = (
    "true_cfg_scale"  # what QwenImage calls guidance; Flux has it beside the one it was distilled with
)


def pipeline_images(model: LoadedPipeline, command: Start, words: Sequence[Words]) -> list[PipelineImage]:
    """One image for each of `words`, as the pipeline would draw it alone. Raises Refusal, ModelBroken and OSError."""
    request = command.request
    pipeline = model.pipeline(request.task)
    pictures, canvas = _pictures(command)
    return [
        PipelineImage(
            job_id=command.job,
            index=index,
            seed=request.image_seed(index),
            words=each,
            pipeline=pipeline,
            arguments=_arguments(pipeline, request, each) | pictures,
            steps=max(1, int(request.steps * (request.strength or 1))),
            canvas=canvas,
        )
        for index, each in enumerate(words)
    ]


def pipeline_notices(model: LoadedPipeline, request: GenerationRequest) -> tuple[str, ...]:
    """What a person asked for and the pipeline does not know."""
    said = []
    scheduler = type(model.text_to_image.scheduler).__name__
    if scheduler not in SAMPLERS:
        said.append(f"This model draws with a sampler of its own, {scheduler}.")
    if not _is_guided(model.pipeline(request.task)):
        said.append("This model has no guidance scale; the one of the request was not used.")
    return tuple(said)


def _arguments(pipeline: Any, request: GenerationRequest, words: Words) -> dict[str, Any]:
    takes = parameters(pipeline)
    given: dict[str, Any] = {"prompt": words.prompt, "num_inference_steps": request.steps}
    given |= {side: getattr(request, side) for side in ("width", "height") if side in takes}
    if "use_resolution_binning" in takes:
        given["use_resolution_binning"] = False  # it would draw another size, and scale
    if request.strength is not None:
        given["strength"] = request.strength
    return given | _guidance(pipeline, request, words) | _clip_skip(pipeline, request)


def _guidance(pipeline: Any, request: GenerationRequest, words: Words) -> dict[str, Any]:
    """Guidance and the negative prompt. Raises Refusal where the pipeline would ignore a negative prompt."""
    takes = parameters(pipeline)
    both = TRUE_GUIDANCE in takes and _is_distilled(pipeline)
    if words.negative_prompt and (both or "negative_prompt" not in takes):
        raise _invalid("negative_prompt", "This model takes no negative prompt; one was given.")
    if TRUE_GUIDANCE in takes and not both:  # without a negative prompt, however empty, it draws unguided
        return {TRUE_GUIDANCE: request.guidance_scale, "negative_prompt": words.negative_prompt or " "}
    negative = {"negative_prompt": words.negative_prompt} if words.negative_prompt else {}
    guidance = {"guidance_scale": request.guidance_scale} if _is_guided(pipeline) else {}
    return guidance | negative


def _is_distilled(pipeline: Any) -> bool:
    """Whether its `guidance_scale` is what the network was distilled with: where it has a default of its own."""
    parameter = parameters(pipeline).get("guidance_scale")
    return parameter is not None and parameter.default is not None


def _is_guided(pipeline: Any) -> bool:
    """Whether guidance changes anything: networks like FLUX.1 schnell were distilled without."""
    takes = parameters(pipeline)
    if TRUE_GUIDANCE in takes and not _is_distilled(pipeline):
        return True
    config = getattr(getattr(pipeline, "transformer", None), "config", None)
    return "guidance_scale" in takes and getattr(config, "guidance_embeds", True) is not False


def _clip_skip(pipeline: Any, request: GenerationRequest) -> dict[str, Any]:
    """diffusers counts the layers that are left out, A1111 from 1."""
    left_out = (request.clip_skip or 1) - 1
    if not left_out:
        return {}
    if "clip_skip" not in parameters(pipeline):
        raise _invalid("clip_skip", f"This model takes no clip skip; it was {request.clip_skip}.", "1")
    return {"clip_skip": left_out}


def _pictures(command: Start) -> tuple[dict[str, Any], Canvas | None]:
    """The pictures that the pipeline starts from, as large as it draws, and where its drawing goes."""
    request = command.request
    if command.input is None:
        return {}, None
    size = (request.width, request.height)
    with Image.open(command.input) as file:
        picture = file.convert("RGB")
    if request.task is Task.IMG2IMG:
        return {"image": ImageOps.fit(picture, size)}, None
    mask = None
    if command.mask is not None:
        with Image.open(command.mask) as file:
            mask = file.convert("L")
    canvas = Canvas.of(request, picture, mask)
    _, begin, white = canvas.piece(size, request.fill)
    return {"image": begin, "mask_image": white}, canvas


def _invalid(field: str, message: str, hint: str | None = None) -> Refusal:
    return Refusal("invalid_field", message, field=field, hint=hint)
