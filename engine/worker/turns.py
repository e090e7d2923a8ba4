"""Whose turn it is: the order in which images in flight are offered the next tick. Pure: no torch.

Who needs the least is served first, since finishing a short job early costs a long one little: of all orders
that one has the shortest mean wait (Schrage 1968, "shortest remaining processing time"). Alone it would let long jobs
starve, so a part of all work done since an image came counts as if it had been done for it. What an owner's images
need is added up: four pictures of one person wait behind one picture of another, not the other way round.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol, TypeVar

AGEING = (
    0.5  # the share of the work done for others that counts: nobody waits for much longer than drawing takes
)


class Waiting(Protocol):
    @property
    def owner(self) -> str: ...

    @property
    def joined(self) -> int: ...

    @property
    def left(self) -> int: ...


Image = TypeVar("Image", bound=Waiting)


def in_turn(images: Sequence[Image]) -> list[Image]:
    """The images, the one whose turn it is first; among equals the one that came first.

    In rows × steps: `left` is what an image still needs, `joined` what the loop had done in all when it came. A
    newcomer begins at a higher number, which is all that ageing comes to: those who wait keep their order.
    """
    needs: Counter[str] = Counter()
    for image in images:
        needs[image.owner] += image.left
    return sorted(images, key=lambda image: needs[image.owner] + AGEING * image.joined)
