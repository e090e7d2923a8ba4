import asyncio
import io
import json
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image

from engine import wire
from engine.models.card import CARD_FILE
from engine.models.registry import DEMO_FOLDER
from engine.speed import GUIDED_UNTIL
from tests.engine.front_process import TOKEN, Engine, running


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with running(tmp_path) as engine:
        yield engine


async def test_a_fast_engine_draws_with_less_guidance_and_the_same_request_still_finds_its_job(
    tmp_path: Path,
) -> None:
    shutil.copytree(DEMO_FOLDER, tmp_path / "models" / "plain", ignore=lambda *_: [CARD_FILE])
    async with running(tmp_path, ENGINE__SPEED="fast") as engine:
        assert (await engine.put("job", model="plain"))[0] == 202
        await engine.until("job", "finished")
        assert (await engine.put("job", model="plain"))[0] == 200
    kept = json.loads((tmp_path / "spool" / "job" / "result.json").read_bytes())
    assert kept["request"]["guidance_end"] == GUIDED_UNTIL


async def test_a_waiting_job_is_cancelled_at_once_and_the_others_move_up(engine: Engine) -> None:
    await engine.put("drawing", prompt="slow")
    for job_id in ("second", "third"):
        await engine.put(job_id, prompt="slow")
    queued = await engine.until("third", "queued")
    assert isinstance(queued, wire.Queued)
    assert queued.position == 2
    assert await engine.delete("second") == 204
    assert [event.type async for _, event in engine.events("second")][-1] == "cancelled"
    queued = await engine.until("third", "queued")
    assert isinstance(queued, wire.Queued)
    assert queued.position == 1


async def test_a_running_job_is_cancelled_and_makes_room(engine: Engine) -> None:
    await engine.put("running", prompt="slow")
    await engine.until("running", "progress")
    await engine.put("next")
    assert await engine.delete("running") == 204
    assert (await engine.until("running", "cancelled")).type == "cancelled"
    await engine.until("next", "finished")
    assert await engine.delete("running") == 204
    assert await engine.delete("never sent") == 400
    assert await engine.delete("never-sent") == 204


async def test_a_full_queue_says_when_to_come_back(tmp_path: Path) -> None:
    async with running(tmp_path, ENGINE__QUEUE="1") as engine:
        await engine.put("drawing", prompt="slow")
        assert (await engine.put("waiting"))[0] == 202
        status, body = await engine.put("too much")
        assert status == 400
        status, body = await engine.put("too-much")
        assert (status, body["code"], body["retryable"]) == (429, "queue_full", True)
        assert (await engine.put("waiting"))[0] == 200
        engine.let_go("drawing")
        await engine.until("waiting", "finished")
        assert (await engine.put("too-much"))[0] == 202


async def test_who_comes_together_with_too_many_others_leaves_nothing_on_the_disk(tmp_path: Path) -> None:
    async with running(tmp_path, ENGINE__QUEUE="1") as engine:
        answers = await asyncio.gather(*(engine.put(f"job-{n}", prompt="slow") for n in range(12)))
        taken = {f"job-{n}" for n, (status, _) in enumerate(answers) if status == 202}
        assert len(taken) == 2  # one is drawn, one waits
        assert {folder.name for folder in (tmp_path / "spool").iterdir()} == taken


async def test_as_many_images_are_in_flight_as_the_worker_takes(tmp_path: Path) -> None:
    async with running(tmp_path, in_flight=3) as engine:
        await engine.put("a", prompt="slow", count=2)
        await engine.put("b", prompt="slow", count=1)
        await engine.put("c", prompt="slow", count=1)
        await engine.until("b", "progress")
        assert engine.drawn() == ["a", "b"]
        engine.let_go("b")
        await engine.until("c", "progress")
        assert engine.drawn() == ["a", "b", "c"]


async def test_a_picture_is_processed_beside_those_that_a_model_draws(tmp_path: Path) -> None:
    async with running(tmp_path, in_flight=3) as engine:
        await engine.put("drawn", prompt="slow")
        await engine.until("drawn", "progress")
        content = b'{"task": "process", "prompt": "slow", "post": [{"type": "sharpen"}]}'
        picture = io.BytesIO()
        Image.new("RGB", (40, 30)).save(picture, "PNG")
        assert (await engine.put_raw("processed", content, picture.getvalue()))[0] == 202
        await engine.until("processed", "progress")
        await engine.put("beside", prompt="slow")  # of the model that is still loaded
        await engine.until("beside", "progress")
        assert engine.drawn() == ["drawn", "processed", "beside"]


async def test_a_result_that_would_be_too_large_is_refused_before_it_is_queued(engine: Engine) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (2000, 1500)).save(picture, "PNG")
    content = b'{"task": "process", "post": [{"type": "upscale", "upscaler": "lanczos", "scale": 3}]}'
    status, body = await engine.put_raw("large", content, picture.getvalue())
    assert (status, body["code"], body["field"]) == (422, "invalid_field", "post.0")
    assert "it would be 6000 × 4500 (27000000)" in body["message"]
    assert engine.drawn() == []


