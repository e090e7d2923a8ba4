"""The engine over HTTP: `ports.Engine` on aiohttp. The calls are documented in docs/api.md."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self

import aiohttp
from pydantic import ValidationError

from bot.event_stream import LINE_LIMIT, EventParser, event_of, nonsense
from bot.jobs.ports import EngineAway, EngineEvent, EngineFull, EngineRefused
from bot.jobs.states import Job
from engine.wire import (
    STARTING,
    TERMINAL,
    VERSION,
    Capabilities,
    ErrorBody,
    GenerationRequest,
    Readiness,
)

log = logging.getLogger(__name__)

CONNECT_S = 5.0
SILENCE_S = 30.0  # three missed heartbeats
ANSWER_S = 15.0  # for calls that are not streams
IMAGE_S = 120.0
UPLOAD_S = 60.0  # as long as the engine waits for a body
FRESH_S = 30.0  # capabilities younger than this are not asked for again
STARTING_S = 1.0  # those of an engine that is still starting
PATIENCE_S = 1.5  # Discord wants autocompletion within 3 s: known capabilities are served stale after this
RETRY_AFTER_S = 5.0  # where a full engine does not say when
REJOINS = 3  # broken streams in a row without an event between them

_BROKEN = (aiohttp.ClientError, TimeoutError, ConnectionError)


class EngineClient:
    """One engine at `url`. Use it as `async with EngineClient(…) as engine`.

    A stream that is silent for `silence_s` is broken; known capabilities are served stale after `patience_s`.
    A `session` that is handed in is left open.
    """

    def __init__(
        self,
        *,
        url: str,
        token: str,
        session: aiohttp.ClientSession | None = None,
        silence_s: float = SILENCE_S,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"}
        self._given = session
        self._opened: aiohttp.ClientSession | None = None
        self._silence_s = silence_s
        self._patience_s = patience_s
        self._clock = clock
        self._capabilities: Capabilities | None = None
        self._fresh_until = 0.0
        self._away = False
        self._refreshing: asyncio.Task[Capabilities] | None = None

    async def __aenter__(self) -> Self:
        if self._given is None:
            # No limit: every waiting job holds a stream open.
            self._opened = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.wait([self._refreshing])
        if self._opened is not None:
            await self._opened.close()

    async def submit(self, job: Job, input_image: Path | None, mask: Path | None = None) -> None:
        """PUT the job; the same job again attaches to it. Raises EngineAway, EngineFull, EngineRefused."""
        await self.put(job.id, job.request, input_image, mask)

    async def put(
        self,
        job_id: str,
        request: GenerationRequest,
        input_image: Path | None,
        mask: Path | None = None,
        depth: Path | None = None,
        controls: Sequence[Path] = (),
    ) -> None:
        """As `submit`, for a request that is nobody's job, and with the other pictures that it needs."""
        form = aiohttp.FormData(default_to_multipart=True)
        form.add_field("request", request.model_dump_json(), content_type="application/json")
        pictures = {"image": input_image, "mask": mask, "depth": depth}
        pictures |= {f"control-{index}": path for index, path in enumerate(controls)}
        for name, path in pictures.items():
            if path is not None:
                data = await asyncio.to_thread(path.read_bytes)
                form.add_field(name, data, filename=path.name, content_type="application/octet-stream")
        async with self._call("PUT", f"/v1/jobs/{job_id}", within=UPLOAD_S, data=form):
            pass

    async def events(self, job_id: str) -> AsyncGenerator[EngineEvent]:
        """The job's events up to and with the terminal one. A broken stream is joined again where it broke.

        Raises EngineAway where it cannot be, EngineRefused where the job is not known.
        """
        last_id: str | None = None
        broken = 0
        while broken < REJOINS:
            broken += 1
            try:
                async with self._stream(job_id, last_id) as response:
                    parser = EventParser()
                    while chunk := await response.content.readany():
                        for message in parser.feed(chunk):
                            broken, last_id = 0, message.id or last_id
                            event = event_of(message.data)
                            yield event
                            if isinstance(event, TERMINAL):
                                return
            except _BROKEN as error:
                log.info("job %s: the event stream broke: %s", job_id, error or type(error).__name__)
        raise EngineAway("the event stream broke again and again")

    async def image(self, job_id: str, index: int) -> bytes:
        """The bytes of one finished image. Raises EngineAway, EngineRefused."""
        async with self._call("GET", f"/v1/jobs/{job_id}/images/{index}", within=IMAGE_S) as response:
            return await response.read()

    async def release(self, job_id: str) -> None:
        """DELETE: cancel the job, or acknowledge a finished one. Raises EngineAway, EngineRefused."""
        async with self._call("DELETE", f"/v1/jobs/{job_id}", within=ANSWER_S):
            pass

    async def readiness(self) -> Readiness:
        """Whether it can draw now, and how much it has to do. Raises EngineAway."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_S, sock_connect=CONNECT_S)
        try:
            async with self._session.get(f"{self.url}/readyz", timeout=timeout) as response:
                return Readiness.model_validate_json(await response.content.read(LINE_LIMIT))
        except (*_BROKEN, ValidationError) as error:
            raise EngineAway("the engine did not say whether it can draw") from error

    async def capabilities(self) -> Capabilities:
        """What the engine offers, at most half a minute old while it answers.

        Once known, they are served stale rather than late: after 1.5 s, or when the engine is away.
        Raises EngineAway before the first answer, EngineRefused where the two programs do not match.
        """
        if self._capabilities is not None and self._clock() < self._fresh_until:
            return self._capabilities
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh(), name="capabilities")
            self._refreshing.add_done_callback(_look)
        if self._capabilities is None:
            return await asyncio.shield(self._refreshing)
        try:
            return await asyncio.wait_for(asyncio.shield(self._refreshing), self._patience_s)
        except (EngineAway, TimeoutError):
            return self._capabilities

    @property
    def is_away(self) -> bool:
        """Whether it did not answer when it was last asked what it offers."""
        return self._away

    async def _refresh(self) -> Capabilities:
        try:
            async with self._call("GET", "/v1/capabilities", within=ANSWER_S) as response:
                body = await response.read()
        except EngineAway:
            self._away = True
            raise
        self._away = False
        self._capabilities = _capabilities(body)
        settled = self._capabilities.device != STARTING
        self._fresh_until = self._clock() + (FRESH_S if settled else STARTING_S)
        return self._capabilities

    @asynccontextmanager
    async def _call(
        self, method: str, path: str, *, within: float, data: aiohttp.FormData | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One short call; a broken connection is EngineAway, an answer that is no success is raised."""
        timeout = aiohttp.ClientTimeout(total=within, sock_connect=CONNECT_S)
        try:
            async with self._session.request(
                method, self.url + path, data=data, headers=self._headers, timeout=timeout
            ) as response:
                await _check(response)
                yield response
        except _BROKEN as error:
            raise EngineAway(f"the engine did not answer: {error or type(error).__name__}") from error

    @asynccontextmanager
    async def _stream(self, job_id: str, last_id: str | None) -> AsyncIterator[aiohttp.ClientResponse]:
        """The open event stream. Only a failure to connect is EngineAway: later ones may be joined again."""
        headers = self._headers if last_id is None else {**self._headers, "Last-Event-ID": last_id}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=self._silence_s)
        url = f"{self.url}/v1/jobs/{job_id}/events"
        try:
            response = await self._session.get(url, headers=headers, timeout=timeout)
        except _BROKEN as error:
            raise EngineAway(f"the engine did not answer: {error or type(error).__name__}") from error
        async with response:
            await _check(response)
            yield response

    @property
    def _session(self) -> aiohttp.ClientSession:
        session = self._given or self._opened
        if session is None:
            raise RuntimeError("EngineClient is used outside of its `async with`")
        return session


