"""The HTTP contract of docs/api.md: thin handlers over `Front`."""

import asyncio
import hmac
import logging
import re
import secrets
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from aiohttp import BodyPartReader, web
from aiohttp.http import HttpProcessingError
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CONTENT_TYPE_LATEST

from engine.catalogue import Catalogue
from engine.config import is_loopback
from engine.errors import Refusal
from engine.front import Front
from engine.images.decoding import PARTS, check_size, control_part
from engine.images.inputs import Sent
from engine.job import Job
from engine.validation import parse_request
from engine.wire import JOB_ID_PATTERN, MAX_CONTROLS, MAX_INPUT_BYTES, Queued

log = logging.getLogger(__name__)

MAX_REQUEST_BYTES = 64 * 1024
PICTURES = PARTS | {f"control-{n}": control_part(n) for n in range(MAX_CONTROLS)}
MAX_BODY_BYTES = len(PICTURES) * MAX_INPUT_BYTES + 2 * MAX_REQUEST_BYTES
BODY_S = 60.0  # a body takes no longer to arrive
WRITE_S = 60.0  # a reader of events that takes nothing for so long is dropped
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})  # no token: probes have none


def create_app(
    front: Front, catalogue: Catalogue, *, token: str, hosts: Collection[str], heartbeat_s: float
) -> web.Application:
    """The engine's web application.

    `hosts` are the names it is called by, beside those of the loopback interface. An event stream that has
    nothing to say sends a comment every `heartbeat_s`.
    """
    app = web.Application(middlewares=[_errors, _guard(token, hosts)], client_max_size=MAX_BODY_BYTES)
    routes = Routes(front, catalogue, heartbeat_s=heartbeat_s)
    app.add_routes(
        [
            web.put("/v1/jobs/{id}", routes.put_job),
            web.delete("/v1/jobs/{id}", routes.delete_job),
            web.get("/v1/jobs/{id}/events", routes.get_events),
            web.get("/v1/jobs/{id}/images/{index}", routes.get_image),
            web.get("/v1/capabilities", routes.get_capabilities),
            web.get("/healthz", routes.get_health),
            web.get("/readyz", routes.get_ready),
            web.get("/metrics", routes.get_metrics),
        ]
    )
    return app