async def test_a_killed_worker_fails_its_job_retryably_and_a_second_put_draws_it(engine: Engine) -> None:
    await engine.put("job", prompt="crash")
    await engine.put("innocent")
    event = await engine.until("job", "failed")
    assert isinstance(event, wire.Failed)
    assert (event.error.code, event.error.retryable) == ("worker_crashed", True)
    last_id = [event_id async for event_id, _ in engine.events("job")][-1]
    await engine.until("innocent", "finished")
    assert (await engine.put("job", prompt="crash"))[0] == 202
    first_id, _ = await anext(engine.events("job"))
    assert first_id > last_id


async def test_a_failure_that_would_not_pass_is_not_tried_again(engine: Engine) -> None:
    await engine.put("job", prompt="fail")
    event = await engine.until("job", "failed")
    assert isinstance(event, wire.Failed)
    assert event.error.code == "out_of_memory"
    assert (await engine.put("job", prompt="fail"))[0] == 200
    assert engine.drawn() == ["job"]


async def test_pictures_that_the_worker_did_not_write_are_a_failure(engine: Engine) -> None:
    await engine.put("job", prompt="lost")
    event = await engine.until("job", "failed")
    assert isinstance(event, wire.Failed)
    assert event.error.code == "internal"
    await engine.draw("next")


async def test_a_front_that_was_killed_finds_its_pictures_again(engine: Engine) -> None:
    finished = await engine.draw("done")
    await engine.put("undone", prompt="slow")
    await engine.until("undone", "progress")
    last_id = [event_id async for event_id, _ in engine.events("done")][-1]
    await engine.stop(signal.SIGKILL)
    await engine.start()
    assert (await engine.put("done"))[0] == 200
    assert (await engine.put("done", seed=9))[0] == 409
    assert [entry async for entry in engine.events("done", after=last_id)] == [(last_id, finished)]
    async with engine.session.get(f"{engine.base}/v1/jobs/done/images/0") as response:
        assert len(await response.read()) == finished.images[0].bytes
    status, body = await engine.call("GET", "/v1/jobs/undone/events")
    assert (status, body["code"]) == (404, "unknown_job")
    assert engine.drawn() == ["done", "undone"]


async def test_sigterm_gives_waiting_jobs_back_and_finishes_the_running_one(tmp_path: Path) -> None:
    async with running(tmp_path) as engine:
        await engine.put("running", prompt="slow")
        await engine.put("waiting")
        await engine.until("running", "progress")
        reading = asyncio.create_task(engine.until("running", "finished"))
        engine.signal(signal.SIGTERM)
        event = await engine.until("waiting", "failed")
        assert isinstance(event, wire.Failed)
        assert (event.error.code, event.error.retryable) == ("shutting_down", True)
        status, body = await engine.put("late")
        assert (status, body["code"]) == (503, "shutting_down")
        status, body = await engine.call("GET", "/readyz")
        assert (status, body["reason"]) == (503, "The engine is stopping.")
        engine.let_go("running")
        assert (await reading).type == "finished"
        code, log = await engine.ended()
        assert code == 0, log
        await engine.start()
        assert (await engine.put("running", prompt="slow"))[0] == 200


async def test_sigterm_ends_after_the_grace_whatever_is_drawn(tmp_path: Path) -> None:
    async with running(tmp_path, ENGINE__GRACE_S="0.1") as engine:
        await engine.put("hung", prompt="hang")
        await engine.until("hung", "progress")
        reading = asyncio.create_task(engine.until("hung", "failed"))
        engine.signal(signal.SIGTERM)
        event = await reading
        assert isinstance(event, wire.Failed)
        assert event.error.code == "shutting_down"


async def test_a_taken_port_is_one_sentence_and_69(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    second = Engine(tmp_path / "second", LINK__URL=engine.base)
    try:
        await second.launch()
        code, log = await second.ended()
    finally:
        await second.close()
    assert code == 69
    *earlier, last = log.splitlines()
    assert last.startswith(f"The engine cannot listen on {engine.base.removeprefix('http://')}: ")
    assert all("new signing key" in line for line in earlier)
    assert await engine.is_ready()


async def test_the_log_holds_neither_prompt_nor_token(engine: Engine) -> None:
    await engine.draw("job", prompt="unspeakable")
    await engine.put("bad", prompt="unspeakable" * 1000)
    code, log = await engine.stop()
    assert code == 0
    assert "job job: accepted, txt2img with " in log
    assert "job job: handed to the worker, after " in log
    assert "job job: finished, after " in log
    assert "drawing job" in log  # the worker's own log
    assert "unspeakable" not in log
    assert TOKEN not in log
