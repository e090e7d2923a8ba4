"""Emoji as pictures: the glyphs of Noto Color Emoji (SIL Open Font License), rasterised once."""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")  # Debian: fonts-noto-color-emoji
BITMAP_SIZE = 109  # the only size that this bitmap font has; a glyph is 136 × 128 pixels
CANVAS = (136, 128)


class FontMissing(Exception):
    """The emoji font is not there. `str()` says how to get it."""


class Glyphs:
    """Draws glyphs, each cut to what is visible, and remembers them."""

    def __init__(self, font: Path = FONT) -> None:
        """Raises FontMissing."""
        try:
            self._font = ImageFont.truetype(font, BITMAP_SIZE)
        except OSError:
            raise FontMissing(
                f"There is no font {font}. On Debian: apt install fonts-noto-color-emoji"
            ) from None
        self._drawn: dict[str, Image.Image] = {}

    def draw(self, glyph: str) -> Image.Image:
        """The glyph, RGBA, cut to its visible part."""
        if glyph not in self._drawn:
            image = Image.new("RGBA", CANVAS)
            ImageDraw.Draw(image).text((0, 0), glyph, font=self._font, embedded_color=True)
            self._drawn[glyph] = image.crop(image.getchannel("A").getbbox())
        return self._drawn[glyph]
