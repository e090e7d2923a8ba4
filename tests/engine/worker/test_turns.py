"""Whose turn it is, seen over whole crowds: nobody starves, and nobody pays for another's four pictures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.worker.turns import in_turn
from tests.engine.worker.crowd import Curve, Person, Picture, crowd, percentile, serve, serve_with_a_lock

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
    assert names(in_turn([Picture("long", steps=50), Picture("short", steps=8)])) == ["short", "long"]


def test_among_equals_the_first_is_served_first() -> None:
    assert names(in_turn([Picture("a", steps=20), Picture("b", steps=20)])) == ["a", "b"]


def test_an_owners_pictures_count_together() -> None:
    four = [Picture("four", steps=20) for _ in range(4)]
    assert names(in_turn([*four, Picture("one", steps=30)]))[0] == "one"


def test_who_has_waited_goes_before_a_newcomer_with_less_to_do() -> None:
    waited, newcomer = Picture("waited", steps=30), Picture("newcomer", steps=8, joined=100)
    assert names(in_turn([newcomer, waited])) == ["waited", "newcomer"]


@given(st.lists(st.builds(Picture, st.sampled_from("abc"), st.integers(1, 150), joined=st.integers(0, 999))))
def test_everybody_is_in_the_order_once(images: list[Picture]) -> None:
    assert sorted(map(id, in_turn(images))) == sorted(map(id, images))


@pytest.mark.parametrize(("curve", "cap"), [(steep, 2), (flat, 16)])
def test_a_long_job_does_not_starve_under_a_stream_of_short_ones(curve: Curve, cap: int) -> None:
    """Short jobs come as fast as the device can draw them one by one, for ever."""
    long = Person("long", 0.0, [Picture("long", steps=150)], alone=150.0)
    short = [Person(str(n), n * 8.0, [Picture(str(n), steps=8)], alone=8.0) for n in range(400)]
    serve([long, *short], curve, cap=cap, in_flight=8)
    assert long.stretch <= 3


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
