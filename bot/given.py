"""The picture to start from, its mask and the pictures that steer, as files that a person named."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

from bot.attachments import normalise
from engine.wire import Limits


@dataclass(frozen=True)
class Given:
    """`size` is (width, height) of the image in pixels, upright, once it was looked at."""

    image: Path | None = None
    mask: Path | None = None
    size: tuple[int, int] | None = None
    controls: tuple[Path, ...] = ()

    async def checked(self, folder: Path, limits: Limits, *, keep_size: bool) -> "Given":
        """The same pictures, which the engine may get, in `folder`. Raises Refused, OSError.

        Where the result has the picture's own pixels it is sent as it is, at most as large as the engine takes; else
        it is shrunk to what the engine draws.
        """
        if self.image is None:
            return self
        data = await asyncio.to_thread(self.image.read_bytes)
        if keep_size:
            as_it_is = limits.model_copy(update={"max_side": limits.input_pixels})
            return replace(self, size=(await asyncio.to_thread(normalise, data, as_it_is)).size)
        normal = await asyncio.to_thread(normalise, data, limits)
        picture = folder / "input.png"
        await asyncio.to_thread(picture.write_bytes, normal.png)
        return replace(self, image=picture, size=normal.size)
