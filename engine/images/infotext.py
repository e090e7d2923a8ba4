"""Infotext: AUTOMATIC1111's `parameters` text, by which a picture can be drawn again.

Format, key order and quoting as in A1111 1.10's `create_infotext`, reading as in its
`parse_generation_parameters`: the prompt, the line `Negative prompt: …` unless it is empty, and one line of
`Key: value` pairs. The parameter line is always the last, since readers take the last line: a prompt cannot
pass itself off as one. A prompt that has a line `Negative prompt:` of its own could; our reader is told by
`Prompt lines` how long it is.
"""

import json
import re
from collections.abc import Mapping

from engine.images.recipe import Recipe
from engine.prompts.wildcards import Words
from engine.samplers import SAMPLERS, SCHEDULE_LABELS, effective_schedule
from engine.upscalers import BUILT_IN
from engine.wire import (
    UPSCALE_FACTOR,
    Fill,
    GenerationRequest,
    PostStep,
    RestoreFaces,
    Seamless,
    Task,
    Upscale,
)

NEGATIVE = "Negative prompt:"
PROMPT_LINES = "Prompt lines"
MOST_CHARS = 64 * 1024  # of a stranger's infotext
MIN_PAIRS = 3  # A1111's rule: a last line with fewer is part of the prompt
_CONTENTS = {
    Fill.ORIGINAL: None,
    Fill.FILL: "fill",
    Fill.NOISE: "latent noise",
    Fill.NOTHING: "latent nothing",
}
# A1111's pattern, made linear: what was taken is not given back, and a key has an end.
_PAIR = re.compile(r'(\w[\w \-/]{1,60}+):\s*+("(?:\\.|[^\\"])++"(?=\s*+(?:,|$))|[^,]*+)')


def infotext(
    request: GenerationRequest,
    *,
    seed: int,
    model_hash: str,
    version: str,
    words: Words | None = None,
    variation_seed: int | None = None,
    hashes: Mapping[str, str] | None = None,
    size: tuple[int, int] | None = None,
) -> str:
    """The infotext of one image. `seed` and `variation_seed` are that image's own, `size` is what it became.

    `words` are the prompts that it was drawn from, with wildcards chosen; where they differ from the request's,
    those follow as `Template` and `Negative Template`, as the Dynamic Prompts extension writes them. `hashes` are
    those of LoRAs, embeddings and the VAE, under A1111's keys, and under `VAE Decoder` what decoded it if not that.
    """
    words = words or Words(request.prompt, request.negative_prompt)
    hashes = hashes or {}
    prompt = words.prompt.split("\n")
    strength = request.strength if request.hires is None else request.hires.strength
    templates = request.prompt != words.prompt, request.negative_prompt != words.negative_prompt
    pairs = {
        "Steps": request.steps,
        "Sampler": SAMPLERS[request.sampler].label,
        "Schedule type": SCHEDULE_LABELS[effective_schedule(request.sampler, request.schedule)],
        "CFG scale": _number(request.guidance_scale),
        "Guidance interval": None if request.always_guided else _interval(request),
        "Guidance after": _guidance_after(request),
        "Seed": seed,
        "Face restoration": _restorer(request),
        "Size": f"{request.width}x{request.height}",
        "Model hash": model_hash,
        "Model": request.model,
        "VAE hash": hashes.get("VAE hash"),
        "VAE": request.vae,
        "Variation seed": variation_seed,
        "Variation seed strength": None if variation_seed is None else _number(request.variation_strength),
        "Denoising strength": None if strength is None else _number(strength),
        "Clip skip": request.clip_skip if (request.clip_skip or 1) > 1 else None,
        "RNG": "CPU",
        "VAE Decoder": hashes.get("VAE Decoder"),
        "Tiling": None if request.tiling is Seamless.NONE else True,
        "Tiling axes": request.tiling if request.tiling in (Seamless.X, Seamless.Y) else None,
        **_mask_pairs(request),
        **_control_pairs(request),
        **_hires_pairs(request),
        **_post_pairs(request),
        "Refiner": None if request.refiner is None else request.refiner.model,
        "Refiner switch at": None if request.refiner is None else _number(request.refiner.switch_at),
        **_upscale_pairs(request),
        "Lora hashes": hashes.get("Lora hashes"),
        "TI hashes": hashes.get("TI hashes"),
        "Template": request.prompt if templates[0] else None,
        "Negative Template": request.negative_prompt if templates[1] else None,
        PROMPT_LINES: len(prompt) if any(line.startswith(NEGATIVE) for line in prompt) else None,
        "Version": f"Darkroom {version}",
    }
    if not request.task.needs_model:
        became = None if size is None else f"{size[0]}x{size[1]}"
        faces = {"Face restoration": pairs["Face restoration"]}
        pairs = {**faces, "Size": became, **_post_pairs(request), "Version": pairs["Version"]}
    lines = [words.prompt]
    if words.negative_prompt:
        lines.append(f"{NEGATIVE} {words.negative_prompt}")
    lines.append(", ".join(f"{key}: {_quoted(value)}" for key, value in pairs.items() if value is not None))
    return "\n".join(lines)


