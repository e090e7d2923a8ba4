import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image

from engine import wire
from engine.catalogue import Catalogue
from engine.front import Front
from engine.images.inputs import Sent
from engine.models.registry import Registry
from engine.queue import FairQueue
from engine.server import create_app
from engine.spool import Spool
from tests.engine.front_process import REQUEST, TOKEN, Engine, picture, running
from tests.engine.no_worker import no_worker


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with running(tmp_path) as engine:
        yield engine


async def test_a_request_becomes_a_picture(engine: Engine) -> None:
    status, body = await engine.put("job", count=2, seed=2**32 - 1)
    assert (status, body["type"]) == (202, "queued")
    events = [entry async for entry in engine.events("job")]
    kinds = dict.fromkeys(event.type for _, event in events)  # a quick stream may skip what is stale
    assert [kind for kind in kinds if kind != "loading"] == ["queued", "progress", "finished"]
    assert sorted(event_id for event_id, _ in events) == [event_id for event_id, _ in events]
    finished = events[-1][1]
    assert isinstance(finished, wire.Finished)
    assert [image.seed for image in finished.images] == [2**32 - 1, 0]
    assert finished.notices == ("scripted",)
    async with engine.session.get(f"{engine.base}/v1/jobs/job/images/1") as response:
        assert response.content_type == "image/png"
        assert len(await response.read()) == finished.images[1].bytes
    assert await engine.delete("job") == 204
    status, body = await engine.call("GET", "/v1/jobs/job/images/1")
    assert (status, body["code"]) == (404, "unknown_job")
    assert not (engine.folder / "spool" / "job").exists()


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
async def test_a_picture_is_served_as_the_format_that_was_asked_for(engine: Engine, kind: str) -> None:
    await engine.put("job", format=kind)
    finished = await engine.until("job", "finished")
    assert isinstance(finished, wire.Finished)
    assert finished.images[0].media_type == f"image/{kind}"
    async with engine.session.get(f"{engine.base}/v1/jobs/job/images/0") as response:
        assert response.content_type == f"image/{kind}"
        assert len(await response.read()) == finished.images[0].bytes


async def test_a_picture_is_described_through_the_same_queue(engine: Engine) -> None:
    assert (await engine.put("job", picture(), task="describe", prompt=""))[0] == 202
    finished = await engine.until("job", "finished")
    assert isinstance(finished, wire.Finished)
    assert (finished.description, finished.images) == ("scripted", ())
    status, body = await engine.put("job", picture(), task="describe", prompt="")
    assert (status, body["description"]) == (200, "scripted")


async def test_the_operators_policy_holds_for_requests_that_say_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, ENGINE__SAFETY="block") as engine:
        status, body = await engine.put("job")
        assert (status, body["code"], body["field"]) == (422, "safety_unavailable", "safety")
        assert engine.drawn() == []
        _, told = await engine.call("GET", "/v1/capabilities")
        assert told["safety"] == "block"
        model, _ = told["models"]
        assert (model["ranked"], model["checked"]) == (True, False)
        assert "describe" in model["tasks"]


async def test_another_format_is_refused_in_one_sentence(engine: Engine) -> None:
    status, body = await engine.put("job", format="gif")
    assert (status, body["field"]) == (422, "format")
    assert body["message"] == "format must be one of png, jpeg or webp; it was 'gif'."


async def test_the_same_put_attaches_and_another_content_conflicts(engine: Engine) -> None:
    assert (await engine.put("job"))[0] == 202
    await engine.until("job", "finished")
    status, body = await engine.put("job")
    assert (status, body["type"]) == (200, "finished")
    status, body = await engine.put("job", seed=2)
    assert (status, body["code"]) == (409, "conflict")
    assert engine.drawn() == ["job"]


async def test_concurrent_puts_of_one_job_draw_it_once(engine: Engine) -> None:
    answers = await asyncio.gather(*(engine.put("job", prompt="slow") for _ in range(5)))
    assert sorted(status for status, _ in answers) == [200, 200, 200, 200, 202]
    engine.let_go("job")
    await engine.until("job", "finished")
    assert engine.drawn() == ["job"]


