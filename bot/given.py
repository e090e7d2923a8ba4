"""The picture to start from and those that go with it, as files that a person named."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

from bot.input_images import normalise
from engine.wire import Limits


@dataclass(frozen=True)
class Given:
    """`size` and `depth_size` are (width, height) in pixels, upright, once they were looked at."""

    image: Path | None = None
    mask: Path | None = None
    size: tuple[int, int] | None = None
    depth: Path | None = None
    depth_size: tuple[int, int] | None = None
    controls: tuple[Path, ...] = ()

    async def checked(self, folder: Path, limits: Limits, *, keep_size: bool) -> "Given":
        """The same pictures, which the engine may get, in `folder`. Raises Refused, OSError.

        Where the result has the picture's own pixels it is sent as it is, at most as large as the engine takes; else
        it is shrunk to what the engine draws.
        """
        depth_size = None if self.depth is None else await _size(self.depth, limits)
        if self.image is None:
            return replace(self, depth_size=depth_size)
        if keep_size:
            return replace(self, size=await _size(self.image, limits), depth_size=depth_size)
        normal = await asyncio.to_thread(normalise, await asyncio.to_thread(self.image.read_bytes), limits)
        picture = folder / "input.png"
        await asyncio.to_thread(picture.write_bytes, normal.png)
        return replace(self, image=picture, size=normal.size, depth_size=depth_size)


async def _size(path: Path, limits: Limits) -> tuple[int, int]:
    """Of a picture that is sent as it is."""
    data = await asyncio.to_thread(path.read_bytes)
    return (await asyncio.to_thread(normalise, data, limits, keep_size=True)).size