def _guidance_after(request: GenerationRequest) -> str | None:
    scale = request.guidance_after or 1.0
    return None if scale <= 1 or request.guidance_interval[1] == 1 else _number(scale)


def _interval(request: GenerationRequest) -> str:
    return "-".join(_number(each) for each in request.guidance_interval)


def _mask_pairs(request: GenerationRequest) -> dict[str, object]:
    """A1111's keys of inpaint, which leave out what is its default; and `Outpaint`, which is ours."""
    if request.task not in (Task.INPAINT, Task.OUTPAINT):
        return {}
    sides = {} if request.extend is None else request.extend.model_dump()
    return {
        "Mask blur": request.mask_blur or None,
        "Inpaint area": "Only masked" if request.only_masked else None,
        "Masked area padding": request.padding if request.only_masked else None,
        "Masked content": _CONTENTS[request.fill],
        "Outpaint": " ".join(f"{side}={value}" for side, value in sides.items() if value) or None,
    }


def _upscale_pairs(request: GenerationRequest) -> dict[str, object]:
    """Ours: `Size` is then that of the picture that was enlarged."""
    if request.task is not Task.UPSCALE:
        return {}
    return {"Upscaled by": UPSCALE_FACTOR, "Noise level": request.noise_level}


def _control_pairs(request: GenerationRequest) -> dict[str, object]:
    """As A1111's ControlNet extension writes its units."""
    return {
        f"ControlNet {index}": (
            f"Module: {control.preprocess}, Model: {control.name}, Weight: {_number(control.weight)},"
            " Resize Mode: Crop and Resize,"
            f" Guidance Start: {_number(control.start)}, Guidance End: {_number(control.end)}"
        )
        for index, control in enumerate(request.controls)
    }


def _hires_pairs(request: GenerationRequest) -> dict[str, object]:
    """A1111's keys of "Hires. fix"; its denoising strength has the key that img2img's has."""
    hires = request.hires
    if hires is None:
        return {}
    return {
        "Hires upscale": None if hires.scale is None else _number(hires.scale),
        "Hires resize": f"{hires.width}x{hires.height}" if hires.scale is None else None,
        "Hires steps": hires.steps,
        "Hires upscaler": _upscaler(hires.upscaler),
    }


def _post_pairs(request: GenerationRequest) -> dict[str, object]:
    """A1111's keys of "Extras" for the last upscale; `Postprocess`, which is ours, where there is more than that."""
    upscale = next((step for step in reversed(request.post) if isinstance(step, Upscale)), None)
    steps = "; ".join(_step(step) for step in request.post)
    return {
        "Postprocess upscale by": None if upscale is None else _number(upscale.scale),
        "Postprocess upscaler": None if upscale is None else _upscaler(upscale.upscaler),
        "Postprocess": (steps or None) if request.post != (upscale,) else None,
    }


def _restorer(request: GenerationRequest) -> str | None:
    """The last one, as A1111 names it."""
    return next((step.restorer for step in reversed(request.post) if isinstance(step, RestoreFaces)), None)


def _step(step: PostStep) -> str:
    options = step.model_dump(mode="json", exclude={"type"}).items()
    values = (f"{name}={_number(value) if isinstance(value, float) else value}" for name, value in options)
    return f"{step.type} {' '.join(values)}"


def _upscaler(name: str) -> str:
    """As A1111 writes it: what is built in begins with a capital; files have their own names."""
    return name.capitalize() if name in BUILT_IN else name


def parse(text: str) -> Recipe | None:
    """What an infotext says; None where it has no parameter line. Settings keep A1111's names."""
    if len(text) > MOST_CHARS:
        return None
    *lines, last = text.rstrip().split("\n")
    pairs = {key: _unquoted(value) for key, value in _PAIR.findall(last)}
    if len(pairs) < MIN_PAIRS:
        return None
    length = pairs.pop(PROMPT_LINES, "")
    begin = int(length) if re.fullmatch(r"[0-9]{1,6}", length) else 0
    numbered = enumerate(lines)
    end = next((i for i, line in numbered if i >= begin and line.startswith(NEGATIVE)), len(lines))
    negative = "\n".join(lines[end:]).removeprefix(NEGATIVE).removeprefix(" ")
    return Recipe(
        made_with=_tool(pairs.get("Version", "")),
        prompt="\n".join(lines[:end]),
        negative_prompt=negative,
        settings=pairs,
    )


def _tool(version: str) -> str:
    """A1111 and Forge write a bare number, such as v1.10.1 and f2.0.1v1.10.1; others their name too."""
    if not version:
        return "AUTOMATIC1111 or alike"
    return f"AUTOMATIC1111 {version}" if re.match(r"[vf][0-9]", version) else version


def _number(value: float) -> str:
    """As short as A1111 writes it, and exact all the same."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def _quoted(value: object) -> str:
    text = str(value)
    plain = text == text.strip() and not any(c in text for c in ',\n:"')
    return text if plain else json.dumps(text, ensure_ascii=False)


def _unquoted(value: str) -> str:
    if value.startswith('"') and value.endswith('"'):
        try:
            return str(json.loads(value))
        except (ValueError, RecursionError):
            pass
    return value.strip()
