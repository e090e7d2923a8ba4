"""The REST API's outer layer: reading requests, faults, authorization, answering, and the record of it all."""

import asyncio
import json
import logging
import math
import re
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import replace
from typing import Any

from aiohttp import BodyPartReader, web

from bot.playground import errors
from bot.playground.cdn import Upload
from bot.playground.errors import DiscordError
from bot.playground.faults import Fault, FaultKind, Faults
from bot.playground.ratelimits import Banned, RateLimits
from bot.playground.routing import Answer, Call, Route, Router
from bot.playground.state import REQUEST_LIMIT, State
from bot.playground.traffic import Traffic

log = logging.getLogger(__name__)

PREFIX = "/api/v10"
VERSION = re.compile(r"/api(/v\d+)?(?=/|$)")
NESTING = 64  # levels of a body
OVERHEAD = 1024 * 1024  # of a multipart body over its files


class Rest:
    """Answers everything under /api."""

    def __init__(
        self,
        *,
        state: State,
        router: Router,
        limits: RateLimits,
        faults: Faults,
        traffic: Traffic,
        token: str,
    ) -> None:
        self._state = state
        self._router = router
        self._limits = limits
        self._faults = faults
        self._traffic = traffic
        self._authorization = f"Bot {token}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = VERSION.sub("", request.path, count=1)
        body, uploads, fault = None, dict[str, Upload](), None
        headers: dict[str, str] = {}
        try:
            self._limits.admit()
            body, uploads = await read_request(request)
            call = Call(method=request.method, path=path, query=request.query, body=body, uploads=uploads)
            fault = self._faults.take(call.method, path)
            route, params = self._route(request, path)
            headers |= self._limits.take(route, params)
            status, answer = await self._answer(route, replace(call, params=params), fault)
        except Banned as banned:
            return _banned(banned)
        except DiscordError as error:
            status, answer = error.status, error.body
            headers |= error.headers
        except Exception:
            log.exception("the playground failed at %s %s", request.method, path)
            status, answer = 500, {"message": "500: Internal Server Error", "code": 0}
        self._limits.answered(status, headers.get("X-RateLimit-Scope"))
        lost = fault is not None and fault.kind is FaultKind.LOST
        self._record(request, path, body, uploads, None if lost else status, answer)
        if lost and request.transport:
            request.transport.abort()
        return _response(status, answer, headers, via=fault.via if fault else True)

    def _route(self, request: web.Request, path: str) -> tuple[Route, dict[str, str]]:
        """Raises DiscordError: 50041 for another version of the API, 404, 405, 401."""
        if not request.path.startswith(f"{PREFIX}/"):
            raise errors.invalid_version()
        route, params = self._router.find(request.method, path)
        if not route.open and request.headers.get("Authorization") != self._authorization:
            raise errors.unauthorized()
        return route, params

    async def _answer(self, route: Route, call: Call, fault: Fault | None) -> Answer:
        if fault and fault.kind in (FaultKind.ERROR, FaultKind.RATE_LIMIT):
            raise fault.error()
        if fault and fault.kind is FaultKind.DELAY:
            await asyncio.sleep(fault.seconds)
        answer = route.handler(call)
        if fault and fault.kind is FaultKind.ERROR_AFTER:
            raise fault.error()
        return answer

    def _record(
        self,
        request: web.Request,
        path: str,
        body: Any,
        uploads: dict[str, Upload],
        status: int | None,
        answer: Any,
    ) -> None:
        files = {
            key: {"filename": each.filename, "content_type": each.content_type, "size": len(each.data)}
            for key, each in uploads.items()
        }
        self._traffic.exchange(
            at=self._state.clock.now(),
            method=request.method,
            path=path,
            query=dict(request.query),
            body=body,
            files=files,
            status=status,
            answer=answer,
        )


def _response(status: int, answer: Any, headers: dict[str, str], *, via: bool) -> web.Response:
    if via:
        headers["Via"] = "1.1 playground"
    if answer is None:
        return web.Response(status=status, headers=headers)
    # Exactly this type: discord.py compares the whole header, and a charset parameter breaks its login.
    headers["Content-Type"] = "application/json"
    return web.Response(status=status, body=json.dumps(answer).encode(), headers=headers)


def _banned(banned: Banned) -> web.Response:
    """Cloudflare speaks for Discord: plain text, and no Via."""
    headers = {"Retry-After": str(math.ceil(banned.seconds))}
    return web.Response(status=429, text="error code: 1015", headers=headers)


async def read_request(request: web.Request) -> tuple[Any, dict[str, Upload]]:
    """The JSON body and the files of a request, in memory. Raises DiscordError 50109 or 40005."""
    if request.content_type != "multipart/form-data":
        raw = await _limited(request.content.iter_any(), REQUEST_LIMIT + OVERHEAD)
        return (_json(raw) if raw else None), {}
    body: Any = {}
    uploads: dict[str, Upload] = {}
    left = REQUEST_LIMIT + OVERHEAD
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                raise errors.invalid_json()
            data = await _limited(_chunks(part), left)
            left -= len(data)
            if part.name == "payload_json":
                body = _json(data)
            elif part.name and (key := re.fullmatch(r"files\[(.+)\]", part.name)):
                uploads[key[1]] = await Upload.read(part.filename or "", data)
    except ValueError:
        raise errors.invalid_json() from None  # not the multipart form that the header promises
    return body, uploads


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while not part.at_eof():
        yield bytes(await part.read_chunk())


async def _limited(chunks: AsyncIterable[bytes], limit: int) -> bytes:
    raw = bytearray()
    async for chunk in chunks:
        raw += chunk
        if len(raw) > limit:
            raise errors.too_large()
    return bytes(raw)


def _json(raw: bytes) -> Any:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise errors.invalid_json() from None
    if _deeper(body, NESTING):
        raise errors.invalid_json()
    return body


def _deeper(body: Any, levels: int) -> bool:
    """Whether the body is nested deeper than this: everything after it may walk it recursively."""
    if not isinstance(body, dict | list):
        return False
    inside = body.values() if isinstance(body, dict) else body
    return levels == 0 or any(_deeper(each, levels - 1) for each in inside)
