"""Uploaded files: kept in memory, served under URLs that are signed and expire, as Discord's CDN does.

https://discord.com/developers/docs/reference#signed-attachment-cdn-urls
"""

import asyncio
import hashlib
import hmac
import io
import mimetypes
import re
import secrets
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from PIL import Image

from bot.playground.clock import Clock
from bot.playground.state import Json

LIFETIME_S = 24 * 3600  # Discord's own number is not documented; real URLs of 2024 lived this long


@dataclass(frozen=True, kw_only=True)
class Upload:
    """One file as it was sent. `size` is (width, height) in pixels where it is a picture."""

    filename: str
    data: bytes
    content_type: str
    size: tuple[int, int] | None = None

    @classmethod
    async def read(cls, filename: str, data: bytes) -> "Upload":
        """Discord names files safely, goes by their extension for the type, and measures pictures."""
        safe = re.sub(r"[^\w.\-]", "_", filename) or "unknown"
        kind = mimetypes.guess_type(safe)[0] or "application/octet-stream"
        size = await asyncio.to_thread(_measure, data) if kind.startswith("image/") else None
        return cls(filename=safe, data=data, content_type=kind, size=size)


def _measure(data: bytes) -> tuple[int, int] | None:
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return picture.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None  # a broken picture is an ordinary file


class Cdn:
    """Holds the files of one run. `base` is known once the server listens."""

    def __init__(self, *, clock: Clock) -> None:
        self.base = ""
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._files: dict[str, Upload] = {}  # by path

    def store(self, id: str, channel_id: str, upload: Upload, *, ephemeral: bool) -> Json:
        """Keep the file; return its attachment object, with an unsigned URL."""
        path = f"/{'ephemeral-' * ephemeral}attachments/{channel_id}/{id}/{upload.filename}"
        self._files[path] = upload
        attachment: Json = {
            "id": id,
            "filename": upload.filename,
            "size": len(upload.data),
            "url": self.base + path,
            "proxy_url": self.base + path,
            "content_type": upload.content_type,
        }
        if upload.size:
            attachment |= {"width": upload.size[0], "height": upload.size[1]}
        if ephemeral:
            attachment["ephemeral"] = True
        return attachment

    def signed(self, shape: Any) -> Any:
        """A copy of any JSON in which every URL of a file held here is freshly signed."""
        if isinstance(shape, dict):
            return {key: self.signed(value) for key, value in shape.items()}
        if isinstance(shape, list):
            return [self.signed(value) for value in shape]
        return self._sign(shape) if isinstance(shape, str) else shape

    def unsigned(self, shape: Any) -> Any:
        """The reverse: bots send back the signed URLs that they were given."""
        if isinstance(shape, dict):
            return {key: self.unsigned(value) for key, value in shape.items()}
        if isinstance(shape, list):
            return [self.unsigned(value) for value in shape]
        return self._plain(shape) if isinstance(shape, str) else shape

    def _plain(self, text: str) -> str:
        bare = text.partition("?")[0]
        return bare if bare.removeprefix(self.base) in self._files else text

    def _sign(self, text: str) -> str:
        path = text.removeprefix(self.base)
        if path not in self._files:
            return text
        issued = int(self._clock.now())
        expires, since = f"{issued + LIFETIME_S:x}", f"{issued:x}"
        return f"{text}?ex={expires}&is={since}&hm={self._signature(path, expires, since)}&"

    def _signature(self, path: str, expires: str, since: str) -> str:
        return hmac.new(self._secret, f"{path}?{expires}&{since}".encode(), hashlib.sha256).hexdigest()

    async def serve(self, request: web.Request) -> web.Response:
        """The bytes; 404 where the file is unknown, the signature wrong or the time over."""
        expires, since = request.query.get("ex", ""), request.query.get("is", "")
        right = hmac.compare_digest(
            self._signature(request.path, expires, since).encode(),
            request.query.get("hm", "").encode(errors="replace"),
        )
        upload = self._files.get(request.path)
        if not upload or not right or int(expires, 16) < self._clock.now():
            return web.Response(status=404, text="This content is no longer available.")
        return web.Response(body=upload.data, content_type=upload.content_type)
