import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.pace import Pace
from engine.queue import AHEAD, QUANTUM, FairQueue, Ticket, cost_of
from engine.wire import GenerationRequest, Sampler, Task

MONSTER = 500 * QUANTUM

tickets = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from(["sd1", "sd2", None]),
        st.sampled_from([1, QUANTUM // 4, QUANTUM, 3 * QUANTUM, MONSTER]),
    ),
    max_size=30,
).map(lambda rows: [ticket(str(n), *row) for n, row in enumerate(rows)])


def ticket(job_id: str, owner: str, model: str | None = "sd1", cost: int = QUANTUM) -> Ticket:
    return Ticket(job_id=job_id, owner=owner, model=model, cost=cost)


def queue_of(*waiting: Ticket, capacity: int = 1000) -> FairQueue:
    queue = FairQueue(capacity=capacity)
    for each in waiting:
        queue.add(each)
    return queue


def drain(queue: FairQueue) -> list[str]:
    loaded, order = None, []
    while each := queue.pop(loaded):
        loaded = each.model or loaded  # what no model draws unloads none
        order.append(each.job_id)
    return order


@given(tickets)
@settings(deadline=None)
def test_every_job_is_drawn_exactly_once_in_the_order_that_was_promised(waiting: list[Ticket]) -> None:
    queue = queue_of(*waiting)
    promised = [each.job_id for each in queue.order()]
    assert sorted(promised) == sorted(each.job_id for each in waiting)
    assert drain(queue) == promised


@given(tickets, st.sampled_from([None, "sd1", "sd2"]))
@settings(deadline=None)
def test_position_one_is_what_comes_next_however_often_one_looks(
    waiting: list[Ticket], loaded: str | None
) -> None:
    queue = queue_of(*waiting)
    order = queue.order(loaded)
    assert queue.peek(loaded) == queue.peek(loaded) == (order[0] if order else None)
    assert queue.pop(loaded) == (order[0] if order else None)


@given(tickets, st.data())
@settings(deadline=None)
def test_a_removed_job_is_never_drawn_and_the_others_all_are(
    waiting: list[Ticket], data: st.DataObject
) -> None:
    queue = queue_of(*waiting)
    gone = data.draw(st.sets(st.sampled_from([each.job_id for each in waiting]))) if waiting else set()
    for job_id in gone:
        removed = queue.remove(job_id)
        assert removed is not None
        assert removed.job_id == job_id
        assert queue.remove(job_id) is None
    assert sorted(drain(queue)) == sorted(each.job_id for each in waiting if each.job_id not in gone)


@given(tickets, st.lists(st.integers(1, 5), min_size=1, max_size=10))
@settings(deadline=None)
def test_nobody_starves_while_strangers_keep_coming(waiting: list[Ticket], bursts: list[int]) -> None:
    queue = queue_of(ticket("patient", "patient", "sd2", 2 * QUANTUM), *waiting)
    loaded: str | None = "sd1"
    for turn in range(600):
        each = queue.pop(loaded)
        assert each is not None
        if each.job_id == "patient":
            return
        loaded = each.model or loaded  # what no model draws unloads none
        for n in range(bursts[turn % len(bursts)]):
            queue.add(ticket(f"{turn}-{n}", f"stranger {turn} {n}")) if not queue.full else None
    pytest.fail("the patient one was never drawn")


@given(st.integers(0, 49))
@settings(deadline=None)
def test_fifty_jobs_of_one_delay_the_single_job_of_another_by_one_turn(drawn: int) -> None:
    queue = queue_of(*(ticket(f"big {n}", "big") for n in range(50)))
    for _ in range(drawn):
        queue.pop("sd1")
    queue.add(ticket("single", "small"))
    assert [each.job_id for each in queue.order("sd1")].index("single") <= 1


def test_jobs_of_one_owner_keep_their_order() -> None:
    assert drain(queue_of(*(ticket(str(n), "a") for n in range(5)))) == ["0", "1", "2", "3", "4"]


def test_many_small_pictures_get_the_same_share_as_a_large_one() -> None:
    large = [ticket(f"large {n}", "a", cost=8 * QUANTUM) for n in range(2)]
    small = [ticket(f"small {n}", "b") for n in range(20)]
    order = [each.job_id for each in queue_of(*large, *small).order()]
    assert 6 <= order.index("large 0") <= 9
    assert 14 <= order.index("large 1") <= 18


def test_the_loaded_model_is_kept_within_the_bound() -> None:
    others = [ticket(f"loaded {n}", f"owner {n}", "sd1", AHEAD // 4) for n in range(10)]
    queue = queue_of(ticket("waits", "a", "sd2"), *others)
    order = [each.job_id for each in queue.order("sd1")]
    assert order.index("waits") == 4
    assert order[0].startswith("loaded")


def test_without_a_loaded_model_the_oldest_goes_first() -> None:
    assert drain(queue_of(ticket("first", "a", "sd2"), ticket("second", "b", "sd1"))) == ["first", "second"]


def test_a_monster_alone_is_drawn_at_once() -> None:
    assert drain(queue_of(ticket("monster", "a", cost=MONSTER))) == ["monster"]


def test_a_full_queue_takes_no_more() -> None:
    queue = queue_of(ticket("1", "a"), ticket("2", "b"), capacity=2)
    assert queue.full
    with pytest.raises(OverflowError):
        queue.add(ticket("3", "c"))
    assert len(queue) == 2
    assert "2" in queue
    assert "3" not in queue


def test_cost_counts_pixels_steps_images_and_the_steps_that_img2img_leaves_out() -> None:
    request = GenerationRequest(
        model="m", prompt="", width=64, height=128, steps=20, guidance_scale=7, sampler=Sampler.EULER, seed=1
    )
    assert cost_of(request) == 64 * 128 * 20
    changed = request.model_copy(update={"count": 3, "task": Task.IMG2IMG, "strength": 0.5})
    assert cost_of(changed) == 64 * 128 * 10 * 3


def test_a_prompt_of_several_parts_costs_its_rows() -> None:
    request = GenerationRequest(
        model="m", prompt="", width=64, height=64, steps=2, guidance_scale=7, sampler=Sampler.EULER, seed=1
    )
    composed = request.model_copy(update={"prompt": "a AND b AND c"})
    assert cost_of(composed) == 2 * cost_of(request)


def test_pace_is_unknown_until_measured_and_then_follows_the_device() -> None:
    pace = Pace()
    assert pace.seconds(100) is None
    pace.record(50, 10.0)  # starts the watch; how long these took is not known
    assert pace.seconds(100) is None
    pace.record(50, 11.0)
    assert pace.seconds(100) == pytest.approx(2.0)
    for second in range(12, 60):
        pace.record(100, float(second))
    assert pace.seconds(100) == pytest.approx(1.0, rel=0.01)


def test_pace_does_not_count_the_time_in_which_a_model_was_loaded() -> None:
    pace = Pace()
    pace.record(0, 0.0)
    pace.record(100, 1.0)
    pace.pause()
    pace.record(100, 500.0)
    pace.record(100, 501.0)
    assert pace.seconds(100) == pytest.approx(1.0)


def test_pictures_that_are_quickly_drawn_are_timed_together() -> None:
    pace = Pace()
    for start in (0.0, 100.0, 200.0):
        pace.pause()
        pace.record(50, start)
        pace.record(100, start + 0.2)
    assert pace.seconds(100) == pytest.approx(0.2)
