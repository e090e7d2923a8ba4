import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from bot.errors import Refused
from bot.jobs import reasons
from bot.jobs.inputs import Inputs
from bot.jobs.ports import ChatGone, ChatUnavailable, EngineAway
from bot.jobs.states import Job, JobState
from engine.wire import ErrorBody, Loading, Progress, Queued
from tests.bot.jobs.conftest import Desk, request, until
from tests.bot.jobs.scripted import Call, Part, failed, message_id, picture


def offers(desk: Desk, count: int) -> Callable[[], Awaitable[bool]]:
    async def enough() -> bool:
        return desk.engine.offers >= count

    return enough


def posts_tried(desk: Desk, count: int) -> Callable[[], Awaitable[bool]]:
    async def enough() -> bool:
        return len(desk.chat.looks) >= count

    return enough


async def test_a_request_is_drawn_kept_and_posted(desk: Desk) -> None:
    async with desk.running() as dispatcher:
        job = await desk.ended(await dispatcher.submit(desk.conversation(user_id=42), request()))
    assert job.state is JobState.POSTED
    assert job.conversation.message_id == message_id(job)
    assert (job.seconds, job.posted_at) == (1.5, desk.clock())
    assert job.request.owner == "42"
    [image] = await desk.history.images(job.id)
    assert await desk.files.read(image.sha256) == desk.engine.images[0]
    assert await desk.files.read(image.thumbnail_sha256, "image/jpeg")
    [(name, data, alt_text)] = desk.chat.uploads[job.id]
    assert (name, data) == (f"darkroom-{job.id}-1.png", desk.engine.images[0])
    assert alt_text == "Picture drawn from the prompt: a hamster"
    assert desk.engine.released == [job.id]
    assert desk.chat.looks == [False]


async def test_a_row_is_committed_before_anybody_is_told(desk: Desk) -> None:
    states: list[tuple[str, JobState]] = []

    def look(call: Call) -> None:
        states.append((call.what, call.job.state))

    desk.chat.on_call = look
    async with desk.running() as dispatcher:
        job = await dispatcher.submit(desk.conversation(), request())
        assert job.state is JobState.RECEIVED
        assert await desk.history.get(job.id) is not None
        await desk.ended(job)
    assert states[0] == ("waiting", JobState.RECEIVED)
    assert states[-1] == ("post", JobState.POSTING)


async def test_the_first_words_are_the_place_in_the_queue(desk: Desk) -> None:
    async with desk.running() as dispatcher:
        await desk.ended(await dispatcher.submit(desk.conversation(), request()))
    assert desk.chat.shown("waiting") == [Queued(position=1, eta_s=2.0)]


async def test_the_same_interaction_again_is_the_same_job(desk: Desk) -> None:
    conversation = desk.conversation()
    async with desk.running() as dispatcher:
        jobs = await asyncio.gather(*(dispatcher.submit(conversation, request()) for _ in range(5)))
        assert len({job.id for job in jobs}) == 1
        await desk.ended(jobs[0])
        assert (await dispatcher.submit(conversation, request())).state is JobState.POSTED
    assert desk.chat.posts.total() == 1


async def test_the_input_image_is_kept_and_handed_to_the_engine(desk: Desk) -> None:
    given = picture(1)
    async with desk.running() as dispatcher:
        job = await desk.ended(await dispatcher.submit(desk.conversation(), request(), Inputs(image=given)))
    assert job.input_sha256 is not None
    assert desk.engine.inputs == [desk.files.path(job.input_sha256)]
    assert await desk.files.read(job.input_sha256) == given


async def test_a_mask_goes_along_and_what_ended_without_pictures_leaves_neither_behind(desk: Desk) -> None:
    desk.engine.scripts = [[failed("internal")]]
    given = Inputs(image=picture(1), mask=picture(2))
    async with desk.running() as dispatcher:
        job = await desk.ended(await dispatcher.submit(desk.conversation(), request(), given))
        (image,), (mask,) = desk.engine.inputs, desk.engine.masks
        assert image is not None
        assert mask is not None

        async def both_are_gone() -> bool:
            return not image.exists() and not mask.exists()

        await until(both_are_gone)
    assert job.state is JobState.FAILED


