"""A picture to a text without a chat: an engine of our own, asked once."""

import secrets
import tempfile
from pathlib import Path

from bot.engine_client import EngineClient
from bot.errors import Refused
from bot.given import Given
from bot.jobs.ports import EngineAway
from bot.menus import find_model
from bot.own_engine import OwnEngine
from engine.wire import Cancelled, Failed, Finished, GenerationRequest, ModelInfo, Task


async def describe_alone(own: OwnEngine, *, file: Path, model: str | None) -> str:
    """What is in the picture of a file, in a few words. Raises as `describe` and `OwnEngine.running`, and OSError."""
    with tempfile.TemporaryDirectory(prefix="darkroom-") as folder:
        async with own.running() as engine:
            capabilities = await engine.capabilities()
            given = await Given(file).checked(Path(folder), capabilities.limits, keep_size=False)
            found = find_model(model, capabilities, Task.DESCRIBE)
            if Task.DESCRIBE not in found.tasks:
                raise Refused(f"There is no CLIP that could describe an image for the model {found.name}.")
            return await describe(engine=engine, request=_request(found), given=given)


async def describe(*, engine: EngineClient, request: GenerationRequest, given: Given) -> str:
    """The engine's description. Raises Refused where it will not or cannot, EngineAway where it died."""
    job_id = secrets.token_hex(16)
    await engine.put(job_id, request, given.image)
    async for event in engine.events(job_id):
        match event:
            case Failed(error=error):
                raise Refused(error.message)
            case Cancelled():
                raise Refused("The engine cancelled the job.")
            case Finished():
                await engine.release(job_id)
                return event.description or ""
    raise EngineAway("the engine stopped without a result")


def _request(model: ModelInfo) -> GenerationRequest:
    """Nothing is drawn: what a drawing would need is the model's own."""
    defaults = model.defaults
    return GenerationRequest(
        task=Task.DESCRIBE,
        model=model.name,
        prompt="",
        width=defaults.width,
        height=defaults.height,
        steps=defaults.steps,
        guidance_scale=defaults.guidance_scale,
        sampler=defaults.sampler,
        seed=0,
    )
