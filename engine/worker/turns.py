"""Whose turn it is: the order in which images in flight are offered the next tick. Pure: no torch.

Who needs the least is served first, since finishing a short job early costs a long one little: of all orders
that one has the shortest mean wait (Schrage 1968, "shortest remaining processing time"). Alone it would let long jobs
starve. So everybody has a weight, as in Smith's rule (Smith 1956: the least work for its weight goes first): the
square of the stretch, which is how long it will have taken at least over what it takes alone. Nobody is overtaken for
ever, and who wants little does not wait for long. What an owner's images need is added up: four pictures of one person
wait behind one picture of another, not the other way round.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol, TypeVar


class Waiting(Protocol):
    @property
    def owner(self) -> str: ...

    @property
    def joined(self) -> int: ...

    @property
    def needed(self) -> int: ...

    @property
    def left(self) -> int: ...


Image = TypeVar("Image", bound=Waiting)


def in_turn(images: Sequence[Image], work: int) -> list[Image]:
    """The images, the one whose turn it is first; among equals the one that came first.

    All in rows × steps: `work` is what has been done in all and `joined` what it was when the image came, which then
    `needed` so much and has so much `left`.
    """
    needed, left = Counter[str](), Counter[str]()
    for image in images:
        needed[image.owner] += image.needed
        left[image.owner] += image.left

    def rank(image: Image) -> float:
        still = left[image.owner]
        stretch = (work - image.joined + still) / needed[image.owner]
        return still / stretch**2

    return sorted(images, key=rank)
