"""A veil over a picture: what is left of it are a few colours. Unlike a blur it cannot be undone."""

from PIL import Image

COLOURS = 8  # along the longer side


def veiled(picture: Image.Image) -> Image.Image:
    """The picture in its own size, made of at most COLOURS × COLOURS colours that run into each other."""
    scale = COLOURS / max(picture.size)
    few = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(few, Image.Resampling.BOX).resize(picture.size, Image.Resampling.BICUBIC)
