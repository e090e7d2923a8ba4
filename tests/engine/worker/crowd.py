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
    steps, weights = [each for each, _ in STEPS], [weight for _, weight in STEPS]
    mean = sum(step * weight for step, weight in STEPS) * curve(2)
    now, people = 0.0, []
    for number in range(count):
        now += dice.expovariate(load / mean)
        picture = Picture(owner=f"owner {number}", steps=dice.choices(steps, weights)[0])
        people.append(Person(picture.owner, now, [picture], alone=picture.steps * curve(2)))
    return people


def serve(people: Sequence[Person], curve: Curve, *, cap: int, in_flight: int) -> None:
    """The step loop: at most `in_flight` images at a time, first come first in, up to `cap` rows a tick."""
    now, work = 0.0, 0
    coming, here = sorted(people, key=lambda person: person.came), list[Person]()
    while coming or here:
        while coming and coming[0].came <= now and (not here or _images(here) < in_flight):
            for picture in coming[0].pictures:
                picture.joined = work
            here.append(coming.pop(0))
        if not here:
            now = coming[0].came
            continue
        tick = choose(in_turn([each for person in here for each in person.pictures if each.left]), cap)
        rows = sum(picture.rows for picture in tick)
        now, work = now + curve(rows), work + rows
        for picture in tick:
            picture.position += 1
        for person in [person for person in here if not any(picture.left for picture in person.pictures)]:
            person.done = now
            here.remove(person)


def serve_with_a_lock(people: Sequence[Person]) -> None:
    """One job after the other, as they came."""
    now = 0.0
    for person in sorted(people, key=lambda person: person.came):
        now = max(now, person.came) + person.alone * len(person.pictures)
        person.done = now


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]


def _images(here: Sequence[Person]) -> int:
    return sum(1 for person in here for picture in person.pictures if picture.left)
