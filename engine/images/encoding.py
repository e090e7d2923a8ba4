"""From pixels to a PNG file with its infotext in the `parameters` chunk."""

import hashlib
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.PngImagePlugin import PngInfo


def write_png(path: Path, pixels: npt.NDArray[np.uint8], text: str) -> tuple[str, int]:
    """Write pixels [H, W, 3] to `path`, aside first; returns the file's SHA-256 (hex) and its size in bytes.

    The chunk is tEXt for Latin-1 and iTXt otherwise, as A1111 writes it.
    """
    info = PngInfo()
    info.add_text("parameters", text)
    aside = path.with_suffix(".part")
    with aside.open("wb") as stream:
        Image.fromarray(pixels).save(stream, "PNG", pnginfo=info)
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(path)
    written = path.read_bytes()
    return hashlib.sha256(written).hexdigest(), len(written)
