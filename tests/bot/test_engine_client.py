import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.engine_client import EngineClient
from bot.event_stream import EventParser, ServerSentEvent
from bot.jobs.ports import EngineAway, EngineFull, EngineRefused
from bot.jobs.states import Conversation, Job, JobState
from engine.wire import Cancelled, Capabilities, GenerationRequest, Progress, Queued, Sampler
from tests.patience import Clock

TOKEN = "secret"
NOW = datetime(2026, 1, 2, tzinfo=UTC)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

JOB = Job(
    id="job1",
    conversation=Conversation(
        interaction_id=1, user_id=2, channel_id=3, guild_id=None, token="t", token_expires_at=NOW
    ),
    request=GenerationRequest(
        model="demo",
        prompt="ein Hamster 🐹",
        width=64,
        height=64,
        steps=5,
        guidance_scale=7.5,
        sampler=Sampler.EULER,
        seed=1,
    ),
    state=JobState.RECEIVED,
    created_at=NOW,
)
CAPABILITIES = Capabilities(boot_id="b1", device="cpu", models=(), samplers=(), schedules=())


class Front:
    """A small real server. `answer` handles every call; `calls` remembers them."""

    def __init__(self) -> None:
        self.calls: list[web.Request] = []
        self.bodies: list[dict[str, bytes]] = []
        self.answer: Handler = empty
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.calls.append(request)
        if request.content_type.startswith("multipart/"):
            reader = await request.multipart()
            parts = {}
            while (part := await reader.next()) is not None:
                assert isinstance(part, aiohttp.BodyPartReader)
                parts[part.name or ""] = bytes(await part.read())
            self.bodies.append(parts)
        return await self.answer(request)


async def empty(_: web.Request) -> web.Response:
    return web.Response(status=204)


def answering(status: int, body: Any = None, **headers: str) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return web.Response(status=status, body=data, headers=headers)

    return answer


def streaming(*streams: list[bytes]) -> Handler:
    """Answer each call with the next stream of chunks; then the connection is cut without an end."""
    left = list(streams)

    async def answer(request: web.Request) -> web.StreamResponse:
        if not left:
            return web.json_response({"code": "unknown_job", "message": "No such job."}, status=404)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for chunk in left.pop(0):
            await response.write(chunk)
        assert request.transport is not None
        request.transport.close()
        return response

    return answer


def sse(number: int, event: Queued | Progress | Cancelled) -> bytes:
    return f"id: {number}\ndata: {event.model_dump_json()}\n\n".encode()


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    front = Front()
    app = web.Application(client_max_size=10**8)
    app.router.add_route("*", "/{path:.*}", front.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    front.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield front
    await runner.cleanup()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def engine(front: Front, clock: Clock) -> AsyncIterator[EngineClient]:
    async with EngineClient(url=front.url + "/", token=TOKEN, clock=clock) as engine:
        yield engine


async def heard(engine: EngineClient) -> list[Any]:
    return [event async for event in engine.events("job1")]


async def test_a_job_is_put_with_its_request_and_its_input(
    front: Front, engine: EngineClient, tmp_path: Path
) -> None:
    path = tmp_path / "input.png"
    path.write_bytes(b"picture")
    front.answer = answering(202, {})
    await engine.submit(JOB, path)
    [call] = front.calls
    assert (call.method, call.path) == ("PUT", "/v1/jobs/job1")
    assert call.headers["Authorization"] == "Bearer secret"
    [body] = front.bodies
    assert body["image"] == b"picture"
    assert GenerationRequest.model_validate_json(body["request"]) == JOB.request


async def test_control_pictures_are_parts_with_their_numbers(
    front: Front, engine: EngineClient, tmp_path: Path
) -> None:
    paths = [tmp_path / "edges.png", tmp_path / "pose.png"]
    for path in paths:
        path.write_bytes(path.stem.encode())
    front.answer = answering(202, {})
    await engine.put("job1", JOB.request, None, controls=paths)
    [body] = front.bodies
    assert (body["control-0"], body["control-1"]) == (b"edges", b"pose")
    assert list(body) == ["request", "control-0", "control-1"]


async def test_a_job_without_input_has_one_part(front: Front, engine: EngineClient) -> None:
    front.answer = answering(200, {})
    await engine.submit(JOB, None)
    assert list(front.bodies[0]) == ["request"]


@pytest.mark.parametrize("status", [400, 401, 404, 409, 413, 415, 422])
async def test_a_refusal_carries_what_the_engine_said(
    front: Front, engine: EngineClient, status: int
) -> None:
    error = {"code": "invalid_field", "message": "steps must be at most 150; it was 900.", "field": "steps"}
    front.answer = answering(status, error)
    with pytest.raises(EngineRefused, match="steps must be at most 150; it was 900") as refused:
        await engine.submit(JOB, None)
    assert (refused.value.error.code, refused.value.error.field) == ("invalid_field", "steps")


async def test_a_refusal_without_words_is_still_a_sentence(front: Front, engine: EngineClient) -> None:
    front.answer = answering(418, b"<html>")
    with pytest.raises(EngineRefused, match=r"The engine answered 418 without saying why\."):
        await engine.submit(JOB, None)


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("0.5", 0.5), ("Wed, 21 Oct", 5.0), ("-1", 0.0)])
async def test_a_full_engine_says_when_to_come_back(
    front: Front, engine: EngineClient, header: str, seconds: float
) -> None:
    front.answer = answering(429, {}, **{"Retry-After": header})
    with pytest.raises(EngineFull) as full:
        await engine.submit(JOB, None)
    assert full.value.retry_after == seconds


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (503, {"code": "shutting_down", "message": "The engine is stopping.", "retryable": True}),
        (507, {"code": "storage_full", "message": "The disk is full.", "retryable": True}),
        (502, b"<html>"),
    ],
)
async def test_an_engine_in_passing_trouble_is_away(
    front: Front, engine: EngineClient, status: int, body: Any
) -> None:
    front.answer = answering(status, body)
    with pytest.raises(EngineAway, match=str(status)):
        await engine.submit(JOB, None)


