"""What an image is conditioned on: a request's words, as its model reads them."""

from engine.models.adapters import Adapters
from engine.models.loading import StableDiffusion
from engine.prompts.conditioning import Conditioning
from engine.prompts.wildcards import Words
from engine.wire import GenerationRequest


def condition(
    model: StableDiffusion, request: GenerationRequest, words: Words, adapters: Adapters | None = None
) -> Conditioning:
    """`words` are the request's prompts with every wildcard chosen, `adapters` those that they name.

    Raises Refusal as `PromptEncoder.encode`.
    """
    return model.prompts.encode(
        words.prompt,
        words.negative_prompt,
        guided=request.guidance_scale > 1 and model.unet.config.time_cond_proj_dim is None,
        interval=request.guidance_interval,
        after=1.0 if request.guidance_after is None else request.guidance_after,
        clip_skip=request.clip_skip or 1,
        adapters=adapters,
    )
