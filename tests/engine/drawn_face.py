"""A face drawn from ellipses, which OpenCV's cascade takes for one."""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

PAPER = (120, 130, 140)
EYES = ((0.375, 0.435), (0.625, 0.435))  # of the face's square
_SHARPNESS = 4  # it is drawn so much larger


def draw_face(side: int, *, angle: float = 0.0) -> Image.Image:
    """A square of `side` pixels with one face, turned by `angle` degrees, counter-clockwise."""
    large = _SHARPNESS * side
    picture = Image.new("RGB", (large, large), PAPER)
    pen = ImageDraw.Draw(picture)

    def oval(x: float, y: float, across: float, down: float, colour: tuple[int, int, int]) -> None:
        box = (x - across, y - down, x + across, y + down)
        pen.ellipse([each * large for each in box], fill=colour)

    oval(0.5, 0.42, 0.36, 0.40, (50, 35, 30))  # hair
    oval(0.5, 0.50, 0.29, 0.38, (225, 180, 155))
    for x, y in EYES:
        oval(x, y - 0.005, 0.085, 0.055, (170, 120, 100))
        brow = [each * large for each in (x - 0.085, 0.355, x + 0.085, 0.385)]
        pen.rounded_rectangle(brow, large * 0.015, fill=(60, 40, 35))
        oval(x, y, 0.06, 0.03, (245, 245, 245))
        oval(x, y, 0.032, 0.032, (30, 25, 25))
    nose = [(0.5, 0.44), (0.45, 0.6), (0.55, 0.6)]
    pen.polygon([(x * large, y * large) for x, y in nose], fill=(240, 200, 175))
    oval(0.5, 0.61, 0.06, 0.02, (150, 100, 85))
    oval(0.5, 0.72, 0.11, 0.035, (150, 70, 70))
    oval(0.5, 0.72, 0.09, 0.008, (90, 40, 40))
    soft = picture.filter(ImageFilter.GaussianBlur(large * 0.008))
    turned = soft.rotate(angle, resample=Image.Resampling.BICUBIC, fillcolor=PAPER)
    return turned.resize((side, side), Image.Resampling.LANCZOS)


def portrait(
    size: tuple[int, int], *faces: tuple[int, tuple[int, int]], angle: float = 0.0
) -> npt.NDArray[np.uint8]:
    """Pixels of a picture of `size` (width, height) with faces: (side, upper left corner) each."""
    picture = Image.new("RGB", size, PAPER)
    for side, corner in faces:
        picture.paste(draw_face(side, angle=angle), corner)
    return np.asarray(picture)
