"""Infotext: AUTOMATIC1111's `parameters` text, by which a picture can be drawn again.

Format, key order and quoting as in A1111 1.10's `create_infotext`: the prompt, the line
`Negative prompt: …` unless it is empty, and one line of `Key: value` pairs. The parameter line is
always the last, since readers take the last line: a prompt cannot pass itself off as one.
"""

import json

from engine.samplers import SAMPLERS, SCHEDULE_LABELS, effective_schedule
from engine.wire import GenerationRequest


def infotext(
    request: GenerationRequest,
    *,
    seed: int,
    model_hash: str,
    version: str,
    prompt: str | None = None,
    negative_prompt: str | None = None,
) -> str:
    """The infotext of one image. `seed` is that image's own.

    `prompt` and `negative_prompt` are the texts that it was drawn from, with wildcards chosen; where they differ,
    the request's follow as `Template` and `Negative Template`, as the Dynamic Prompts extension writes them.
    """
    prompt = request.prompt if prompt is None else prompt
    negative_prompt = request.negative_prompt if negative_prompt is None else negative_prompt
    pairs = {
        "Steps": request.steps,
        "Sampler": SAMPLERS[request.sampler].label,
        "Schedule type": SCHEDULE_LABELS[effective_schedule(request.sampler, request.schedule)],
        "CFG scale": f"{request.guidance_scale:g}",
        "Seed": seed,
        "Size": f"{request.width}x{request.height}",
        "Model hash": model_hash,
        "Model": request.model,
        "Denoising strength": None if request.strength is None else f"{request.strength:g}",
        "Clip skip": request.clip_skip if (request.clip_skip or 1) > 1 else None,
        "RNG": "CPU",
        "Template": request.prompt if request.prompt != prompt else None,
        "Negative Template": request.negative_prompt if request.negative_prompt != negative_prompt else None,
        "Version": f"Darkroom {version}",
    }
    lines = [prompt]
    if negative_prompt:
        lines.append(f"Negative prompt: {negative_prompt}")
    lines.append(", ".join(f"{key}: {_quoted(value)}" for key, value in pairs.items() if value is not None))
    return "\n".join(lines)


def _quoted(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if any(c in text for c in ",\n:") else text
