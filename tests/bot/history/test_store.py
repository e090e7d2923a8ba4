import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copy

import pytest

from bot.history.database import Database, HistoryUnavailable
from bot.history.migrations import upgrade
from bot.history.rows import fingerprint
from bot.history.store import QUARANTINED, History
from bot.jobs.states import MOVES, UNFINISHED, Conversation, Job, JobState, StoredImage, sources
from engine.wire import ErrorBody, GenerationRequest, Sampler

NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
ALICE, BOB = 10**18 + 1, 10**18 + 2


def request(**changes: object) -> GenerationRequest:
    fields = {
        "model": "demo",
        "prompt": "a hamster 🐹 'quoted' \"twice\"",
        "width": 64,
        "height": 64,
        "steps": 5,
        "guidance_scale": 7.5,
        "sampler": Sampler.EULER,
        "seed": 2**32 - 1,
    }
    return GenerationRequest.model_validate(fields | changes)


def job(number: int = 1, *, user_id: int = ALICE, created_at: datetime = NOW, **changes: object) -> Job:
    conversation = Conversation(
        interaction_id=2**62 + number,
        user_id=user_id,
        channel_id=2**62,
        guild_id=None,
        token="t",
        token_expires_at=created_at + timedelta(minutes=15),
    )
    fields = {"request": request(), "state": JobState.RECEIVED, "created_at": created_at} | changes
    return Job(id=f"job{number}", conversation=conversation, **fields)  # type: ignore[arg-type]  # a free mix


def image(index: int = 0, sha256: str = "a" * 64) -> StoredImage:
    return StoredImage(
        index=index,
        sha256=sha256,
        thumbnail_sha256="b" * 64,
        media_type="image/png",
        width=64,
        height=64,
        seed=index,
        bytes=100,
        infotext="a hamster\nSteps: 5",
    )


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("migrated") / "history.db"
    upgrade(f"sqlite+aiosqlite:///{file}")
    return file


@pytest.fixture
def url(tmp_path: Path, migrated: Path) -> str:
    return f"sqlite+aiosqlite:///{copy(migrated, tmp_path)}"


@pytest.fixture
async def history(url: str) -> AsyncIterator[History]:
    history = await History.open(url, clock=lambda: NOW)
    yield history
    await history.close()


async def test_a_job_comes_back_as_it_was_given(history: History) -> None:
    await history.add(job(9))
    given = job(
        1,
        input_sha256="c" * 64,
        mask_sha256="d" * 64,
        parent_id="job9",
        attempt=2,
        crashes=1,
        cancel_requested_at=NOW,
        cancel_requested_by=BOB,
        error=ErrorBody(code="internal", message="Broke."),
        seconds=1.25,
        notices=("One.", "Two."),
        description="a red star",
        posted_at=NOW + timedelta(milliseconds=1),
    )
    await history.add(given)
    assert await history.get("job1") == given


async def test_a_job_survives_closing_and_opening_again(url: str) -> None:
    for _ in range(2):
        history = await History.open(url)
        await history.add(job())
        assert await history.get("job1") == job()
        await history.close()


async def test_a_replayed_interaction_returns_the_job_that_is_there(history: History) -> None:
    first = await history.add(job(1))
    other = Job(**{**vars(job(1)), "id": "other"})
    assert await history.add(other) == first
    assert await history.get("other") is None


async def test_the_same_interaction_at_once_makes_one_job(history: History) -> None:
    same = [Job(**{**vars(job(1)), "id": f"copy{number}"}) for number in range(10)]
    added = await asyncio.gather(*map(history.add, same))
    assert len({one.id for one in added}) == 1
    assert len(await history.unfinished()) == 1


async def test_only_the_moves_in_the_table_are_made(history: History) -> None:
    pairs = [(start, to) for start in JobState for to in JobState if sources(to)]
    for number, (start, to) in enumerate(pairs):
        given = await history.add(job(number, state=start))
        moved = await history.move(given.id, to)
        allowed = to in MOVES[start]
        after = await history.get(given.id)
        assert after is not None
        assert after.state is (to if allowed else start), (start, to)
        assert moved == (after if allowed else None), (start, to)


