"""Where the things of a scene stand. Positions are pixels from the middle of the picture, sizes the longer side."""

from dataclasses import dataclass

import numpy as np

Random = np.random.Generator

NORMAL, SMALL, BIG = 150, 84, 208  # one thing alone
PAIR, THREE = 104, 78  # each of so many side by side
JITTER = 8


@dataclass(frozen=True)
class Thing:
    """`what` is a kind of the scene by number, an emoji, or "branch". Where it `stands`, y is its lower edge."""

    what: int | str
    x: float
    y: float
    size: float
    mirrored: bool = False
    stands: bool = False


@dataclass(frozen=True)
class Layout:
    """A named arrangement; `kinds` are how many kinds it takes, `count` how many of one kind it shows."""

    name: str
    things: tuple[Thing, ...]
    kinds: int = 1
    count: int = 1


def layout_of(name: str, random: Random) -> Layout:
    """An arrangement by name, moved a little by chance."""
    dx, dy = random.integers(-JITTER, JITTER + 1, 2)
    scale = random.uniform(0.92, 1.08)
    if name in _ALONE:
        return Layout(name, (Thing(0, dx, dy, _ALONE[name] * scale),))
    if name == "count":
        count = int(random.integers(2, 6))
        return Layout(
            name, tuple(Thing(0, x + dx, y + dy, size * scale) for x, y, size in _GRIDS[count]), 1, count
        )
    kinds, things = _FIXED[name]
    moved = (Thing(t.what, t.x + dx, t.y + dy, t.size * scale, t.mirrored, t.stands) for t in things)
    return Layout(name, tuple(moved), kinds)


_ALONE = {"alone": NORMAL, "small": SMALL, "big": BIG}

_GRIDS: dict[int, list[tuple[float, float, float]]] = {
    2: [(-58, 0, PAIR), (58, 0, PAIR)],
    3: [(-76, 0, 74), (0, 0, 74), (76, 0, 74)],
    4: [(-56, -54, 92), (56, -54, 92), (-56, 54, 92), (56, 54, 92)],
    5: [(-78, -52, 72), (0, -52, 72), (78, -52, 72), (-40, 48, 72), (40, 48, 72)],
}

_FIXED: dict[str, tuple[int, tuple[Thing, ...]]] = {
    "and": (2, (Thing(0, -60, 0, PAIR), Thing(1, 60, 0, PAIR))),
    "left of": (2, (Thing(0, -60, 0, PAIR), Thing(1, 60, 0, PAIR))),
    "right of": (2, (Thing(0, 60, 0, PAIR), Thing(1, -60, 0, PAIR))),
    "above": (2, (Thing(0, 0, -58, PAIR), Thing(1, 0, 58, PAIR))),
    "below": (2, (Thing(0, 0, 58, PAIR), Thing(1, 0, -58, PAIR))),
    "in front of": (2, (Thing(1, 26, 46, 150, stands=True), Thing(0, -34, 104, 104, stands=True))),
    "three": (3, (Thing(0, -78, 0, THREE), Thing(1, 0, 0, THREE), Thing(2, 78, 0, THREE))),
    "with": (2, (Thing(0, -18, -6, 146), Thing(1, 66, 48, 84))),
    "hat": (1, (Thing(0, 0, 34, 140), Thing("🎩", 0, -22, 100, stands=True))),
    "branch": (1, (Thing("branch", 0, 66, 0), Thing(0, -16, 66, 124, stands=True))),
    "wings": (1, (Thing("🪽", -72, -10, 96, mirrored=True), Thing("🪽", 72, -10, 96), Thing(0, 0, 6, 116))),
    "dancers": (0, (Thing("💃", -52, 0, 150), Thing("🕺", 52, 0, 150))),
    "landscape": (0, ()),
}
