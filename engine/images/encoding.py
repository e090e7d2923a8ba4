"""From pixels to the bytes of a file, with its texts where readers of each format look for them.

PNG: text chunks `parameters` (infotext) and `darkroom` (our record). JPEG and WebP: the infotext in the Exif
UserComment as A1111 writes it, the record in the XMP packet. All three carry the packet.
"""

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from engine.images import record, xmp
from engine.images.record import Record
from engine.wire import Format

QUALITY = 95  # of JPEG and WebP: nobody sees the difference, and the watermark stays
SEGMENT = 65_000  # bytes of Exif or XMP in a JPEG file: 64 KiB less their headers
EXIF_IFD, USER_COMMENT = 0x8769, 0x9286
UNICODE = b"UNICODE\0"  # the Exif name of UTF-16, which A1111 writes big-endian
XMP_KEYWORD = "XML:com.adobe.xmp"


def encode(pixels: npt.NDArray[np.uint8], infotext: str, about: Record) -> bytes:
    """The file of RGB pixels [H, W, 3] in the format that was asked for."""
    stream = io.BytesIO()
    kind = about.request.format
    options = _png(infotext, about) if kind is Format.PNG else _lossy(infotext, about)
    if kind is Format.JPEG:
        options["subsampling"] = "4:4:4"  # half the colours would be half the watermark
    Image.fromarray(pixels).save(stream, kind.upper(), **options)
    return stream.getvalue()


def write(path: Path, content: bytes) -> tuple[str, int]:
    """Write a file, aside first; returns its SHA-256 (hex) and its size in bytes. Raises OSError."""
    aside = path.with_suffix(".part")
    with aside.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(path)
    return hashlib.sha256(content).hexdigest(), len(content)


def _png(infotext: str, about: Record) -> dict[str, Any]:
    """Chunks are tEXt for Latin-1 and iTXt otherwise, as A1111 writes them."""
    info = PngInfo()
    info.add_text("parameters", infotext)
    info.add_text(record.CHUNK, about.to_json())
    info.add_itxt(XMP_KEYWORD, xmp.packet(_tool(about)))
    return {"pnginfo": info}


def _lossy(infotext: str, about: Record) -> dict[str, Any]:
    """What is too long for a segment of a JPEG file is left out: a picture without its texts is still a picture."""
    packet = xmp.packet(_tool(about), about.to_json(ascii_only=False)).encode()
    if len(packet) > SEGMENT:
        packet = xmp.packet(_tool(about)).encode()
    comment = UNICODE + infotext.encode("utf-16-be")
    exif = Image.Exif()
    if len(comment) <= SEGMENT:
        exif.get_ifd(EXIF_IFD)[USER_COMMENT] = comment
    return {"quality": QUALITY, "exif": exif, "xmp": packet}


def _tool(about: Record) -> str:
    return f"Darkroom {about.version}"
