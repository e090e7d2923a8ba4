"""A picture to a text without a chat: an engine of our own, asked once."""

import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bot.errors import Refused
from bot.given import Given
from bot.jobs.ports import EngineAway
from bot.menus import find_model
from bot.own_engine import OwnEngine
from bot.tasks import to_describe
from engine.wire import Cancelled, Failed, Finished, GenerationRequest, Task

if TYPE_CHECKING:  # not loaded before the engine is started, which takes longer
    from bot.engine_client import EngineClient


async def describe_alone(own: OwnEngine, *, file: Path, model: str | None) -> str:
    """What is in the picture of a file, in a few words. Raises as `describe` and `OwnEngine.running`, and OSError."""
    with tempfile.TemporaryDirectory(prefix="darkroom-") as folder:
        async with own.running() as engine:
            capabilities = await engine.capabilities()
            given = await Given(file).checked(Path(folder), capabilities.limits, keep_size=False)
            found = find_model(model, capabilities, Task.DESCRIBE)
            return await describe(engine=engine, request=to_describe(found), given=given)


async def describe(*, engine: "EngineClient", request: GenerationRequest, given: Given) -> str:
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