async def test_an_input_image_reaches_the_worker_as_png(engine: Engine) -> None:
    img2img: dict[str, Any] = {"task": "img2img", "strength": 0.5, "prompt": "slow"}
    assert (await engine.put("job", picture(), **img2img))[0] == 202
    await engine.until("job", "progress")
    with Image.open(engine.folder / "spool" / "job" / "input.png") as image:
        assert (image.mode, image.size) == ("RGB", (32, 32))
    other = Image.new("RGB", (32, 32), "blue")
    output = io.BytesIO()
    other.save(output, "PNG")
    assert (await engine.put("job", output.getvalue(), **img2img))[0] == 409


async def test_a_stream_is_taken_up_after_the_last_event_that_was_seen(engine: Engine) -> None:
    await engine.put("job", prompt="slow")
    seen = 0
    async for event_id, event in engine.events("job"):
        seen = event_id
        if event.type == "progress":
            break  # the reader is gone; the drawing goes on
    engine.let_go("job")
    rest = [entry async for entry in engine.events("job", after=seen)]
    assert all(event_id > seen for event_id, _ in rest)
    assert [event.type for _, event in rest][-1] == "finished"
    assert not {"queued", "loading"} & {event.type for _, event in rest}
    again = [event async for _, event in engine.events("job", after=10**6)]
    assert [event.type for event in again] == ["finished"]


