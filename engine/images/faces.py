"""Where faces are in a picture, cut out upright as face restorers were trained to see them, and put back.

Found by OpenCV's Haar cascades (Viola and Jones 2001; Lienhart and Maydt 2002), which come inside its wheel: nothing is
downloaded. OpenCV is imported when the first face is looked for. No torch. Blocking: call from a thread.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Point = tuple[float, float]
Box = tuple[int, int, int, int]  # left, top, width, height

SIDE = 512  # of what a restorer sees, in pixels
EYES: tuple[Point, Point] = (
    (193.0, 240.0),
    (319.0, 240.0),
)  # in it: FFHQ's alignment, as GFPGAN's own code has it
FEATHER = 64  # pixels of it over which what is restored fades into the picture

LONGEST = 1024  # pixels of the side in which faces are looked for: larger pictures are looked at smaller
SMALLEST = 24  # pixels of a face there: what the cascades were trained with
CONTRAST = (
    10  # levels of 256, the least deviation within a face: evened out, noise in flat places looks like one
)
LOOKED_AT = 240  # the width of a face while its eyes are looked for
FRONTAL, TILTED, PROFILE, EYE = "frontalface_alt2", "frontalface_default", "profileface", "eye"
AGREE = {
    FRONTAL: 4,
    TILTED: 4,
    PROFILE: 6,
}  # neighbouring windows that must: profiles are mistaken more often
SURE = {
    FRONTAL: 0.0,
    TILTED: 4.0,
    PROFILE: 0.0,
}  # of the last stage: the second sees more, and more that is none
IN_BOX: tuple[Point, Point] = (
    (0.3, 0.38),
    (0.7, 0.38),
)  # the eyes' places in a box, where they are not found
APART = (0.25, 0.6)  # of a box' width, between two eyes
MOST_TILT = 0.6  # of their distance, by which one may be higher: 31 degrees
SAME = 0.3  # of the smaller box, that two boxes of one face share


@dataclass(frozen=True)
class Face:
    """The eye on the left of the picture and the one on its right, in pixels of the picture."""

    left: Point
    right: Point

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """The similarity, [2, 3], from the picture to a square of SIDE pixels with the eyes at EYES."""
        found, wanted = complex(*self.right) - complex(*self.left), complex(*EYES[1]) - complex(*EYES[0])
        turn = wanted / found
        shift = complex(*EYES[0]) - turn * complex(*self.left)
        return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])

    def cut(self, pixels: Pixels) -> Pixels:
        """The face upright, [SIDE, SIDE, 3]; what lies beyond the picture mirrors it."""
        import cv2

        return _eight_bits(
            cv2.warpAffine(
                pixels, self.matrix, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
            )
        )

    def put_back(self, pixels: Pixels, restored: Pixels, strength: float) -> Pixels:
        """The picture with the restored square, [SIDE, SIDE, 3], over the face; `strength` in [0, 1] is how opaque.

        What is not under the square keeps every bit.
        """
        import cv2

        left, top, right, bottom = self._bounds(pixels.shape[1], pixels.shape[0])
        matrix = cv2.invertAffineTransform(self.matrix)
        matrix[:, 2] -= (left, top)
        size = (right - left, bottom - top)
        new = cv2.warpAffine(restored.astype(np.float32), matrix, size, flags=cv2.INTER_LINEAR)
        opaque = strength * cv2.warpAffine(_feathered(), matrix, size, flags=cv2.INTER_LINEAR)[..., None]
        result = pixels.copy()
        old = result[top:bottom, left:right]
        result[top:bottom, left:right] = np.rint(old + opaque * (new - old)).clip(0, 255)
        return result

    def _bounds(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of what the square covers, within a picture of this size."""
        import cv2

        corners = np.array([[[0, 0], [SIDE, 0], [0, SIDE], [SIDE, SIDE]]], np.float64)
        reached = cv2.transform(corners, cv2.invertAffineTransform(self.matrix))[0]
        left, top = np.floor(reached.min(axis=0)).astype(int).clip(0)
        right, bottom = np.ceil(reached.max(axis=0)).astype(int) + 1
        return int(left), int(top), min(int(right), width), min(int(bottom), height)