async def test_a_description_is_posted_with_the_picture_that_it_is_about_which_is_dropped_then(
    desk: Desk,
) -> None:
    described = desk.engine.finished().model_copy(update={"images": (), "description": "a red star"})
    desk.engine.scripts = [[described]]
    async with desk.running() as dispatcher:
        asked = await dispatcher.submit(desk.conversation(), request(), Inputs(image=(given := picture(1))))
        job = await desk.ended(asked)

        async def is_dropped() -> bool:
            now = await desk.history.get(job.id)
            return now is not None and now.input_sha256 is None

        await until(is_dropped)
    assert (job.state, job.description) == (JobState.POSTED, "a red star")
    alt_text = "Picture described as: a red star"
    assert desk.chat.uploads[job.id] == [(f"darkroom-{job.id}.png", given, alt_text)]


async def test_a_person_may_have_so_many_jobs_and_no_more_even_at_once(desk: Desk) -> None:
    desk.engine.away = True
    async with desk.running() as dispatcher:
        asked = [dispatcher.submit(desk.conversation(user_id=1), request()) for _ in range(12)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, Refused)]
        assert len(refused) == 7
        assert str(refused[0]).startswith("You have 5 pictures waiting, and 5 at a time is the limit.")
        assert (await dispatcher.submit(desk.conversation(user_id=2), request())).state is JobState.RECEIVED


async def test_there_is_a_limit_in_all(desk: Desk) -> None:
    desk.engine.away = True
    desk.limits = desk.limits.model_copy(update={"jobs_in_all": 2})
    async with desk.running() as dispatcher:
        for user_id in (1, 2):
            await dispatcher.submit(desk.conversation(user_id=user_id), request())
        with pytest.raises(Refused, match="2 pictures are waiting, and 2 in all is the limit"):
            await dispatcher.submit(desk.conversation(user_id=3), request())
    assert await desk.history.waiting_total() == 2


async def test_while_the_engine_is_away_the_place_is_kept_and_said_once(desk: Desk) -> None:
    desk.engine.away = True
    async with desk.running() as dispatcher:
        job = await dispatcher.submit(desk.conversation(), request())
        await until(offers(desk, 5))
        assert (await desk.reaches(job, JobState.QUEUED)).attempt == 0
        assert desk.chat.shown("waiting") == [reasons.ENGINE_AWAY]
        desk.engine.away = False
        assert (await desk.ended(job)).state is JobState.POSTED