async def test_an_engine_that_broke_over_a_job_refuses_it(front: Front, engine: EngineClient) -> None:
    front.answer = answering(500, {"code": "internal", "message": "Something broke (ref 1)."})
    with pytest.raises(EngineRefused, match="Something broke"):
        await engine.submit(JOB, None)


async def test_an_engine_that_is_not_there_is_away(unused_tcp_port: int) -> None:
    async with EngineClient(url=f"http://127.0.0.1:{unused_tcp_port}", token=TOKEN) as engine:
        with pytest.raises(EngineAway):
            await engine.submit(JOB, None)
        with pytest.raises(EngineAway):
            await engine.release("job1")
        with pytest.raises(EngineAway):
            await engine.image("job1", 0)
        with pytest.raises(EngineAway):
            await engine.capabilities()
        with pytest.raises(EngineAway):
            await heard(engine)


async def test_events_are_heard_up_to_the_last_one(front: Front, engine: EngineClient) -> None:
    events: list[Queued | Progress | Cancelled] = [
        Queued(position=2, eta_s=3.0),
        Progress(step=1, steps=2, preview="x" * 100_000),
        Cancelled(),
    ]
    data = b": heartbeat\n\n".join(sse(number, event) for number, event in enumerate(events))
    front.answer = streaming([data[start : start + 999] for start in range(0, len(data), 999)])
    assert await heard(engine) == events
    assert len(front.calls) == 1


async def test_a_broken_stream_is_joined_where_it_broke(front: Front, engine: EngineClient) -> None:
    events: list[Queued | Progress | Cancelled] = [Queued(position=1), Progress(step=1, steps=2), Cancelled()]
    cut = sse(9, Progress(step=2, steps=2))[:-5]
    front.answer = streaming([sse(1, events[0]), cut], [sse(2, events[1])], [sse(3, events[2])])
    assert await heard(engine) == events
    assert [call.headers.get("Last-Event-ID") for call in front.calls] == [None, "1", "2"]


async def test_a_stream_that_breaks_again_and_again_is_given_up(front: Front, engine: EngineClient) -> None:
    front.answer = streaming(*([[b": hello\n\n"]] * 10))
    with pytest.raises(EngineAway):
        await heard(engine)
    assert len(front.calls) == 3


async def test_a_job_that_a_restarted_engine_forgot_is_refused(front: Front, engine: EngineClient) -> None:
    front.answer = streaming([sse(1, Queued(position=1))])
    with pytest.raises(EngineRefused) as refused:
        await heard(engine)
    assert refused.value.error.code == "unknown_job"


async def test_an_engine_that_goes_silent_is_left(front: Front) -> None:
    silent = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await silent.wait()
        return response

    front.answer = answer
    async with EngineClient(url=front.url, token=TOKEN, silence_s=0.05) as engine:
        with pytest.raises(EngineAway):
            await heard(engine)
    silent.set()


@pytest.mark.parametrize(
    "data",
    [b'data: {"type": "dance"}\n\n', b"data: {\n\n", b'data: {"type": "cancelled", "extra": 1}\n\n'],
)
async def test_an_event_that_is_none_is_refused_in_words(
    front: Front, engine: EngineClient, data: bytes
) -> None:
    front.answer = streaming([data])
    with pytest.raises(EngineRefused, match="Are the engine and the bot of the same version"):
        await heard(engine)