def _capabilities(body: bytes) -> Capabilities:
    try:
        version = json.loads(body)["version"]
        if version != VERSION:
            message = (
                f"The engine speaks version {version} of the contract, the bot {VERSION}: update the older."
            )
            raise EngineRefused(ErrorBody(code="version_mismatch", message=message))
        return Capabilities.model_validate_json(body)
    except (ValueError, KeyError, TypeError) as error:
        raise nonsense("capabilities that this bot does not know") from error


async def _check(response: aiohttp.ClientResponse) -> None:
    """Raise what an answer that is no success means."""
    if response.status < 300:
        return
    if response.status == 429:
        raise EngineFull(_seconds(response.headers.get("Retry-After", "")))
    try:
        error = ErrorBody.model_validate_json(await response.content.read(LINE_LIMIT))
    except ValidationError:
        # A proxy's words, perhaps: its 5xx pass, other refusals do not.
        message = f"The engine answered {response.status} without saying why."
        error = ErrorBody(code="bad_answer", message=message, retryable=response.status >= 500)
    if error.retryable and response.status >= 500:
        raise EngineAway(f"the engine answered {response.status}: {error.message}")
    raise EngineRefused(error)


def _seconds(retry_after: str) -> float:
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        return RETRY_AFTER_S


def _look(task: asyncio.Task[Capabilities]) -> None:
    """Look at a refresh that nobody waited for to the end, so that its failure is not reported as forgotten."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.info("capabilities: %s", error)
