"""A crowd before one device, simulated: jobs come, ticks pass, and the latencies are counted. No torch, no clock.

A tick costs what the device's curve says for its rows. The same arrivals can be served by the step loop's own
policy, or one after the other as a lock around a pipeline does.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from engine.worker.batching import choose
from engine.worker.turns import in_turn

STEPS = ((8, 0.1), (20, 0.35), (30, 0.4), (50, 0.15))  # how often jobs of so many steps come
Curve = Callable[[int], float]  # rows to seconds


@dataclass(eq=False)
class Picture:
    owner: str
    steps: int
    rows: int = 2
    key: str = "512x512"
    joined: int = 0
    position: int = 0

    @property
    def needed(self) -> int:
        return self.rows * self.steps

    @property
    def left(self) -> int:
        return self.rows * (self.steps - self.position)


@dataclass(eq=False)
class Person:
    """A job: who asked, when, and for how many pictures. `alone` is how long it takes with nobody else there."""

    name: str
    came: float
    pictures: list[Picture]
    alone: float = 0.0
    done: float = field(default=-1.0)

    @property
    def latency(self) -> float:
        return self.done - self.came

    @property
    def stretch(self) -> float:
        return self.latency / self.alone


def crowd(curve: Curve, *, count: int, load: float, seed: int = 1) -> list[Person]:
    """Poisson arrivals at `load` times what the device can do one job at a time, one owner each."""
    dice = random.Random(seed)
    mean = sum(step * weight for step, weight in STEPS) * curve(2)
    now, people = 0.0, []
    for number in range(count):
        now += dice.expovariate(load / mean)
        people.append(_person(f"owner {number}", now, dice, curve))
    return people


def serve(people: Sequence[Person], curve: Curve, *, cap: int, in_flight: int) -> None:
    """The step loop: at most `in_flight` images at a time, first come first in, up to `cap` rows a tick."""
    coming = sorted(people, key=lambda person: person.came)
    _Device(curve, cap).serve(coming, in_flight=in_flight)


def serve_who_never_pause(
    curve: Curve, *, cap: int, people: int, count: int, lock: bool = False, seed: int = 1
) -> list[Person]:
    """A closed loop: people ask again as soon as they have their picture, until `count` were asked for in all."""
    dice = random.Random(seed)
    asked = [_person(f"person {number}", 0.0, dice, curve) for number in range(people)]

    def again(served: Person) -> Person | None:
        if len(asked) == count:
            return None
        asked.append(_person(served.name, served.done, dice, curve))
        return asked[-1]

    _Device(curve, cap).serve([*asked], in_flight=1 if lock else people, again=again)
    return asked


def serve_with_a_lock(people: Sequence[Person]) -> None:
    """One job after the other, as they came."""
    now = 0.0
    for person in sorted(people, key=lambda person: person.came):
        now = max(now, person.came) + person.alone * len(person.pictures)
        person.done = now


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]


def _nobody(_: Person) -> None:
    return None


@dataclass
class _Device:
    curve: Curve
    cap: int
    now: float = 0.0
    work: int = 0

    def serve(
        self, coming: list[Person], *, in_flight: int, again: Callable[[Person], Person | None] = _nobody
    ) -> None:
        """`coming` in the order in which they come; `again` is who comes when one is done."""
        here: list[Person] = []
        while coming or here:
            while coming and coming[0].came <= self.now and (not here or _images(here) < in_flight):
                here.append(self._let_in(coming.pop(0)))
            if not here:
                self.now = coming[0].came
                continue
            self._tick([picture for person in here for picture in person.pictures if picture.left])
            for person in [each for each in here if not any(picture.left for picture in each.pictures)]:
                person.done = self.now
                here.remove(person)
                if (following := again(person)) is not None:
                    coming.append(following)

    def _let_in(self, person: Person) -> Person:
        for picture in person.pictures:
            picture.joined = self.work
        return person

    def _tick(self, images: list[Picture]) -> None:
        tick = choose(in_turn(images, self.work), self.cap)
        rows = sum(picture.rows for picture in tick)
        self.now, self.work = self.now + self.curve(rows), self.work + rows
        for picture in tick:
            picture.position += 1


def _person(name: str, came: float, dice: random.Random, curve: Curve) -> Person:
    steps, weights = [each for each, _ in STEPS], [weight for _, weight in STEPS]
    picture = Picture(owner=name, steps=dice.choices(steps, weights)[0])
    return Person(name, came, [picture], alone=picture.steps * curve(2))


def _images(here: Sequence[Person]) -> int:
    return sum(1 for person in here for picture in person.pictures if picture.left)