async def test_of_two_racing_moves_one_wins(history: History) -> None:
    await history.add(job(state=JobState.RUNNING))
    moves = [history.move("job1", state) for state in (JobState.FAILED, JobState.CANCELLED)]
    assert sorted(result is None for result in await asyncio.gather(*moves)) == [False, True]


async def test_a_move_of_an_earlier_attempt_is_fenced_off(history: History) -> None:
    await history.add(job(state=JobState.RUNNING))
    again = await history.move("job1", JobState.QUEUED, attempt=0, next_attempt=1, crashes=1)
    assert again is not None
    assert (again.attempt, again.crashes) == (1, 1)
    assert await history.move("job1", JobState.RUNNING, attempt=0) is None
    assert await history.move("job1", JobState.RUNNING, attempt=1) is not None


async def test_a_move_of_an_unknown_job_is_none(history: History) -> None:
    assert await history.move("nobody", JobState.QUEUED) is None


async def test_pictures_are_kept_with_the_move_or_not_at_all(history: History) -> None:
    await history.add(job(state=JobState.RUNNING))
    assert await history.add_images("job1", [image()], attempt=7) is None
    assert await history.images("job1") == ()
    changes = {"seconds": 2.5, "notices": ("Cut.",)}
    drawn = await history.add_images("job1", [image(1), image(0)], attempt=0, **changes)  # type: ignore[arg-type]
    assert drawn is not None
    assert (drawn.state, drawn.seconds, drawn.notices) == (JobState.GENERATED, 2.5, ("Cut.",))
    assert await history.images("job1") == (image(0), image(1))
    assert await history.add_images("job1", [image(2)], attempt=0) is None


async def test_a_cancel_is_noted_once_and_only_before_the_picture(history: History) -> None:
    await history.add(job(1))
    first = await history.request_cancel("job1", by=BOB, at=NOW)
    again = await history.request_cancel("job1", by=ALICE, at=NOW + timedelta(hours=1))
    assert first is not None
    assert again == first
    assert (first.cancel_requested_by, first.cancel_requested_at) == (BOB, NOW)
    await history.add(job(2, state=JobState.GENERATED))
    assert await history.request_cancel("job2", by=BOB, at=NOW) is None
    assert await history.request_cancel("nobody", by=BOB, at=NOW) is None


async def test_a_job_is_found_by_its_message(history: History) -> None:
    await history.add(job(1))
    await history.set_message("job1", 2**62 + 77)
    found = await history.by_message(2**62 + 77)
    assert found is not None
    assert found.id == "job1"
    assert await history.by_message(5) is None


async def test_unfinished_jobs_are_listed_oldest_first(history: History) -> None:
    for number, state in enumerate(JobState):
        when = NOW - timedelta(minutes=number)
        await history.add(job(number, state=state, created_at=when, user_id=ALICE if number % 2 else BOB))
    everybody = await history.unfinished()
    assert {one.state for one in everybody} == UNFINISHED
    assert [one.created_at for one in everybody] == sorted(one.created_at for one in everybody)
    alices = await history.unfinished(ALICE)
    assert alices == tuple(one for one in everybody if one.conversation.user_id == ALICE)


async def test_what_waits_is_counted_by_person_and_in_all(history: History) -> None:
    for number, state in enumerate(JobState):
        await history.add(job(number, state=state, user_id=ALICE if state is JobState.QUEUED else BOB))
    assert await history.waiting_count(ALICE) == 1
    assert await history.waiting_count(BOB) == 2
    assert await history.waiting_total() == 3


async def test_the_pages_of_a_person_hold_what_was_drawn_newest_first(history: History) -> None:
    for number in range(5):
        when = NOW + timedelta(seconds=number)
        await history.add(job(number, state=JobState.RUNNING, created_at=when))
        await history.add_images(f"job{number}", [image()], attempt=0)
    await history.add(job(8, state=JobState.RUNNING))
    await history.add(job(9, state=JobState.RUNNING, user_id=BOB))
    await history.add_images("job9", [image()], attempt=0)
    pages = [await history.of_user(ALICE, page, 2) for page in range(4)]
    assert [[one.id for one, _ in page.entries] for page in pages] == [
        ["job4", "job3"],
        ["job2", "job1"],
        ["job0"],
        [],
    ]
    assert {page.total for page in pages} == {5}
    assert pages[0].entries[0][1] == (image(),)


