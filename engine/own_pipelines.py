"""What may be asked of a model that diffusers' own pipeline draws, which keeps its sampler. Pure."""

from engine.errors import Refusal
from engine.prompts import loras
from engine.prompts.wildcards import Words
from engine.wire import Fill, GenerationRequest, ModelInfo, Seamless

FILLS = (Fill.ORIGINAL, Fill.FILL)  # the others are about latents, which the pipeline keeps to itself


def check(request: GenerationRequest, model: ModelInfo) -> None:
    """Raises Refusal invalid_field, lora_incompatible."""
    for side in ("width", "height"):
        if (pixels := getattr(request, side)) % model.side_multiple:
            raise _invalid(
                side,
                f"{side} must be a multiple of {model.side_multiple} with {model.name}; it was {pixels}.",
                str(max(1, round(pixels / model.side_multiple)) * model.side_multiple),
            )
    if not model.own_pipeline:
        return
    for menu in ("sampler", "schedule"):
        own, asked = getattr(model.defaults, menu), getattr(request, menu)
        if asked != own:
            raise _invalid(menu, f"{model.name} keeps its own {menu}, {own}; the request's was {asked}.", own)
    if request.hires is not None:
        raise _invalid("hires", f"{model.name} draws no second pass.", "an upscale in post")
    if request.vae is not None:
        raise _invalid("vae", f"{model.name} keeps its own VAE; the request's was {request.vae}.", "none")
    if not request.always_guided:
        message = f"{model.name} guides every step: guidance_start must be 0 and guidance_end 1 with it."
        raise _invalid("guidance_start" if request.guidance_start else "guidance_end", message, "0 and 1")
    if request.tiling is not Seamless.NONE:
        raise _invalid("tiling", f"{model.name} draws no seamless pictures.", "none")
    check_loras(request, model.name)
    if request.variation_strength > 0:
        raise _invalid(
            "variation_strength",
            f"variation_strength must be 0 with {model.name}; it was {request.variation_strength:g}.",
            "0",
        )
    if request.fill not in FILLS:
        known = ", ".join(FILLS)
        raise _invalid(
            "fill", f"fill must be one of {known} with {model.name}; it was {request.fill}.", known
        )


def check_loras(words: GenerationRequest | Words, model: str) -> None:
    """Also of words that a wildcard chose. Raises Refusal lora_incompatible."""
    for field in ("prompt", "negative_prompt"):
        if loras.take_out(getattr(words, field))[1]:
            raise Refusal("lora_incompatible", f"{model} takes no LoRAs.", field=field)


def _invalid(field: str, message: str, hint: str) -> Refusal:
    return Refusal("invalid_field", message, field=field, hint=hint)
