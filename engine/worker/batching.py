"""Which images share the next forward pass, and how many rows it may hold. Pure: no torch.

The cap is measured, not assumed: on a large GPU eight rows cost little more than two, on a small
one they cost four times as much (docs/decisions/0003). Where more rows do not pay, the cap stays at
the two rows of one guided image, and images are drawn one after the other.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

BUCKETS = (2, 4, 8, 16)  # rows; one guided image is two
ROWS = (1, *BUCKETS)  # what passes are told apart by: one is a picture without guidance, alone
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
    """The images of the next tick: those that can share a pass with the first, in their order, up to `cap` rows.

    The first is always among them, whatever the cap.
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
class Timing:
    """Seconds per row in ticks of one bucket: an exponential average, believed after a few samples.

    The first tick that a process makes of a size also pays for kernels and memory: it is not counted, whatever an
    earlier process has measured.
    """

    per_row: float = 0.0
    samples: int = 0
    warm: bool = False

    def add(self, per_row: float) -> None:
        if not self.warm:
            self.warm = True
            return
        self.samples += 1
        if self.samples == 1:
            self.per_row = per_row
        else:
            self.per_row += SMOOTHING * (per_row - self.per_row)

    @property
    def known(self) -> bool:
        return self.samples >= SAMPLES


@dataclass
class RowCap:
    """How many rows a tick of one model may hold, for each key (latent size and conditioning), from measured ticks.

    It starts at one guided image and tries the next larger bucket once the smaller one is timed; it stays
    there if the time per row falls enough. `fixed` > 0 switches measuring off. `timings` are by the key's `repr`
    and the bucket: what was measured before.
    """

    fixed: int = 0
    timings: dict[tuple[str, int], Timing] = field(default_factory=dict)
    _limits: dict[Hashable, int] = field(default_factory=dict)  # after a tick that did not fit into memory

    def rows(self, key: Hashable) -> int:
        """The cap for images of this key."""
        return min(self.fixed or self._climb(key), self._limit(key))

    def unknown(self, key: Hashable) -> int | None:
        """The number of rows to measure next for this key; None where nothing is left to measure."""
        if self.fixed or self._limit(key) < BUCKETS[0]:
            return None
        cap = self.rows(key)
        larger = next((bucket for bucket in BUCKETS if cap < bucket <= self._limit(key)), cap)
        return next((rows for rows in (cap, larger) if not self._timing(key, rows).known), None)

    def record(self, key: Hashable, rows: int, seconds: float) -> None:
        """A tick of `rows` rows took so long. A size between two buckets counts for the larger.

        A lone picture may have more rows than the cap: that says nothing of the bucket in which they would fall. One
        row, which costs nearly as much as two, says nothing of theirs.
        """
        if rows > self.rows(key):
            return
        bucket = next((bucket for bucket in ROWS if bucket >= rows), ROWS[-1])
        self._timing(key, bucket).add(seconds / rows)

    def estimate(self, key: Hashable, rows: int) -> float:
        """About how many seconds a tick takes at most: what the rows cost in the largest smaller one that is known."""
        known = (self._timing(key, bucket) for bucket in reversed(ROWS) if bucket <= rows)
        return next((timing.per_row for timing in known if timing.known), 0.0) * rows

    def hold(self, key: Hashable, rows: int) -> None:
        """More than `rows` rows do not fit into memory, as far as can be told: for this key never try so many."""
        self._limits[key] = max(1, min(rows, self._limits.get(key, rows)))

    def shrink(self, key: Hashable, rows: int) -> None:
        """A tick of `rows` rows did not fit into memory, or failed: for this key never try so many again.

        Down to one row: the rows of a single picture then run one after another.
        """
        self.hold(key, rows // 2)

    def release(self, key: Hashable) -> None:
        """There is more memory now, in some other way: find the limit anew."""
        self._limits.pop(key, None)

    def most(self, key: Hashable) -> int | None:
        """Rows of one forward pass that memory allows, as far as is known; None: no limit was met."""
        return self._limits.get(key)

    def _climb(self, key: Hashable) -> int:
        cap = BUCKETS[0]
        for larger in BUCKETS[1:]:
            if not self._timing(key, cap).known or larger > self._limit(key):
                break
            if self._timing(key, larger).known and not self._pays(key, cap, larger):
                break
            cap = larger
        return cap

    def _limit(self, key: Hashable) -> int:
        return self._limits.get(key, self.fixed or BUCKETS[-1])

    def _timing(self, key: Hashable, bucket: int) -> Timing:
        return self.timings.setdefault((repr(key), bucket), Timing())

    def _pays(self, key: Hashable, smaller: int, larger: int) -> bool:
        return self._timing(key, larger).per_row <= WORTH_IT * self._timing(key, smaller).per_row
