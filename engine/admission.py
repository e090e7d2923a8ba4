"""From what was sent to what is queued: a request that can be drawn here, and its pictures, clean."""

import asyncio

from engine.images.inputs import Inputs, Sent, decode_inputs
from engine.speed import Speed
from engine.validation import completed, validate
from engine.wire import Capabilities, GenerationRequest


async def admitted(
    request: GenerationRequest, sent: Sent, capabilities: Capabilities, speed: Speed
) -> tuple[GenerationRequest, Inputs]:
    """The request, complete, and its pictures. Raises Refusal as `validate` and `decode_inputs` do."""
    validate(
        request,
        capabilities,
        has_image=sent.image is not None,
        has_mask=sent.mask is not None,
        has_depth=sent.depth is not None,
        controls=sent.controls.keys(),
    )
    request = completed(request, capabilities, speed)
    return request, await asyncio.to_thread(decode_inputs, request, sent)
