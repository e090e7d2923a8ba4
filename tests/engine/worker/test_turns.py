"""Whose turn it is, seen over whole crowds: nobody starves, and nobody pays for another's four pictures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.worker.turns import in_turn
from tests.engine.worker.crowd import (
    Curve,
    Person,
    Picture,
    crowd,
    percentile,
    serve,
    serve_who_never_pause,
    serve_with_a_lock,
)

H200 = {
    2: 1.0,
    4: 1.1,
    6: 1.11,
    8: 1.44,
    10: 1.8,
    12: 2.0,
    14: 2.3,
    16: 2.55,
}  # 512 × 512: 3.1 times at eight


def steep(rows: int) -> float:
    """A device on which more rows cost as much more: a CPU, or a small card."""
    return rows / 2


def flat(rows: int) -> float:
    """A device that is nearly idle with one image."""
    return H200[rows + rows % 2]


def names(images: list[Picture]) -> list[str]:
    return [image.owner for image in images]


def test_who_needs_the_least_is_served_first() -> None:
    assert names(in_turn([Picture("long", steps=50), Picture("short", steps=8)], work=0)) == ["short", "long"]


def test_among_equals_the_first_is_served_first() -> None:
    assert names(in_turn([Picture("a", steps=20), Picture("b", steps=20)], work=0)) == ["a", "b"]


def test_an_owners_pictures_count_together() -> None:
    four = [Picture("four", steps=20) for _ in range(4)]
    assert names(in_turn([*four, Picture("one", steps=30)], work=0))[0] == "one"


def test_who_has_waited_goes_before_a_newcomer_with_less_to_do() -> None:
    waited, newcomer = Picture("waited", steps=30), Picture("newcomer", steps=8, joined=100)
    assert names(in_turn([newcomer, waited], work=100)) == ["waited", "newcomer"]


@given(st.lists(st.builds(Picture, st.sampled_from("abc"), st.integers(1, 150), joined=st.integers(0, 999))))
def test_everybody_is_in_the_order_once(images: list[Picture]) -> None:
    assert sorted(map(id, in_turn(images, work=1000))) == sorted(map(id, images))


def among_short_ones(curve: Curve, cap: int, *, every: float, count: int) -> tuple[Person, list[Person]]:
    """A long job, and short ones of 8 s that come one after the other."""
    long = Person("long", 0.0, [Picture("long", steps=150)], alone=150.0)
    short = [Person(str(n), n * every, [Picture(str(n), steps=8)], alone=8.0) for n in range(count)]
    serve([long, *short], curve, cap=cap, in_flight=count)
    return long, short


@pytest.mark.parametrize(("curve", "cap", "most"), [(steep, 2, 5.0), (flat, 16, 1.5)])
def test_a_long_job_does_not_starve_under_a_stream_of_short_ones_and_they_hardly_wait(
    curve: Curve, cap: int, most: float
) -> None:
    """The short ones alone take 0.8 of what the device can do one by one."""
    long, short = among_short_ones(curve, cap, every=10.0, count=200)
    assert long.stretch <= most
    assert percentile([person.stretch for person in short], 0.5) < 1.5


def test_a_long_job_is_drawn_even_if_short_ones_leave_no_time_for_ever() -> None:
    long, short = among_short_ones(steep, 2, every=8.0, count=1500)
    assert long.done < short[-1].came
    assert long.stretch < 40


def test_four_pictures_of_one_owner_do_not_double_anothers_wait() -> None:
    greedy = Person("greedy", 0.0, [Picture("greedy", steps=20) for _ in range(4)], alone=80.0)
    modest = Person("modest", 0.5, [Picture("modest", steps=20)], alone=20.0)
    serve([greedy, modest], steep, cap=2, in_flight=8)
    assert modest.stretch < 1.2
    assert greedy.latency == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("curve", "cap", "load", "mean", "worst"),
    [(flat, 16, 0.8, 0.4, 0.3), (flat, 16, 1.5, 0.1, 0.1), (steep, 2, 0.8, 0.95, 1.0)],
)
def test_a_crowd_waits_less_than_before_a_lock(
    curve: Curve, cap: int, load: float, mean: float, worst: float
) -> None:
    """Mean and 95th percentile of the same arrivals, with the cap that each device's curve gives."""
    ours, theirs = (crowd(curve, count=600, load=load) for _ in range(2))
    serve(ours, curve, cap=cap, in_flight=8)
    serve_with_a_lock(theirs)
    ours_s, theirs_s = ([person.latency for person in people] for people in (ours, theirs))
    assert sum(ours_s) < mean * sum(theirs_s)
    assert percentile(ours_s, 0.95) < worst * percentile(theirs_s, 0.95)


@pytest.mark.parametrize(("curve", "cap"), [(flat, 16), (steep, 2)])
def test_of_people_who_never_pause_nobody_waits_much_longer_than_all_must(curve: Curve, cap: int) -> None:
    """By Little's law they wait for as long together under every order: eight of them, for what they ask, eight times
    as long as alone, over the gain of drawing together. No order has a smaller largest stretch.
    """
    people = serve_who_never_pause(curve, cap=cap, people=8, count=400)
    waited, alone = (sum(getattr(person, what) for person in people) for what in ("latency", "alone"))
    gain = alone / max(person.done for person in people)
    assert waited / alone == pytest.approx(8 / gain, rel=0.05)
    assert max(person.stretch for person in people) < 1.6 * 8 / gain


def test_before_a_lock_they_wait_much_longer_for_what_is_short() -> None:
    ours, theirs = (
        [person.stretch for person in serve_who_never_pause(steep, cap=2, people=8, count=400, lock=lock)]
        for lock in (False, True)
    )
    assert percentile(ours, 0.95) < 0.5 * percentile(theirs, 0.95)
    assert max(ours) < 0.5 * max(theirs)
