"""A stranger's picture: its pixels, and the texts that its file carries. Hostile until proven otherwise.

PNG text chunks, the Exif UserComment of JPEG and WebP as A1111 and its like write it, the Exif fields in which
ComfyUI keeps its graph, and the XMP packet. Damaged metadata is no metadata; a damaged picture is
`Unreadable`, and nothing else is raised. Blocking: call from a thread.
"""

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from engine.errors import EngineError
from engine.images.encoding import EXIF_IFD, USER_COMMENT
from engine.wire import INPUT_FORMATS, MAX_INPUT_PIXELS

MAX_BYTES = 64 * 1024 * 1024
MAX_TEXT_CHARS = 1024 * 1024  # of one text; longer ones are left out
MAX_TEXTS = 64
_DESCRIPTION, _MAKE, _MODEL = 0x010E, 0x010F, 0x0110  # where ComfyUI writes `workflow:{…}` and `prompt:{…}`


class Unreadable(EngineError):
    """The file is no picture that we can read. `str()` is a sentence for a person."""

    exit_code = os.EX_DATAERR


@dataclass(frozen=True, repr=False)
class Picture:
    """`pixels` are RGB [H, W, 3], `alpha` [H, W] where the file has one, both as stored: not turned upright."""

    format: str
    pixels: npt.NDArray[np.uint8]
    alpha: npt.NDArray[np.uint8] | None
    texts: Mapping[str, str]
    xmp: str

    @property
    def media_type(self) -> str:
        return f"image/{self.format.lower()}"


def read_picture(data: bytes) -> Picture:
    """The picture in a file's bytes. Raises Unreadable."""
    if len(data) > MAX_BYTES:
        raise Unreadable(
            f"The file must have at most {MAX_BYTES // 2**20} MiB; it has {len(data) >> 20} MiB."
        )
    image = _open(data)
    _check(image)
    try:
        image.load()  # PNG texts may come after the pixels
        pixels = np.asarray(image.convert("RGB"))
        alpha = np.asarray(image.getchannel("A")) if "A" in image.getbands() else None
    except Exception:  # Pillow raises OSError, SyntaxError, ValueError, struct.error and more
        raise Unreadable("The picture is damaged or cut off.") from None
    return Picture(_format(image), pixels, alpha, _texts(image), _xmp(image))


def _open(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=INPUT_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large("more") from None
    except Exception:
        raise Unreadable("The file is not a readable PNG, JPEG or WebP.") from None


def _check(image: Image.Image) -> None:
    if image.width * image.height > MAX_INPUT_PIXELS:
        raise _too_large(f"{image.width} × {image.height}")
    if _format(image) != "JPEG" and getattr(image, "n_frames", 1) != 1:
        raise Unreadable("The picture is animated; only single pictures can be read.")


def _format(image: Image.Image) -> str:
    """MPO is what Pillow calls a JPEG with a second picture behind it, as phones take them."""
    return "JPEG" if image.format == "MPO" else str(image.format)


def _too_large(was: str) -> Unreadable:
    return Unreadable(f"The picture must have at most {MAX_INPUT_PIXELS >> 20} megapixels; it has {was}.")


def _texts(image: Image.Image) -> dict[str, str]:
    chunks = getattr(image, "text", {})
    texts = {**_exif_texts(image), **{key: str(value) for key, value in chunks.items()}}
    return {key: text for key, text in list(texts.items())[:MAX_TEXTS] if len(text) <= MAX_TEXT_CHARS}


def _exif_texts(image: Image.Image) -> dict[str, str]:
    try:
        exif = image.getexif()
        comment = exif.get_ifd(EXIF_IFD).get(USER_COMMENT)
        fields = [exif.get(tag) for tag in (_DESCRIPTION, _MAKE, _MODEL)]
    except Exception:  # damaged Exif in a picture that is whole
        return {}
    texts = {"parameters": comment_text(comment)} if isinstance(comment, bytes) else {}
    for field in fields:
        name, separator, value = field.partition(":") if isinstance(field, str) else ("", "", "")
        if separator and name.lower() in {"prompt", "workflow"}:
            texts[name.lower()] = value
    return texts


def comment_text(comment: bytes) -> str:
    """An Exif UserComment: eight bytes that name the encoding, then the text (Exif 2.32, section 4.6.5).

    `UNICODE` is UTF-16 without saying in which order. A1111 (piexif) writes big-endian, some others little:
    in most texts the order shows by where the zeros are.
    """
    code, data = comment[:8], comment[8:]
    if not code.startswith(b"UNICODE"):
        return data.decode("utf-8", errors="replace").rstrip("\0")
    little = data.startswith(b"\xff\xfe") or data[1::2].count(0) > data[::2].count(0)
    return data.decode("utf-16-le" if little else "utf-16-be", errors="replace").lstrip("\ufeff")


def _xmp(image: Image.Image) -> str:
    packet: Any = image.info.get("xmp", b"")
    text = packet.decode(errors="replace") if isinstance(packet, bytes) else ""
    return text if len(text) <= MAX_TEXT_CHARS else ""