async def test_a_line_without_end_is_not_kept_in_memory(front: Front, engine: EngineClient) -> None:
    front.answer = streaming([b"data: ", *[b"x" * 100_000] * 30])
    with pytest.raises(EngineRefused, match="a line that does not end"):
        await heard(engine)


async def test_leaving_a_stream_early_closes_it(front: Front, engine: EngineClient) -> None:
    gone = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(sse(1, Queued(position=1)))
                await asyncio.sleep(0)
        finally:
            gone.set()

    front.answer = answer
    events = engine.events("job1")
    assert await anext(events) == Queued(position=1)
    await events.aclose()
    async with asyncio.timeout(5):
        await gone.wait()


async def test_an_image_comes_as_bytes(front: Front, engine: EngineClient) -> None:
    front.answer = answering(200, b"\x89PNG")
    assert await engine.image("job1", 3) == b"\x89PNG"
    assert front.calls[0].path == "/v1/jobs/job1/images/3"


async def test_an_image_that_is_cut_short_is_no_image(front: Front, engine: EngineClient) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.close()
        return response

    front.answer = answer
    with pytest.raises(EngineAway):
        await engine.image("job1", 0)


async def test_release_is_a_delete(front: Front, engine: EngineClient) -> None:
    await engine.release("job1")
    assert [(call.method, call.path) for call in front.calls] == [("DELETE", "/v1/jobs/job1")]


async def test_capabilities_are_asked_for_every_half_minute(
    front: Front, engine: EngineClient, clock: Clock
) -> None:
    front.answer = answering(200, CAPABILITIES.model_dump(mode="json"))
    answers = await asyncio.gather(*(engine.capabilities() for _ in range(5)))
    assert answers == [CAPABILITIES] * 5
    assert len(front.calls) == 1
    clock.now += 29
    await engine.capabilities()
    assert len(front.calls) == 1
    clock.now += 2
    await engine.capabilities()
    assert len(front.calls) == 2


async def test_known_capabilities_are_served_while_the_engine_is_away(
    front: Front, engine: EngineClient, clock: Clock
) -> None:
    front.answer = answering(200, CAPABILITIES.model_dump(mode="json"))
    await engine.capabilities()
    clock.now += 1000
    front.answer = answering(503, b"")
    assert await engine.capabilities() == CAPABILITIES


async def test_known_capabilities_do_not_wait_for_a_slow_engine(front: Front, clock: Clock) -> None:
    newer = CAPABILITIES.model_copy(update={"boot_id": "b2"})
    go = asyncio.Event()

    async def slowly(request: web.Request) -> web.StreamResponse:
        await go.wait()
        return await answering(200, newer.model_dump(mode="json"))(request)

    front.answer = answering(200, CAPABILITIES.model_dump(mode="json"))
    async with EngineClient(url=front.url, token=TOKEN, patience_s=0.05, clock=clock) as engine:
        await engine.capabilities()
        clock.now += 1000
        front.answer = slowly
        assert await engine.capabilities() == CAPABILITIES
        go.set()
        async with asyncio.timeout(5):
            while await engine.capabilities() != newer:
                pass
    assert len(front.calls) == 2


async def test_another_version_is_refused_in_words(front: Front, engine: EngineClient) -> None:
    front.answer = answering(200, {"version": 2, "much": "else"})
    with pytest.raises(
        EngineRefused, match=r"version 2 of the contract, the bot 1: update the older"
    ) as refused:
        await engine.capabilities()
    assert refused.value.error.code == "version_mismatch"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"version": 1}', b"\xff"])
async def test_capabilities_that_are_none_are_refused(
    front: Front, engine: EngineClient, body: bytes
) -> None:
    front.answer = answering(200, body)
    with pytest.raises(EngineRefused, match="capabilities that this bot does not know"):
        await engine.capabilities()


async def test_a_session_that_was_handed_in_is_left_open(front: Front) -> None:
    async with aiohttp.ClientSession() as session:
        async with EngineClient(url=front.url, token=TOKEN, session=session) as engine:
            await engine.release("job1")
        assert not session.closed


def test_the_parser_takes_events_in_any_pieces() -> None:
    stream = b": hi\r\nid: 1\r\nevent: x\r\ndata: one\r\ndata:two\r\n\r\n\n\ndata: three\n\nid: 9\n\n"
    want = [ServerSentEvent(data="one\ntwo", id="1"), ServerSentEvent(data="three", id="1")]
    for size in range(1, len(stream) + 1):
        parser = EventParser()
        pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
        assert [event for piece in pieces for event in parser.feed(piece)] == want
