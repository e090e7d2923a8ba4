"""Which images share the next forward pass, and how many rows it may hold. Pure: no torch.

The cap is measured, not assumed: on a large GPU eight rows cost little more than two, on a CPU
they cost four times as much (docs/decisions/0003). Where more rows do not pay, the cap stays at
the two rows of one guided image, and images are drawn in the order in which they came.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

BUCKETS = (2, 4, 8, 16)  # rows; one guided image is two
WORTH_IT = 0.93  # a larger bucket must cost at most this much of the smaller one's time per row
SAMPLES = 2  # timings of a bucket before it is believed, after one that warms up
SMOOTHING = 0.3


class Row(Protocol):
    @property
    def key(self) -> Hashable: ...

    @property
    def rows(self) -> int: ...


Image = TypeVar("Image", bound=Row)


def choose(images: Sequence[Image], cap: int) -> list[Image]:
    """The images of the next tick: those that can share a pass with the oldest, oldest first, up to `cap` rows.

    The oldest is always among them, whatever the cap, so nobody waits for ever.
    """
    if not images:
        return []
    chosen, room = [images[0]], cap - images[0].rows
    for image in images[1:]:
        if image.key == images[0].key and image.rows <= room:
            chosen.append(image)
            room -= image.rows
    return chosen


@dataclass
class _Timing:
    """Seconds a tick of one bucket takes: an exponential average, believed after a few samples."""

    seconds: float = 0.0
    samples: int = -1  # the first tick of a size also pays for kernels and memory: not counted

    def add(self, seconds: float) -> None:
        self.samples += 1
        if self.samples == 1:
            self.seconds = seconds
        elif self.samples > 1:
            self.seconds += SMOOTHING * (seconds - self.seconds)

    @property
    def known(self) -> bool:
        return self.samples >= SAMPLES


@dataclass
class RowCap:
    """How many rows a tick may hold, for each key (latent size and conditioning). Refined by every tick.

    It starts at one guided image and tries the next larger bucket once the smaller one is timed;
    it stays there if the time per row falls enough. `fixed` > 0 switches measuring off.
    """

    fixed: int = 0
    limit: int = BUCKETS[-1]
    _timings: dict[tuple[Hashable, int], _Timing] = field(default_factory=dict)

    def rows(self, key: Hashable) -> int:
        """The cap for images of this key."""
        if self.fixed:
            return self.fixed
        cap = BUCKETS[0]
        for larger in BUCKETS[1:]:
            if larger > self.limit or not self._timing(key, cap).known:
                break
            if self._timing(key, larger).known and not self._pays(key, cap, larger):
                break
            cap = larger
        return cap

    def record(self, key: Hashable, rows: int, seconds: float) -> None:
        """A tick of `rows` rows took so long. Sizes between the buckets are not compared."""
        if rows in BUCKETS:
            self._timing(key, rows).add(seconds)

    def shrink(self, rows: int) -> None:
        """A tick of `rows` rows did not fit into memory: never try so many again."""
        self.limit = max(BUCKETS[0], rows // 2)

    def _timing(self, key: Hashable, rows: int) -> _Timing:
        return self._timings.setdefault((key, rows), _Timing())

    def _pays(self, key: Hashable, smaller: int, larger: int) -> bool:
        before, after = (
            self._timing(key, smaller).seconds / smaller,
            self._timing(key, larger).seconds / larger,
        )
        return after <= WORTH_IT * before
