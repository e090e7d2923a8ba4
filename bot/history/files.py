"""Pictures on disk, named by their content: `ab/cd/<sha256>.<ext>`.

The same bytes are kept once, and a file that is there is complete: it was written aside, flushed to the
disk and renamed. Inputs and thumbnails are kept the same way. All work is done in threads.
"""

import asyncio
import hashlib
import io
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from bot.history.database import HistoryUnavailable

THUMBNAIL_SIDE = 256  # pixels, the longer side
THUMBNAIL_TYPE = "image/jpeg"
EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}


class PictureFiles:
    """The file store under one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        # Held from writing a file until a row names it, and from the last row's end until the file is gone.
        self.shelf = asyncio.Lock()

    async def write(self, data: bytes, media_type: str = "image/png") -> str:
        """Keep `data` and return its SHA-256 in hex. Writing the same bytes again changes nothing.

        Raises HistoryUnavailable while the disk takes nothing.
        """
        return await asyncio.to_thread(self._write, data, media_type)

    async def write_thumbnail(self, data: bytes) -> str:
        """Keep a JPEG of the image `data`, its longer side at most 256 pixels; return its SHA-256."""
        return await asyncio.to_thread(lambda: self._write(thumbnail(data), THUMBNAIL_TYPE))

    async def read(self, name: str, media_type: str = "image/png") -> bytes:
        """The bytes with this SHA-256. Raises FileNotFoundError."""
        return await asyncio.to_thread(self.path(name, media_type).read_bytes)

    async def remove(self, names: Iterable[str]) -> None:
        """Remove these files where they are there. Whoever asks made sure that no row names them."""
        await asyncio.to_thread(self._remove, tuple(names))

    def path(self, name: str, media_type: str = "image/png") -> Path:
        """Where the bytes with this SHA-256 are, or would be."""
        return self._folder(name) / f"{name}.{EXTENSIONS[media_type]}"

    def _folder(self, name: str) -> Path:
        return self._root / name[:2] / name[2:4]

    def _write(self, data: bytes, media_type: str) -> str:
        name = sha256(data)
        path = self.path(name, media_type)
        if not path.exists():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                _replace(path, data)
            except OSError as error:
                raise HistoryUnavailable(
                    "The disk for pictures takes nothing more. Try again later."
                ) from error
        return name

    def _remove(self, names: tuple[str, ...]) -> None:
        for name in names:
            for path in self._folder(name).glob(f"{name}.*"):
                path.unlink(missing_ok=True)


def sha256(data: bytes) -> str:
    """The name of these bytes. Slow for many of them: call it in a thread."""
    return hashlib.sha256(data).hexdigest()


def thumbnail(data: bytes) -> bytes:
    """A small JPEG of an image file's bytes. Slow: call it in a thread."""
    with Image.open(io.BytesIO(data)) as image:
        small = image.convert("RGB")
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=80)
    return out.getvalue()


def _replace(path: Path, data: bytes) -> None:
    """Write aside, flush, rename, and flush the folder: after a power cut the file is whole or not there."""
    handle, aside = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(aside).replace(path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
