"""A picture of which a part is drawn anew: what the network is given of it, and how the result goes back.

The result has the picture's own size, and every pixel that was not to be drawn anew is the picture's own, to the
last bit: it never went through the autoencoder. Blocking: call from a thread.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageFilter

from engine.wire import Fill, GenerationRequest, Margins

Box = tuple[int, int, int, int]
Pixels = npt.NDArray[np.uint8]

# A1111's `masking.fill`: radii in pixels, and how often each blurred layer is laid over the ones before
_FILL_LAYERS = ((256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1))


@dataclass(frozen=True)
class Canvas:
    """`picture` (RGB) and `mask` (L, 0 or 255: white is drawn anew) are of one size, of which `box` is drawn.

    `blur`, in pixels, is the deviation of the Gaussian that softens the mask where the result goes back.
    """

    picture: Image.Image
    mask: Image.Image
    box: Box
    blur: int = 0

    @classmethod
    def of(cls, request: GenerationRequest, picture: Image.Image, mask: Image.Image | None) -> "Canvas":
        """The canvas of a valid inpaint request, which has a mask, or of an outpaint request."""
        if request.extend is not None:
            picture, mask = extended(picture, request.extend)
        if mask is None:
            raise ValueError("inpaint without a mask")
        box = (0, 0, *picture.size)
        if request.only_masked:
            box = masked_box(mask, (request.width, request.height), request.padding)
        return cls(picture.convert("RGB"), mask, box, request.mask_blur)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of what comes out."""
        return self.picture.size

    def piece(self, size: tuple[int, int], fill: Fill) -> tuple[Image.Image, Image.Image, Image.Image]:
        """What is drawn, scaled to `size` (width, height): the picture, the same to start from, and the mask.

        With any `fill` but the original the masked part to start from has the colours around it, as in A1111.
        """
        picture, mask = (_scaled(image.crop(self.box), size) for image in (self.picture, self.mask))
        mask = _sharp(mask)
        return picture, picture if fill is Fill.ORIGINAL else filled(picture, mask), mask

    def finished(self, drawn: Pixels) -> Pixels:
        """The whole picture, [H, W, 3], with what was drawn for `box`, [h, w, 3] of any size, in its place."""
        left, top, right, bottom = self.box
        new = self.picture.copy()
        new.paste(_scaled(Image.fromarray(drawn), (right - left, bottom - top)), (left, top))
        return np.asarray(Image.composite(new, self.picture, self._alpha))

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        """[H, W]: the pixels that are the picture's own. Those farther than 3 × `blur` from the mask are."""
        kept: npt.NDArray[np.bool_] = np.asarray(self._alpha) == 0
        return kept

    @cached_property
    def _alpha(self) -> Image.Image:
        """How much of each pixel is new, L. Nothing outside of the box is."""
        inside = Image.new("L", self.picture.size, 0)
        inside.paste(255, self.box)
        return ImageChops.multiply(self.mask.filter(ImageFilter.GaussianBlur(self.blur)), inside)


def extended(picture: Image.Image, margins: Margins) -> tuple[Image.Image, Image.Image]:
    """The picture with margins in the colours of its edge, and their mask, L."""
    sides = ((margins.up, margins.down), (margins.left, margins.right))
    canvas = np.pad(np.asarray(picture.convert("RGB")), (*sides, (0, 0)), mode="edge")
    mask = Image.new("L", (canvas.shape[1], canvas.shape[0]), 255)
    mask.paste(0, (margins.left, margins.up, margins.left + picture.width, margins.up + picture.height))
    return Image.fromarray(canvas), mask


def masked_box(mask: Image.Image, size: tuple[int, int], padding: int) -> Box:
    """The masked part with `padding` pixels around it, grown to the shape of `size` as far as the picture goes.

    As A1111's `get_crop_region` and `expand_crop_region`. Raises ValueError for a mask without white.
    """
    bounds = mask.getbbox()
    if bounds is None:
        raise ValueError("a mask without white")
    left, right = max(bounds[0] - padding, 0), min(bounds[2] + padding, mask.width)
    top, bottom = max(bounds[1] - padding, 0), min(bounds[3] + padding, mask.height)
    shape = size[0] / size[1]
    left, right = _grown(left, right, round((bottom - top) * shape), mask.width)
    top, bottom = _grown(top, bottom, round((right - left) / shape), mask.height)
    return left, top, right, bottom


def _grown(begin: int, end: int, length: int, limit: int) -> tuple[int, int]:
    """A span made at least `length` long around its middle, moved and cut to stay within 0 and `limit`."""
    more = max(0, length - (end - begin))
    begin = min(max(begin - more // 2, 0), max(limit - (end - begin) - more, 0))
    return begin, min(max(end, begin + length), limit)


def filled(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """The picture with its masked part in the colours around it, blurred: A1111's `masking.fill`."""
    result = Image.new("RGBA", picture.size)
    known = Image.new("RGBa", picture.size)
    known.paste(picture.convert("RGBA").convert("RGBa"), mask=ImageChops.invert(mask))
    for radius, times in _FILL_LAYERS:
        blurred = known.filter(ImageFilter.GaussianBlur(radius)).convert("RGBA")
        for _ in range(times):
            result.alpha_composite(blurred)
    return result.convert("RGB")


def _sharp(mask: Image.Image) -> Image.Image:
    """Black and white again; a mask so thin that scaling it left only greys keeps all of them."""
    white = mask.point(lambda value: 255 if value >= 128 else 0)
    return white if white.getbbox() else mask.point(lambda value: 255 if value else 0)


def _scaled(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)