class Routes:
    """One method per row of docs/api.md."""

    def __init__(self, front: Front, catalogue: Catalogue, *, heartbeat_s: float) -> None:
        self._front = front
        self._catalogue = catalogue
        self._heartbeat_s = heartbeat_s

    async def put_job(self, request: web.Request) -> web.Response:
        job_id = _job_id(request)
        parts = await _read_body(request)
        job, new = await self._front.submit(
            job_id,
            parse_request(parts["request"]),
            Sent(parts.get("image"), parts.get("mask"), parts.get("depth"), _controls(parts)),
        )
        newest = job.log.terminal or job.log.newest(Queued)
        return web.json_response(
            text=newest.model_dump_json() if newest else "{}", status=202 if new else 200
        )

    async def delete_job(self, request: web.Request) -> web.Response:
        await self._front.release(_job_id(request))
        return web.Response(status=204)

    async def get_events(self, request: web.Request) -> web.StreamResponse:
        job = self._front.job(_job_id(request))
        after = _last_event_id(request)
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await response.prepare(request)
        try:
            await self._stream(response, job, after)
        except (ConnectionError, TimeoutError):
            # Closing the stream must not cancel: a restart of the bot would kill the drawing.
            log.info("a reader of job %s left", job.id)
        return response

    async def _stream(self, response: web.StreamResponse, job: Job, after: int) -> None:
        """Events as they come, newest of each type, up to the one that ends the job."""
        while True:
            changed = job.log.changed  # before looking, or an event in between would be missed
            for event_id, event in job.log.after(after):
                after = event_id
                await _write(response, f"id: {event_id}\ndata: {event.model_dump_json()}\n\n")
            if job.log.terminal:
                return
            try:
                await asyncio.wait_for(changed.wait(), self._heartbeat_s)
            except TimeoutError:
                await _write(response, ": heartbeat\n\n")

    async def get_image(self, request: web.Request) -> web.StreamResponse:
        job = self._front.job(_job_id(request))
        index = request.match_info["index"]
        for image in job.finished.images if job.finished else ():
            if str(image.index) == index:
                path = job.folder / image.file_name
                return web.FileResponse(path, headers={"Content-Type": image.media_type})
        raise Refusal("unknown_image", "The job has no such image, or not yet.")

    async def get_capabilities(self, _: web.Request) -> web.Response:
        await self._catalogue.refresh()
        return web.json_response(text=self._catalogue.capabilities().model_dump_json())

    async def get_health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def get_ready(self, _: web.Request) -> web.Response:
        readiness = self._front.readiness()
        status = 200 if readiness.status == "ready" else 503
        return web.json_response(text=readiness.model_dump_json(), status=status)

    async def get_metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._front.metrics.page(), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _write(response: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(WRITE_S):
        await response.write(text.encode())


async def _read_body(request: web.Request) -> dict[str, bytes]:
    """The part `request`, and perhaps pictures, of a multipart body. Raises Refusal."""
    if request.content_type != "multipart/form-data":
        raise Refusal("wrong_media_type", "The body must be multipart/form-data.")
    if (request.content_length or 0) > MAX_BODY_BYTES:
        check_size(request.content_length or 0)
    try:
        async with asyncio.timeout(BODY_S):
            parts = await _read_parts(request)
    except TimeoutError:
        raise Refusal("bad_request", f"The body did not arrive within {BODY_S:g} s.") from None
    except (ValueError, HttpProcessingError, web.RequestPayloadError, ConnectionError):
        raise Refusal("bad_request", "The body is not well-formed multipart/form-data.") from None
    if "request" not in parts:
        raise Refusal("bad_request", "The part 'request' is missing.")
    return parts


async def _read_parts(request: web.Request) -> dict[str, bytes]:
    limits = {"request": MAX_REQUEST_BYTES} | dict.fromkeys(PICTURES, MAX_INPUT_BYTES)
    parts: dict[str, bytes] = {}
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        name = part.name if isinstance(part, BodyPartReader) else None
        if not isinstance(part, BodyPartReader) or name not in limits or name in parts:
            raise Refusal(
                "bad_request",
                f"The body must have one part 'request', and at most one each of {', '.join(PICTURES)}.",
            )
        content = await _read_part(part, limits[name])
        if content is None and name in PICTURES:
            rest = (request.content_length or 0) - sum(map(len, parts.values()))
            check_size(max(rest, MAX_INPUT_BYTES + 1), PICTURES[name])
        if content is None:
            raise Refusal("body_too_large", f"The part '{name}' must be at most {limits[name]} bytes.")
        parts[name] = content
    return parts


def _controls(parts: Mapping[str, bytes]) -> dict[int, bytes]:
    """The control pictures that were sent, by their number."""
    return {n: parts[name] for n in range(MAX_CONTROLS) if (name := f"control-{n}") in parts}


async def _read_part(part: BodyPartReader, limit: int) -> bytes | None:
    """The bytes of a part; None where it has more than `limit`, the rest of which is not read."""
    content = bytearray()
    while chunk := await part.read_chunk():
        content += chunk
        if len(content) > limit:
            return None
    return bytes(content)


def _job_id(request: web.Request) -> str:
    job_id = request.match_info["id"]
    if not re.fullmatch(JOB_ID_PATTERN, job_id):
        raise Refusal(
            "bad_request", "A job id has 1 to 64 letters, digits, '-' and '_', and nothing else.", field="id"
        )
    return job_id


def _last_event_id(request: web.Request) -> int:
    value = request.headers.get("Last-Event-ID", "0")
    if not re.fullmatch(r"[0-9]{1,18}", value):
        raise Refusal("bad_request", "Last-Event-ID must be a whole number.")
    return int(value)


def _guard(token: str, hosts: Collection[str]) -> Middleware:
    """Refuse web pages (Origin), rebound names (Host) and whoever does not know the token."""
    expected = f"Bearer {token}".encode()

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if "Origin" in request.headers:
            raise Refusal("forbidden", "The engine does not answer web pages.")
        host = _host(request)
        if not is_loopback(host) and host not in hosts:
            raise Refusal("forbidden", "The engine is not known by this host name.")
        given = request.headers.get("Authorization", "").encode(errors="replace")
        if request.path not in OPEN_PATHS and not hmac.compare_digest(given, expected):
            raise Refusal("unauthorized", "The bearer token is missing or wrong.")
        return await handler(request)

    return guard


def _host(request: web.Request) -> str:
    try:
        return urlsplit(f"//{request.headers.get('Host', '')}").hostname or ""
    except ValueError:
        return ""


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong leaves as an `ErrorBody`. What nobody expected is logged under a reference."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return _error(refusal)
    except web.HTTPNotFound:
        return _error(Refusal("unknown_route", "There is no such address."))
    except web.HTTPMethodNotAllowed:
        return _error(Refusal("wrong_method", f"{request.method} is not for this address."))
    except Exception:
        reference = secrets.token_hex(3)
        log.exception("unexpected error, reference %s", reference)
        return _error(Refusal("internal", f"Something broke in the engine (ref {reference})."))


def _error(refusal: Refusal) -> web.Response:
    headers = {"WWW-Authenticate": "Bearer"} if refusal.status == 401 else {}
    if refusal.retry_after is not None:
        headers["Retry-After"] = f"{refusal.retry_after:.0f}"
    return web.json_response(text=refusal.body.model_dump_json(), status=refusal.status, headers=headers)
