"""The gateway's transport compression: one stream for a whole connection, flushed after every payload.

https://discord.com/developers/docs/events/gateway#transport-compression
"""

import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any

Compress = Callable[[bytes], bytes]


def compressor(name: str | None) -> Compress | None:
    """The stream that the client asked for by `?compress=`; None: plain text frames, which every client takes."""
    if name == "zlib-stream":
        stream = zlib.compressobj()
        return lambda raw: stream.compress(raw) + stream.flush(zlib.Z_SYNC_FLUSH)
    return _zstd() if name == "zstd-stream" else None


def _zstd() -> Compress | None:
    """Clients ask for zstd where the `zstandard` package is installed; it is no dependency of ours."""
    try:
        zstandard: Any = import_module("zstandard")
    except ImportError:
        return None
    frame = zstandard.ZstdCompressor().compressobj()
    return lambda raw: bytes(frame.compress(raw) + frame.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
