"""Making a picture small enough to upload: the same picture as WebP, then smaller."""

import io
from pathlib import Path

from PIL import Image

# (scale, WebP quality), from what nobody sees to what still shows the picture.
_STEPS = ((1, 95), (1, 90), (1, 80), (1, 65), (0.75, 80), (0.5, 80), (0.5, 50), (0.25, 50))
_EXIF_IFD, _USER_COMMENT = 0x8769, 0x9286


def fit(path: Path, limit: int, infotext: str) -> bytes:
    """A WebP of at most `limit` bytes; where not even the last step is that small, the smallest there is.

    PNG text does not survive the change of format, so `infotext` goes where A1111 puts it in other formats:
    the Exif UserComment. The XMP packet, which says that an algorithm made the picture, comes along; the
    signature cannot, since these are other bytes. Slow: call it in a thread.
    """
    with Image.open(path) as image:
        pixels = image.convert("RGB")
        xmp = image.info.get("xmp", b"")
    exif = Image.Exif()
    exif.get_ifd(_EXIF_IFD)[_USER_COMMENT] = b"UNICODE\0" + infotext.encode("utf-16-be")
    data = b""
    for scale, quality in _STEPS:
        size = (max(1, round(pixels.width * scale)), max(1, round(pixels.height * scale)))
        out = io.BytesIO()
        pixels.resize(size, Image.Resampling.LANCZOS).save(
            out, "WEBP", quality=quality, method=4, exif=exif, xmp=xmp
        )
        data = out.getvalue()
        if len(data) <= limit:
            break
    return data
