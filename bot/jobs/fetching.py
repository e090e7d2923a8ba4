"""Bringing a finished job's pictures from the engine into our own files."""

import asyncio

from bot.history.files import PictureFiles, sha256
from bot.jobs.ports import Engine, EngineRefused
from bot.jobs.states import StoredImage
from engine.wire import ErrorBody, ImageInfo

_SAME = {"index", "media_type", "width", "height", "seed", "bytes", "infotext"}


async def fetch(engine: Engine, job_id: str, info: ImageInfo) -> bytes:
    """The bytes of one picture, checked.

    Raises EngineAway; EngineRefused where the engine has it no more or it arrived damaged.
    """
    data = await engine.image(job_id, info.index)
    if await asyncio.to_thread(sha256, data) != info.sha256:
        message = f"Picture {info.index + 1} arrived damaged."
        raise EngineRefused(ErrorBody(code="image_damaged", message=message, retryable=True))
    return data


async def keep(files: PictureFiles, info: ImageInfo, data: bytes) -> StoredImage:
    """Store one picture and its thumbnail. Storing it again changes nothing."""
    return StoredImage(
        sha256=await files.write(data, info.media_type),
        thumbnail_sha256=await files.write_thumbnail(data),
        **info.model_dump(include=_SAME),
    )
