"""NovelAI's metadata: the texts `Description`, `Comment` (JSON) and `Source`, and their copy in the pixels.

The copy is in the lowest bits of the alpha channel, column by column: the word `stealth_pngcomp`, a length in
bits (32 bits, big-endian), and that much gzip of a JSON object of the same texts.
"""

import zlib
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from engine.images.recipe import Recipe, json_object, settings, text

MAGIC = b"stealth_pngcomp"
MAX_HIDDEN_BYTES = 1024 * 1024  # after unpacking
_GZIP = 16 + zlib.MAX_WBITS
_NAMES = {
    "steps": "Steps",
    "sampler": "Sampler",
    "noise_schedule": "Schedule type",
    "scale": "CFG scale",
    "seed": "Seed",
    "strength": "Denoising strength",
}


def parse(texts: Mapping[str, str]) -> Recipe | None:
    """What the texts say; None where they are not NovelAI's."""
    values = json_object(texts.get("Comment", ""))
    if "Description" not in texts or "sampler" not in values:
        return None
    known = settings(values, _NAMES)
    if isinstance(values.get("width"), int) and isinstance(values.get("height"), int):
        known["Size"] = f"{values['width']}x{values['height']}"
    if source := texts.get("Source"):
        known["Model"] = source
    return Recipe(
        made_with="NovelAI",
        prompt=texts["Description"],
        negative_prompt=text(values.get("uc")),
        settings=known,
    )


def hidden_texts(alpha: npt.NDArray[np.uint8]) -> dict[str, str]:
    """The texts in the lowest bits of an alpha channel [H, W]; empty where there are none."""
    columns = alpha.T
    head = np.packbits(_bits(columns, 8 * (len(MAGIC) + 4))).tobytes()
    if not head.startswith(MAGIC) or len(head) < len(MAGIC) + 4:
        return {}
    length = min(int.from_bytes(head[len(MAGIC) :]), 8 * MAX_HIDDEN_BYTES)
    packed = np.packbits(_bits(columns, 8 * len(head) + length)[8 * len(head) :]).tobytes()
    try:
        plain = zlib.decompressobj(_GZIP).decompress(packed, MAX_HIDDEN_BYTES)
    except zlib.error:
        return {}
    found = json_object(plain.decode(errors="replace"))
    return {str(key): value for key, value in found.items() if isinstance(value, str)}


def _bits(columns: npt.NDArray[np.uint8], count: int) -> npt.NDArray[np.uint8]:
    """The lowest bits of the first `count` pixels."""
    height = columns.shape[1]
    return columns[: -(-count // height)].reshape(-1)[:count] & np.uint8(1)