async def test_what_a_full_engine_refuses_is_offered_again(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    desk.engine.full = True
    async with desk.running() as dispatcher:
        job = await dispatcher.submit(desk.conversation(), request())
        await until(offers(desk, 3))
        assert desk.chat.shown("waiting") == [reasons.ENGINE_FULL]
        assert caplog.messages.count(f"job {job.id}: waits: {reasons.ENGINE_FULL}") == 1
        desk.engine.full = False
        ended = await desk.ended(job)
    assert (ended.state, ended.attempt, ended.crashes) == (JobState.POSTED, 0, 0)


@pytest.mark.parametrize("code", ["worker_crashed", "worker_hung"])
async def test_after_one_crash_a_job_is_drawn_again(desk: Desk, code: str) -> None:
    desk.engine.scripts = [[Loading(model="demo"), failed(code, retryable=True)]]
    async with desk.running() as dispatcher:
        job = await desk.ended(await dispatcher.submit(desk.conversation(), request()))
    assert (job.state, job.attempt, job.crashes) == (JobState.POSTED, 1, 1)
    assert desk.engine.drawn[job.id] == 2
    assert reasons.again(2, 4) in desk.chat.shown("waiting")


async def test_what_killed_the_engine_twice_is_told_and_refused_for_a_day(desk: Desk) -> None:
    crash: list[Part] = [Loading(model="demo"), failed("worker_crashed", retryable=True)]
    desk.engine.scripts = [list(crash), list(crash)]
    async with desk.running() as dispatcher:
        job = await desk.ended(await dispatcher.submit(desk.conversation(), request()))
        assert job.state is JobState.FAILED
        assert job.error is not None
        assert job.error.code == "quarantined"
        assert (
            desk.chat.told[job.id]
            == "The engine stopped 2 times while drawing this, so it is not tried again."
        )
        with pytest.raises(Refused, match="This request stopped the engine 2 times"):
            await dispatcher.submit(desk.conversation(user_id=9), request(seed=8))
        other = await dispatcher.submit(desk.conversation(), request("another prompt"))
        assert (await desk.ended(other)).state is JobState.POSTED
        desk.clock.move(days=1, seconds=1)
        again = await dispatcher.submit(desk.conversation(), request())
        assert (await desk.ended(again)).state is JobState.POSTED


async def test_a_stream_lost_while_drawing_counts_as_a_crash(desk: Desk) -> None:
    desk.engine.scripts = [[Loading(model="demo"), EngineAway("broken pipe")]]
    async with desk.running() as dispatcher:
        job = await desk.ended(await dispatcher.submit(desk.conversation(), request()))
    assert (job.state, job.crashes) == (JobState.POSTED, 1)


async def test_a_stream_lost_while_waiting_is_nobodys_fault(desk: Desk) -> None:
    desk.engine.scripts = [[Queued(position=3), EngineAway("broken pipe")]] * 3
    async with desk.running() as dispatcher:
        job = await desk.ended(await dispatcher.submit(desk.conversation(), request()))
    assert (job.state, job.crashes, job.attempt) == (JobState.POSTED, 0, 0)


async def test_a_planned_stop_of_the_engine_does_not_count(desk: Desk) -> None:
    stop: list[Part] = [Loading(model="demo"), failed("shutting_down", retryable=True)]
    desk.engine.scripts = [list(stop) for _ in range(10)]
    async with desk.running() as dispatcher:
        job = await desk.ended(await dispatcher.submit(desk.conversation(), request()))
    assert (job.state, job.crashes, job.attempt) == (JobState.POSTED, 0, 0)


async def test_what_keeps_failing_is_given_up_after_so_many_attempts(desk: Desk) -> None:
    desk.engine.scripts = [[failed("out_of_memory", "Too big.", retryable=True)] for _ in range(9)]
    async with desk.running() as dispatcher:
        job = await desk.ended(await dispatcher.submit(desk.conversation(), request()))
    assert (job.state, desk.engine.drawn[job.id]) == (JobState.FAILED, 4)
    assert desk.chat.told == {job.id: "Too big."}


@pytest.mark.parametrize("where", ["at the door", "while drawing"])
async def test_what_cannot_be_drawn_is_told_with_the_reason(desk: Desk, where: str) -> None:
    error = ErrorBody(code="nan_output", message="The model drew nothing.", hint="Try another model.")
    if where == "at the door":
        desk.engine.refusal = error
    else:
        desk.engine.scripts = [[failed(error.code, error.message, hint=error.hint)]]
    async with desk.running() as dispatcher:
        job = await desk.ended(await dispatcher.submit(desk.conversation(), request()))
    assert (job.state, job.error) == (JobState.FAILED, error)
    assert desk.chat.told == {job.id: "The model drew nothing. Try another model."}
    assert desk.engine.drawn[job.id] <= 1


@pytest.mark.parametrize("code", ["unauthorized", "forbidden", "version_mismatch"])
async def test_what_the_operator_has_to_mend_does_not_cost_a_job(desk: Desk, code: str) -> None:
    desk.engine.refusal = ErrorBody(code=code, message="Not you.")
    async with desk.running() as dispatcher:
        job = await dispatcher.submit(desk.conversation(), request())
        await until(offers(desk, 3))
        desk.engine.refusal = None
        assert (await desk.ended(job)).state is JobState.POSTED


async def test_a_damaged_picture_is_not_kept(desk: Desk) -> None:
    damaged = desk.engine.finished()
    desk.engine.images = [picture(1)]  # not the bytes that the first outcome promises
    desk.engine.scripts = [[damaged]]
    async with desk.running() as dispatcher:
        job = await desk.ended(await dispatcher.submit(desk.conversation(), request()))
    assert (job.state, job.attempt) == (JobState.POSTED, 1)
    assert desk.chat.uploads[job.id][0][1] == desk.engine.images[0]


@pytest.mark.parametrize("state", ["away", "queued", "drawing"])
async def test_a_cancelled_job_is_told_and_leaves_the_engine(desk: Desk, state: str) -> None:
    desk.engine.away = state == "away"
    first = Queued(position=2) if state == "queued" else Loading(model="demo")
    desk.engine.scripts = [[first, asyncio.Event(), desk.engine.finished()]]
    async with desk.running() as dispatcher:
        job = await dispatcher.submit(desk.conversation(), request())
        await desk.reaches(job, JobState.RUNNING if state == "drawing" else JobState.QUEUED)
        assert await dispatcher.cancel(job.id, by=99)
        ended = await desk.ended(job)
        assert not await dispatcher.cancel(job.id, by=99)
    assert (ended.state, ended.cancel_requested_by) == (JobState.CANCELLED, 99)
    assert desk.chat.told == {job.id: "Cancelled."}
    assert desk.chat.posts.total() == 0
    assert not desk.engine.jobs


async def test_a_picture_that_is_done_wins_over_a_cancel(desk: Desk) -> None:
    desk.chat.errors = [ChatUnavailable("503")] * 20
    async with desk.running() as dispatcher:
        job = await dispatcher.submit(desk.conversation(), request())
        await desk.reaches(job, JobState.POSTING)
        assert not await dispatcher.cancel(job.id, by=1)
        assert (await desk.ended(job)).state is JobState.POSTED


@pytest.mark.parametrize("turns", range(0, 60, 4))
async def test_a_cancel_that_races_the_picture_has_one_outcome(desk: Desk, turns: int) -> None:
    async with desk.running() as dispatcher:
        job = await dispatcher.submit(desk.conversation(), request())
        for _ in range(turns):
            await asyncio.sleep(0)
        await dispatcher.cancel(job.id, by=1)
        ended = await desk.ended(job)
    assert ended.state in (JobState.POSTED, JobState.CANCELLED)
    assert desk.chat.posts[job.id] == (ended.state is JobState.POSTED)
    assert (job.id in desk.chat.told) == (ended.state is JobState.CANCELLED)


async def test_a_cancel_survives_a_restart(desk: Desk) -> None:
    desk.engine.away = True
    async with desk.running() as dispatcher:
        job = await dispatcher.submit(desk.conversation(), request())
        await desk.reaches(job, JobState.QUEUED)
    await desk.history.request_cancel(job.id, by=1, at=desk.clock())
    desk.engine.away = False
    async with desk.running():
        assert (await desk.ended(job)).state is JobState.CANCELLED
    assert desk.engine.drawn[job.id] == 0


async def test_what_waited_too_long_expires_and_is_told(desk: Desk) -> None:
    desk.engine.away = True
    async with desk.running() as dispatcher:
        job = await dispatcher.submit(desk.conversation(), request())
        await desk.reaches(job, JobState.QUEUED)
        desk.clock.move(hours=25)
        assert (await desk.ended(job)).state is JobState.EXPIRED
    assert desk.chat.told[job.id].startswith("This waited for 24 hours")


async def test_what_waits_too_long_in_the_engines_queue_expires_too(desk: Desk) -> None:
    desk.engine.scripts = [[Queued(position=9), asyncio.Event(), desk.engine.finished()]]
    desk.limits = desk.limits.model_copy(update={"wait_hours": 0.1 / 3600})
    async with desk.running() as dispatcher:
        job = await dispatcher.submit(desk.conversation(), request())
        await desk.reaches(job, JobState.QUEUED)
        desk.clock.move(hours=1)
        assert (await desk.ended(job)).state is JobState.EXPIRED
    assert not desk.engine.jobs


async def test_a_restart_of_the_bot_joins_the_drawing_and_does_not_draw_twice(desk: Desk) -> None:
    gate = asyncio.Event()
    desk.engine.scripts = [[Loading(model="demo"), gate, desk.engine.finished("Cut.")]]
    async with desk.running() as dispatcher:
        job = await dispatcher.submit(desk.conversation(), request())
        await desk.reaches(job, JobState.RUNNING)
    assert job.id in desk.engine.jobs
    gate.set()
    async with desk.running():
        ended = await desk.ended(job)
    assert (ended.state, ended.attempt, ended.notices) == (JobState.POSTED, 0, ("Cut.",))
    assert desk.engine.drawn[job.id] == 1
    assert desk.chat.posts[job.id] == 1


async def test_what_was_submitted_before_the_start_is_taken_up_by_it(desk: Desk) -> None:
    dispatcher = desk.dispatcher()
    job = await dispatcher.submit(desk.conversation(), request())
    run = asyncio.create_task(dispatcher.run())
    assert (await desk.ended(job)).state is JobState.POSTED
    dispatcher.stop()
    await run


async def test_a_job_found_in_posting_is_looked_for_first(desk: Desk) -> None:
    stuck = asyncio.Event()
    desk.chat.on_call = lambda call: stuck.set() if call.what == "post" else None
    desk.chat.lost_replies = 1
    dispatcher = desk.dispatcher()
    run = asyncio.create_task(dispatcher.run())
    job = await dispatcher.submit(desk.conversation(), request())
    await stuck.wait()
    run.cancel()  # as if killed: the message is there, its confirmation was never seen
    await asyncio.wait([run])
    assert (await desk.reaches(job, JobState.POSTING)).conversation.message_id is None
    async with desk.running():
        ended = await desk.ended(job)
    assert ended.conversation.message_id == message_id(job)
    assert desk.chat.looks[-1]
    assert desk.chat.posts[job.id] == 1


async def test_a_lost_reply_does_not_post_twice(desk: Desk) -> None:
    desk.chat.lost_replies = 2
    async with desk.running() as dispatcher:
        job = await desk.ended(await dispatcher.submit(desk.conversation(), request()))
    assert job.state is JobState.POSTED
    assert desk.chat.posts[job.id] == 1
    assert desk.chat.looks == [False, True, True]


async def test_where_nothing_can_be_posted_the_picture_is_kept(desk: Desk) -> None:
    desk.chat.errors = [ChatGone("the channel was deleted")]
    async with desk.running() as dispatcher:
        job = await desk.ended(await dispatcher.submit(desk.conversation(), request()))
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error.code == "undeliverable"
    assert "the channel was deleted" in job.error.message
    [(listed, [image])] = (await desk.history.of_user(1)).entries
    assert listed.id == job.id
    assert await desk.files.read(image.sha256)


async def test_a_chat_that_stays_silent_counts_as_gone(desk: Desk) -> None:
    desk.chat.errors = [ChatUnavailable("503")] * 1000
    async with desk.running() as dispatcher:
        job = await dispatcher.submit(desk.conversation(), request())
        await until(posts_tried(desk, 3))
        desk.clock.move(hours=25)
        assert (await desk.ended(job)).state is JobState.FAILED


async def test_a_surprise_is_told_with_a_reference_and_hurts_nobody_else(desk: Desk) -> None:
    desk.engine.scripts = [[ZeroDivisionError("a bug")] for _ in range(3)]
    async with desk.running() as dispatcher:
        broken = await desk.ended(await dispatcher.submit(desk.conversation(), request()))
        fine = await desk.ended(await dispatcher.submit(desk.conversation(), request()))
    assert (broken.state, fine.state) == (JobState.FAILED, JobState.POSTED)
    told = desk.chat.told[broken.id]
    assert told.startswith("Something broke (ref ")
    assert broken.error == ErrorBody(code="internal", message=told)


async def test_one_surprise_does_not_cost_the_picture(desk: Desk) -> None:
    desk.engine.scripts = [[ZeroDivisionError("a bug")]]
    async with desk.running() as dispatcher:
        job = await desk.ended(await dispatcher.submit(desk.conversation(), request()))
    assert job.state is JobState.POSTED


async def test_after_the_stop_nothing_new_is_taken(desk: Desk) -> None:
    async with desk.running() as dispatcher:
        dispatcher.stop()
        with pytest.raises(Refused, match="I am restarting"):
            await dispatcher.submit(desk.conversation(), request())


async def test_a_stop_lets_a_picture_on_its_way_arrive(desk: Desk) -> None:
    async with desk.running() as dispatcher:
        desk.chat.on_call = lambda call: dispatcher.stop() if call.what == "post" else None
        job = await dispatcher.submit(desk.conversation(), request())
        assert (await desk.ended(job)).state is JobState.POSTED
    assert desk.chat.looks == [False]


async def test_the_latest_word_of_the_engine_can_be_asked_for(desk: Desk) -> None:
    desk.engine.scripts = [[Queued(position=4), asyncio.Event()]]
    async with desk.running() as dispatcher:
        job = await dispatcher.submit(desk.conversation(), request())
        await desk.reaches(job, JobState.QUEUED)
        assert dispatcher.latest(job.id) == Queued(position=4)
        assert dispatcher.latest("nobody") is None


async def test_a_finished_job_can_be_deleted_with_its_files(desk: Desk) -> None:
    async with desk.running() as dispatcher:
        job = await desk.ended(await dispatcher.submit(desk.conversation(), request()))
        [image] = await desk.history.images(job.id)
        assert await dispatcher.delete(job.id)
        assert not desk.files.path(image.sha256).exists()
        assert await desk.history.get(job.id) is None
        assert not await dispatcher.delete(job.id)
        desk.engine.away = True
        waiting = await dispatcher.submit(desk.conversation(), request())
        with pytest.raises(Refused, match="not finished yet"):
            await dispatcher.delete(waiting.id)


async def test_nothing_is_shown_after_the_picture(desk: Desk) -> None:
    desk.engine.scripts = [
        [Queued(position=1), *(Progress(step=step, steps=50) for step in range(50)), desk.engine.finished()]
    ]
    async with desk.running() as dispatcher:
        await desk.ended(await dispatcher.submit(desk.conversation(), request()))
    assert desk.chat.calls[-1].what == "post"


async def test_many_jobs_of_many_people_all_arrive(desk: Desk) -> None:
    desk.limits = desk.limits.model_copy(update={"crashes": 9, "attempts": 9})
    desk.engine.scripts = [[Loading(model="demo"), EngineAway("broken pipe")] for _ in range(5)]
    async with desk.running() as dispatcher:
        asked = [
            dispatcher.submit(desk.conversation(user_id=number), request(f"hamster {number}"))
            for number in range(20)
        ]
        jobs: list[Job] = await asyncio.gather(*asked)
        ended = [await desk.ended(job) for job in jobs]
    assert {job.state for job in ended} == {JobState.POSTED}
    assert set(desk.chat.posts.values()) == {1}


async def test_a_job_found_after_its_last_crash_is_not_offered_again(desk: Desk) -> None:
    desk.engine.away = True
    async with desk.running() as dispatcher:
        job = await dispatcher.submit(desk.conversation(), request())
        await desk.reaches(job, JobState.QUEUED)
    await desk.history.move(job.id, JobState.RUNNING)
    await desk.history.move(job.id, JobState.QUEUED, next_attempt=1, crashes=2)
    desk.engine.away = False
    async with desk.running():
        assert (await desk.ended(job)).state is JobState.FAILED
    assert desk.engine.drawn[job.id] == 0