def find_faces(pixels: Pixels) -> list[Face]:
    """The faces in RGB pixels [H, W, 3], the largest first: from the front, and from the side where it can be told."""
    import cv2

    scale = min(1.0, LONGEST / max(pixels.shape[:2]))
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    even = _eight_bits(cv2.equalizeHist(grey))
    seen = [*_boxes(FRONTAL, even)[0], *_boxes(TILTED, even)[0], *_profiles(even)]
    boxes = _apart([box for box in seen if _contrast(grey, box) >= CONTRAST])
    found = [_face(even, box) for box in sorted(boxes, key=lambda box: -box[2])]
    return [Face(_scaled(face.left, 1 / scale), _scaled(face.right, 1 / scale)) for face in found]


def _boxes(name: str, *pictures: Pixels) -> list[list[Box]]:
    """What a cascade finds in each of the pictures."""
    cascade, least = _cascade(name), (SMALLEST, SMALLEST)
    found = []
    for picture in pictures:
        boxes, _, sure = cascade.detectMultiScale3(
            picture, scaleFactor=1.1, minNeighbors=AGREE[name], minSize=least, outputRejectLevels=True
        )
        found.append(
            [_box(box) for box, each in zip(boxes, np.ravel(sure), strict=True) if each >= SURE[name]]
        )
    return found


def _contrast(grey: Any, box: Box) -> float:
    left, top, width, height = box
    return float(grey[top : top + height, left : left + width].std())


def _profiles(grey: Pixels) -> list[Box]:
    """Also those that look the other way: the cascade knows one."""
    mirrored = np.ascontiguousarray(grey[:, ::-1])
    there, back = _boxes(PROFILE, grey, mirrored)
    return [
        *there,
        *((grey.shape[1] - left - width, top, width, height) for left, top, width, height in back),
    ]


def _apart(boxes: Sequence[Box]) -> list[Box]:
    """Each face once; of two boxes that are one face the earlier stays."""
    kept: list[Box] = []
    for box in boxes:
        if all(_shared(box, other) < SAME for other in kept):
            kept.append(box)
    return kept


def _shared(one: Box, other: Box) -> float:
    """Which part of the smaller box lies in the larger."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    return max(width, 0) * max(height, 0) / min(one[2] * one[3], other[2] * other[3])


def _face(grey: Pixels, box: Box) -> Face:
    left, top, width, height = box
    for one, other in _pairs(_eyes(grey, box), width):
        return Face(one, other)
    one, other = ((left + x * width, top + y * height) for x, y in IN_BOX)
    return Face(one, other)


def _eyes(grey: Pixels, box: Box) -> list[Point]:
    """The middles of what may be eyes in the upper part of a face, the surest first."""
    import cv2

    left, top, width, height = box
    part = grey[top : top + round(0.6 * height), left : left + width]
    scale = LOOKED_AT / width
    larger = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    least = round(0.12 * LOOKED_AT)
    found, _, sure = _cascade(EYE).detectMultiScale3(
        larger, scaleFactor=1.05, minNeighbors=4, minSize=(least, least), outputRejectLevels=True
    )
    ordered = [_box(found[number]) for number in np.argsort(-np.ravel(sure), kind="stable")]
    return [(left + (x + w / 2) / scale, top + (y + h / 2) / scale) for x, y, w, h in ordered]


def _pairs(eyes: Sequence[Point], width: int) -> Iterator[tuple[Point, Point]]:
    """Two eyes that may belong to one face, the one on the left first."""
    for last, other in enumerate(eyes):
        for one in eyes[:last]:
            left, right = sorted((one, other))
            across, tilt = right[0] - left[0], abs(right[1] - left[1])
            if APART[0] * width <= across <= APART[1] * width and tilt <= MOST_TILT * across:
                yield left, right


def _cascade(name: str) -> Any:
    import cv2
    from cv2 import data

    return cv2.CascadeClassifier(str(Path(data.haarcascades) / f"haarcascade_{name}.xml"))


def _feathered() -> npt.NDArray[np.float32]:
    """Weights [SIDE, SIDE]: 0 at the edges, rising smoothly to 1."""
    from_edge = np.minimum(np.arange(SIDE), np.arange(SIDE)[::-1])
    share = (from_edge / FEATHER).clip(0, 1)
    ramp = share * share * (3 - 2 * share)
    return np.outer(ramp, ramp).astype(np.float32)


def _scaled(point: Point, scale: float) -> Point:
    return point[0] * scale, point[1] * scale


def _box(found: Sequence[int]) -> Box:
    left, top, width, height = (int(each) for each in found)
    return left, top, width, height


def _eight_bits(pixels: Any) -> Pixels:
    result: Pixels = pixels
    return result