async def test_a_fingerprint_is_the_request_without_its_seed_and_owner() -> None:
    same = fingerprint(request(seed=1, owner="alice"), None)
    assert fingerprint(request(seed=2, owner="bob"), None) == same
    assert fingerprint(request(steps=6), None) != same
    assert fingerprint(request(), "c" * 64) != same
    assert fingerprint(request(), "c" * 64, "d" * 64) != fingerprint(request(), "c" * 64, None)


async def test_a_quarantined_request_is_known_until_it_is_too_long_ago(history: History) -> None:
    await history.add(job(1, state=JobState.RUNNING))
    print_ = fingerprint(job(1).request, None)
    assert not await history.quarantined(print_, NOW - timedelta(days=1))
    await history.move("job1", JobState.FAILED, error=ErrorBody(code=QUARANTINED, message="No."))
    assert await history.quarantined(print_, NOW - timedelta(days=1))
    assert not await history.quarantined(print_, NOW + timedelta(milliseconds=1))
    assert not await history.quarantined("f" * 64, NOW - timedelta(days=1))


async def test_a_job_that_failed_otherwise_is_not_in_quarantine(history: History) -> None:
    await history.add(job(1, state=JobState.RUNNING))
    await history.move("job1", JobState.FAILED, error=ErrorBody(code="internal", message="No."))
    assert not await history.quarantined(fingerprint(job(1).request, None), NOW)


async def test_deleting_a_job_names_the_files_that_nobody_else_needs(history: History) -> None:
    for number, own in ((1, "1" * 64), (2, "2" * 64)):
        masked = job(number, state=JobState.RUNNING, input_sha256="c" * 64, mask_sha256="d" * 64)
        await history.add(masked)
        await history.add_images(f"job{number}", [image(0, "a" * 64), image(1, own)], attempt=0)
    assert await history.delete_job("job1") == ("1" * 64,)
    assert await history.get("job1") is None
    assert await history.images("job1") == ()
    assert await history.delete_job("job2") == ("2" * 64, "a" * 64, "b" * 64, "c" * 64, "d" * 64)
    assert await history.delete_job("job2") == ()


async def test_a_job_outlives_its_parent(history: History) -> None:
    await history.add(job(1))
    await history.add(job(2, parent_id="job1"))
    await history.delete_job("job1")
    child = await history.get("job2")
    assert child is not None
    assert child.parent_id is None


async def test_settings_are_any_json_and_apart_by_scope(history: History) -> None:
    assert await history.setting("guild", 1, "tree") is None
    await history.set_setting("guild", 1, "tree", {"hash": [1, 2]})
    await history.set_setting("user", 1, "tree", "mine")
    await history.set_setting("guild", 1, "tree", {"hash": [3]})
    assert await history.setting("guild", 1, "tree") == {"hash": [3]}
    assert await history.setting("user", 1, "tree") == "mine"


async def test_reads_go_on_beside_many_writes(history: History) -> None:
    async def write(number: int) -> None:
        await history.add(job(number))
        await history.move(f"job{number}", JobState.QUEUED)

    reads = [history.unfinished() for _ in range(20)]
    await asyncio.gather(*(write(number) for number in range(40)), *reads)
    assert await history.waiting_total() == 40


@pytest.mark.parametrize("turns", range(12))
async def test_a_write_that_is_cut_short_leaves_the_database_free(history: History, turns: int) -> None:
    await history.add(job(1))
    cut = asyncio.create_task(history.move("job1", JobState.QUEUED))
    for _ in range(turns):
        await asyncio.sleep(0)
    cut.cancel()
    await asyncio.wait([cut])
    async with asyncio.timeout(2):
        await history.add(job(2))
    after = await history.get("job1")
    assert after is not None
    assert after.state in (JobState.RECEIVED, JobState.QUEUED)


async def test_a_broken_database_says_so_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_bytes(b"this is not a database, whatever its name says" * 100)
    history = History(Database(f"sqlite+aiosqlite:///{tmp_path / 'broken.db'}"), clock=lambda: NOW)
    with pytest.raises(HistoryUnavailable, match="The history did not answer"):
        await history.get("job1")
    await history.close()


async def test_after_the_end_nothing_opens_the_database_again(history: History) -> None:
    await history.close()
    with pytest.raises(HistoryUnavailable, match="The bot is stopping"):
        await history.get("job1")
