"""Who shares a tick, and how many rows one may hold."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.worker.batching import BUCKETS, RowCap, choose


@dataclass(frozen=True)
class Picture:
    name: str
    key: str = "512x512"
    rows: int = 2


def names(pictures: list[Picture]) -> list[str]:
    return [picture.name for picture in pictures]


def test_pictures_that_fit_together_share_a_tick_oldest_first() -> None:
    waiting = [Picture("a"), Picture("b"), Picture("c")]
    assert names(choose(waiting, cap=4)) == ["a", "b"]


def test_pictures_of_another_size_wait_for_a_tick_of_their_own() -> None:
    waiting = [Picture("a"), Picture("b", key="768x768"), Picture("c")]
    assert names(choose(waiting, cap=8)) == ["a", "c"]


def test_a_small_picture_fills_the_room_that_a_larger_one_leaves() -> None:
    waiting = [Picture("a"), Picture("b"), Picture("c", rows=1)]
    assert names(choose(waiting, cap=3)) == ["a", "c"]


def test_nobody_waits_means_nobody_ticks() -> None:
    assert choose([], cap=8) == []


@given(
    st.lists(
        st.builds(Picture, st.text(max_size=3), st.sampled_from("xyz"), st.sampled_from([1, 2])), min_size=1
    ),
    st.integers(1, 16),
)
def test_the_oldest_is_always_drawn_and_the_cap_holds(waiting: list[Picture], cap: int) -> None:
    chosen = choose(waiting, cap)
    assert chosen[0] is waiting[0]
    assert sum(picture.rows for picture in chosen) <= max(cap, waiting[0].rows)
    assert {picture.key for picture in chosen} == {waiting[0].key}


def ticks(cap: RowCap, seconds_of: dict[int, float], count: int = 40) -> int:
    """Tick with as many rows as allowed, each costing what the device's curve says; the cap in the end."""
    for _ in range(count):
        rows = cap.rows("key")
        cap.record("key", rows, seconds_of[rows])
    return cap.rows("key")


def test_the_cap_grows_where_more_rows_cost_little() -> None:
    assert ticks(RowCap(), {2: 1.0, 4: 1.1, 8: 1.3, 16: 1.6}) == 16


def test_the_cap_stays_at_one_guided_image_where_batching_does_not_pay() -> None:
    assert ticks(RowCap(), {2: 1.0, 4: 2.0, 8: 4.0, 16: 8.0}) == 2


def test_the_cap_stops_where_the_curve_becomes_flat() -> None:
    assert ticks(RowCap(), {2: 1.0, 4: 1.2, 8: 2.4, 16: 4.8}) == 4


def test_the_first_tick_of_a_size_is_a_warm_up_and_not_believed() -> None:
    cap = RowCap()
    cap.record("key", 2, 100.0)
    for _ in range(3):
        cap.record("key", 2, 1.0)
    for _ in range(4):
        cap.record("key", 4, 2.0)
    assert cap.rows("key") == 2


def test_sizes_are_measured_apart() -> None:
    cap = RowCap()
    ticks(cap, {2: 1.0, 4: 1.1, 8: 1.2, 16: 1.3})
    assert cap.rows("another key") == 2


def test_a_fixed_cap_is_obeyed() -> None:
    cap = RowCap(fixed=6)
    cap.record("key", 2, 1.0)
    assert cap.rows("key") == 6


def test_a_tick_that_did_not_fit_is_never_tried_again() -> None:
    cap = RowCap()
    cap.shrink("key", 8)
    assert ticks(cap, dict.fromkeys(BUCKETS, 1.0)) == 4
    assert ticks(RowCap(), {2: 1.0, 4: 1.1, 8: 1.3, 16: 1.6}) == 16


def test_a_fixed_cap_shrinks_too_when_it_does_not_fit() -> None:
    cap = RowCap(fixed=8)
    cap.shrink("key", 8)
    assert cap.rows("key") == 4
    assert cap.rows("another key") == 8


def test_a_tick_between_two_buckets_counts_for_the_larger() -> None:
    cap = RowCap()
    for _ in range(4):
        cap.record("key", 2, 1.0)
    for _ in range(4):
        cap.record("key", 3, 3.0)
    assert cap.rows("key") == 2


def test_a_lone_picture_of_more_rows_than_the_cap_says_nothing_of_larger_ticks() -> None:
    cap = RowCap()
    for _ in range(4):
        cap.record("key", 9, 0.1)
        cap.record("key", 2, 1.0)
    for _ in range(4):
        cap.record("key", 4, 1.1)
    assert cap.rows("key") == 8  # tried next, and not what nine rows once took


def test_a_tick_that_did_not_fit_shrinks_to_single_rows_and_memory_that_comes_back_is_tried() -> None:
    cap = RowCap()
    assert cap.most("key") is None
    for rows in (9, 4, 2):
        cap.shrink("key", rows)
    assert (cap.rows("key"), cap.most("key"), cap.unknown("key")) == (1, 1, None)
    cap.hold("key", 4)
    assert cap.most("key") == 1
    cap.release("key")
    assert cap.rows("key") == BUCKETS[0]


def test_measuring_ends_once_the_next_bucket_is_known_not_to_pay() -> None:
    cap = RowCap()
    assert cap.unknown("key") == 2
    ticks(cap, {2: 1.0, 4: 2.0})
    assert cap.unknown("key") is None
    assert cap.unknown("another key") == 2
    assert RowCap(fixed=4).unknown("key") is None


def test_a_tick_is_estimated_from_the_largest_that_is_known() -> None:
    cap = RowCap()
    assert cap.estimate("key", 8) == 0
    ticks(cap, {2: 1.0, 4: 1.2, 8: 2.4})
    assert cap.estimate("key", 16) == pytest.approx(16 * 2.4 / 8)


def test_what_was_measured_before_is_believed() -> None:
    before = RowCap()
    ticks(before, {2: 1.0, 4: 1.1, 8: 1.3, 16: 1.6})
    assert RowCap(timings=before.timings).rows("key") == 16


def test_pictures_without_guidance_that_were_drawn_alone_say_nothing_of_two_rows() -> None:
    cap = RowCap()
    for _ in range(4):
        cap.record("key", 1, 0.9)  # nearly as much as two rows take
    assert cap.unknown("key") == 2
    for _ in range(4):
        cap.record("key", 2, 1.0)
    for _ in range(20):
        cap.record("key", 1, 0.9)
    for _ in range(4):
        cap.record("key", 4, 2.0)
    assert cap.rows("key") == 2


def test_before_two_rows_were_timed_one_row_tells_about_how_long_they_take() -> None:
    cap = RowCap()
    for _ in range(4):
        cap.record("key", 1, 3.0)
    assert cap.estimate("key", 2) == 6.0