async def test_a_waiting_stream_has_a_heartbeat(tmp_path: Path) -> None:
    worker = no_worker(lambda: 0.0)
    registry = Registry(tmp_path / "models")
    catalogue = Catalogue(registry=registry, executor=worker, queue_capacity=9)
    front = Front(
        executor=worker,
        catalogue=catalogue,
        spool=Spool(tmp_path / "spool", keep_s=60, clock=lambda: 0.0),
        queue=FairQueue(capacity=9),
    )
    await front.open()
    await front.submit("job", wire.GenerationRequest.model_validate(REQUEST), Sent())
    app = create_app(front, catalogue, token=TOKEN, hosts=(), heartbeat_s=0.01)
    async with TestClient(TestServer(app), headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        async with client.get("/v1/jobs/job/events") as response:
            lines = [await response.content.readline() for _ in range(6)]
        ready = await client.get("/readyz")
        assert ready.status == 503
        assert (await ready.json())["reason"] == "The worker is starting."
    assert lines[0] == b"id: 1\n"
    assert lines[1].startswith(b'data: {"type":"queued","position":1')
    assert lines[3] == b": heartbeat\n"


IMG2IMG = {"task": "img2img", "strength": 0.5}
REFUSED: list[tuple[dict[str, Any], str, str, str]] = [
    ({"steps": 100000}, "invalid_field", "steps", "steps must be at most 150; it was 100000."),
    ({"steps": 0}, "invalid_field", "steps", "steps must be at least 1; it was 0."),
    ({"steps": "many"}, "invalid_field", "steps", "steps must be a whole number; it was 'many'."),
    ({"steps": None}, "invalid_field", "steps", "steps is missing."),
    ({"stepz": 3}, "invalid_field", "stepz", "stepz is not a field; did you mean steps?"),
    ({"x" * 60_000: 3}, "invalid_field", f"{'x' * 40}…", f"{'x' * 40}… is not a field."),
    ({"width": 100}, "invalid_field", "width", "width must be a multiple of 8; it was 100."),
    ({"height": 4096}, "invalid_field", "height", "height must be at most 2048; it was 4096."),
    ({"seed": 2**32}, "invalid_field", "seed", "seed must be at most 4294967295; it was 4294967296."),
    ({"seed": -1}, "invalid_field", "seed", "seed must be at least 0; it was -1."),
    ({"seed": "7"}, "invalid_field", "seed", "seed must be a whole number; it was '7'."),
    ({"seed": 7.5}, "invalid_field", "seed", "seed must be a whole number; it was 7.5."),
    ({"count": 5}, "invalid_field", "count", "count must be at most 4; it was 5."),
    (
        {"guidance_scale": -1},
        "invalid_field",
        "guidance_scale",
        "guidance_scale must be at least 0; it was -1.",
    ),
    (
        {"prompt": "x" * 2001},
        "invalid_field",
        "prompt",
        "prompt must be at most 2000 characters long; it was 2001.",
    ),
    ({"prompt": 7}, "invalid_field", "prompt", "prompt must be text."),
    ({"model": ""}, "invalid_field", "model", "model must not be empty."),
    ({"version": 2}, "invalid_field", "version", "version must be 1; it was 2."),
    ({"model": "sd9"}, "unknown_model", "model", "There is no model called 'sd9'. Known: demo, demo-x4."),
    (
        {"model": "../demo"},
        "unknown_model",
        "model",
        "There is no model called '../demo'. Known: demo, demo-x4.",
    ),
    (
        {"sampler": "lcm", "steps": 51},
        "invalid_field",
        "steps",
        "steps must be at most 50 with LCM; it was 51.",
    ),
    (
        {"sampler": "ddim", "schedule": "karras"},
        "invalid_field",
        "schedule",
        "DDIM does not go with Karras; it takes automatic, normal, sgm_uniform.",
    ),
    (
        {"prompt": "a cat <lora:film:0.8>"},
        "unknown_lora",
        "prompt",
        "There is no LoRA called 'film'. This engine has none.",
    ),
    (
        {"negative_prompt": "{<lora:film>|dog}"},
        "unknown_lora",
        "negative_prompt",
        "There is no LoRA called 'film'. This engine has none.",
    ),
    ({"clip_skip": 0}, "invalid_field", "clip_skip", "clip_skip must be at least 1; it was 0."),
    ({"clip_skip": 13}, "invalid_field", "clip_skip", "clip_skip must be at most 12; it was 13."),
    (
        {"strength": 0.5},
        "invalid_field",
        "strength",
        "strength belongs to img2img, inpaint, outpaint, depth2img; the task was txt2img.",
    ),
    ({"task": "inpaint"}, "image_missing", "image", "inpaint needs an input image, and none was sent."),
    ({"mask_blur": 4}, "invalid_field", "mask_blur", "mask_blur belongs to inpaint; the task was txt2img."),
    ({"mask_blur": 65}, "invalid_field", "mask_blur", "mask_blur must be at most 64; it was 65."),
    (
        {"fill": "noise"},
        "invalid_field",
        "fill",
        "fill belongs to inpaint and outpaint; the task was txt2img.",
    ),
    (
        {"fill": "paint"},
        "invalid_field",
        "fill",
        "fill must be one of original, fill, noise or nothing; it was 'paint'.",
    ),
    (
        {"padding": -1},
        "invalid_field",
        "padding",
        "padding must be at least 0; it was -1.",
    ),
    (
        {"extend": {"left": 60}},
        "invalid_field",
        "extend.left",
        "extend.left must be a multiple of 8; it was 60.",
    ),
    (
        {"variation_strength": 0.5},
        "invalid_field",
        "variation_seed",
        "variation_seed is missing: a variation_strength over 0 needs one; it was 0.5.",
    ),
    (
        {"variation_strength": 1.5},
        "invalid_field",
        "variation_strength",
        "variation_strength must be at most 1; it was 1.5.",
    ),
    ({"task": "img2img"}, "image_missing", "image", "img2img needs an input image, and none was sent."),
    (
        {"task": "enlarge"},
        "invalid_field",
        "task",
        "task must be one of txt2img, img2img, inpaint, outpaint, depth2img, upscale, describe or process;"
        " it was 'enlarge'.",
    ),
]
REFUSED_WITH_IMAGE: list[tuple[dict[str, Any], bytes, int, str]] = [
    ({}, picture(), 422, "txt2img takes no input image; one was sent."),
    (
        {"task": "img2img"},
        picture(),
        422,
        "strength is missing: img2img needs one, more than 0 and at most 1.",
    ),
    ({"task": "img2img", "strength": 0}, picture(), 422, "strength must be more than 0; it was 0."),
    (
        {"task": "img2img", "strength": 0.2, "steps": 4},
        picture(),
        422,
        "strength × steps must be at least 1; it was 0.2 × 4.",
    ),
    (IMG2IMG, b"", 422, "The input image is empty."),
    (IMG2IMG, picture()[:60], 422, "The input image is damaged or cut off."),
    (IMG2IMG, b"GIF89a" + bytes(50), 422, "The input image is not a readable PNG, JPEG or WebP."),
    (
        IMG2IMG,
        bytes(wire.MAX_INPUT_BYTES + 2**16),
        413,
        "The input image must be at most 20 MiB; it was 20.1 MiB.",
    ),
]


INPAINT: dict[str, Any] = {"task": "inpaint", "strength": 0.5}
OUTPAINT = {"task": "outpaint", "strength": 0.5}
WHITE = picture("white")
REFUSED_WITH_MASK: list[tuple[dict[str, Any], bytes | None, str, str, str]] = [
    (INPAINT, None, "mask_missing", "mask", "inpaint needs a mask, and none was sent."),
    (IMG2IMG, WHITE, "invalid_field", "mask", "img2img takes no mask; one was sent."),
    (
        OUTPAINT | {"extend": {"up": 8}},
        WHITE,
        "invalid_field",
        "mask",
        "outpaint takes no mask; one was sent.",
    ),
    (
        INPAINT,
        picture("white", (32, 40)),
        "invalid_field",
        "mask",
        "The mask must be 32 × 32 pixels, as the input image; it was 32 × 40.",
    ),
    (
        INPAINT,
        picture("black"),
        "invalid_field",
        "mask",
        "The mask is black everywhere: paint white what is to be drawn anew.",
    ),
    (INPAINT, b"", "mask_unreadable", "mask", "The mask is empty."),
    (INPAINT, WHITE[:60], "mask_unreadable", "mask", "The mask is damaged or cut off."),
    (INPAINT, b"GIF89a", "mask_unreadable", "mask", "The mask is not a readable PNG, JPEG or WebP."),
    (
        INPAINT,
        bytes(wire.MAX_INPUT_BYTES + 2**16),
        "image_too_large",
        "mask",
        "The mask must be at most 20 MiB; it was 20.1 MiB.",
    ),
    (
        INPAINT | {"extend": {"left": 8}},
        WHITE,
        "invalid_field",
        "extend",
        "extend belongs to outpaint; the task was inpaint.",
    ),
    (
        INPAINT | {"strength": None},
        WHITE,
        "invalid_field",
        "strength",
        "strength is missing: inpaint needs one, more than 0 and at most 1.",
    ),
    (
        OUTPAINT,
        None,
        "invalid_field",
        "extend",
        "extend must be more than 0 to at least one side: left, right, up or down.",
    ),
    (
        OUTPAINT | {"extend": {"left": 8}, "mask_blur": 4},
        None,
        "invalid_field",
        "mask_blur",
        "mask_blur belongs to inpaint; the task was outpaint.",
    ),
    (
        OUTPAINT | {"extend": {"left": 2048, "right": 2048, "up": 2048, "down": 2048}},
        None,
        "invalid_field",
        "extend",
        "extend must leave the picture at most 16777216 pixels; it would be 4128 × 4128 (17040384).",
    ),
]


async def test_a_mask_reaches_the_worker_and_counts_as_content(engine: Engine) -> None:
    mask = picture("white")
    asked = INPAINT | {"prompt": "slow"}
    assert (await engine.put("job", picture(), mask=mask, **asked))[0] == 202
    await engine.until("job", "progress")
    with Image.open(engine.folder / "spool" / "job" / "mask.png") as image:
        assert (image.mode, image.size, image.getextrema()) == ("L", (32, 32), (255, 255))
    assert (await engine.put("job", picture(), mask=mask, **asked))[0] == 200
    other = picture("grey")  # as white as the first once it is read, but other bytes
    assert (await engine.put("job", picture(), mask=other, **asked))[0] == 409


async def test_every_wrong_mask_is_refused_in_one_sentence(engine: Engine) -> None:
    for changes, mask, code, field, message in REFUSED_WITH_MASK:
        _, body = await engine.put("job", picture(), mask=mask, **changes)
        assert (body["code"], body["field"], body["message"]) == (code, field, message)
    assert engine.drawn() == []
    assert list((engine.folder / "spool").iterdir()) == []


async def test_every_wrong_request_is_refused_in_one_sentence(engine: Engine) -> None:
    for changes, code, field, message in REFUSED:
        status, body = await engine.put("job", **changes)
        assert (status, body["code"], body["field"], body["message"]) == (422, code, field, message)
    for changes, image, expected, message in REFUSED_WITH_IMAGE:
        status, body = await engine.put("job", image, **changes)
        assert (status, body["message"]) == (expected, message)
    assert engine.drawn() == []
    assert list((engine.folder / "spool").iterdir()) == []


async def test_what_is_no_request_is_refused(engine: Engine) -> None:
    assert await engine.put_raw("job", b'{"model": ') == (
        400,
        error("bad_request", "The request is not valid JSON."),
    )
    assert await engine.put_raw("job", b"[1]") == (
        400,
        error("bad_request", "The request must be a JSON object."),
    )
    status, body = await engine.put_raw("job", b" " * 70_000)
    assert (status, body["code"]) == (413, "body_too_large")
    status, body = await engine.call("PUT", "/v1/jobs/job", json=REQUEST)
    assert (status, body["code"]) == (415, "wrong_media_type")
    broken = {"Content-Type": "multipart/form-data; boundary=x"}
    for content in (b"", b"--x\r\nnonsense", b"--y\r\n\r\n--y--"):
        status, body = await engine.call("PUT", "/v1/jobs/job", data=content, headers=broken)
        assert (status, body["code"]) == (400, "bad_request")
    form = aiohttp.FormData()
    form.add_field("requset", "{}", content_type="application/json")
    status, body = await engine.call("PUT", "/v1/jobs/job", data=form)
    assert (status, body["code"]) == (400, "bad_request")
    for job_id in ("a.b", "x" * 65, "%2e%2e", "a%2Fb"):
        assert (await engine.put(job_id))[0] in (400, 404)
    assert (await engine.call("GET", "/v1/nothing"))[1]["code"] == "unknown_route"
    assert (await engine.call("POST", "/v1/jobs/job"))[1]["code"] == "wrong_method"
    await engine.draw("fine")
    status, body = await engine.call("GET", "/v1/jobs/fine/images/9")
    assert (status, body["code"]) == (404, "unknown_image")
    status, body = await engine.call("GET", "/v1/jobs/fine/events", headers={"Last-Event-ID": "x"})
    assert (status, body["code"]) == (400, "bad_request")


def error(code: str, message: str) -> dict[str, object]:
    return {"code": code, "message": message, "field": None, "hint": None, "retryable": False}


@pytest.mark.parametrize(
    "header", ["", "Bearer wrong", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer é"]
)
async def test_strangers_are_refused(engine: Engine, header: str) -> None:
    headers = {"Authorization": header}
    for method, path in (
        ("PUT", "/v1/jobs/x"),
        ("DELETE", "/v1/jobs/x"),
        ("GET", "/v1/jobs/x/events"),
        ("GET", "/v1/jobs/x/images/0"),
        ("GET", "/v1/capabilities"),
        ("GET", "/v1/nothing"),
    ):
        status, body = await engine.call(method, path, headers=headers)
        assert (status, body["code"]) == (401, "unauthorized")


async def test_web_pages_and_rebound_names_are_refused(engine: Engine) -> None:
    for headers in (
        {"Origin": "http://127.0.0.1"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "[::1"},
        {"Host": ""},
    ):
        for path in ("/v1/capabilities", "/healthz", "/metrics"):
            status, body = await engine.call("GET", path, headers=headers)
            assert (status, body["code"]) == (403, "forbidden"), headers
    for host in ("localhost:7801", "127.0.0.1", "[::1]:80"):
        assert (await engine.call("GET", "/healthz", headers={"Host": host}))[0] == 200


async def test_capabilities_say_all_that_the_bot_must_know(engine: Engine) -> None:
    status, body = await engine.call("GET", "/v1/capabilities")
    capabilities = wire.Capabilities.model_validate(body)
    assert status == 200
    assert capabilities.device == "scripted"
    assert [model.name for model in capabilities.models] == ["demo", "demo-x4"]
    assert {sampler.name for sampler in capabilities.samplers} == set(wire.Sampler)
    assert {schedule.name for schedule in capabilities.schedules} == set(wire.Schedule)
    assert capabilities.limits.queue == 100


async def test_metrics_count_jobs_and_name_nobody(engine: Engine) -> None:
    await engine.draw("job")
    async with engine.session.get(f"{engine.base}/metrics") as response:
        page = await response.text()
    assert 'darkroom_jobs_total{outcome="finished"} 1.0' in page
    assert "darkroom_queue_jobs 0.0" in page
    assert "darkroom_running_jobs 0.0" in page
    assert "darkroom_worker_ready 1.0" in page
    assert "darkroom_worker_restarts_total 0.0" in page
    assert "darkroom_wait_seconds_count 1.0" in page
    assert "alice" not in page
