"""The page in the browser: its files, and the one stream that tells it what a person sees in a channel.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import PurePosixPath

from aiohttp import web

from bot.playground.errors import NotPossible
from bot.playground.page_view import View
from bot.playground.state import Json, State

HEARTBEAT_S = 15.0  # a closed page is noticed when it is written to
GATHER_S = 0.05  # what happens within this time is told together

TYPES: Mapping[str, str] = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# An upload shares our origin: it must not run as a page of ours, whatever it claims to be.
SANDBOX = "default-src 'none'; sandbox"


class PageApi:
    """`view` makes what a person (by name) sees in a channel; NotPossible where there is no such place."""

    def __init__(self, *, state: State, view: Callable[[str, str], View]) -> None:
        self._state = state
        self._view = view
        self._files = resources.files("bot.playground") / "page"
        self._closing = False

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self._index),
            web.get(r"/page/{path:(?:[a-z]+/)?[a-z_]+\.(?:js|css|svg)}", self._file),
            web.get("/playground/stream", self._stream),
        ]

    async def close(self, _: web.Application) -> None:
        """End every stream: the server waits for them before it stops."""
        self._closing = True
        self._state.changes.bump()

    async def _index(self, _: web.Request) -> web.Response:
        return await self._served("index.html")

    async def _file(self, request: web.Request) -> web.Response:
        return await self._served(request.match_info["path"])

    async def _served(self, path: str) -> web.Response:
        file = self._files.joinpath(path)
        try:
            body = await asyncio.to_thread(file.read_bytes)
        except FileNotFoundError:
            return web.Response(status=404, text="The page has no such file.")
        headers = {"Content-Security-Policy": STRICT, "Referrer-Policy": "no-referrer"}
        kind = TYPES[PurePosixPath(path).suffix]
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """Server-Sent Events for `user` in `channel`: those of `View.news`, and `closed` when the place is gone."""
        user, channel = request.query.get("user", "alice"), request.query.get("channel", "general")
        try:
            view = self._view(user, channel)
        except NotPossible as error:
            return web.json_response({"message": str(error)}, status=422)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            await self._tell(view, response)
        except NotPossible as error:
            await response.write(_event("closed", {"message": str(error)}))
        except ConnectionResetError:
            pass  # the page was closed
        return response

    async def _tell(self, view: View, response: web.StreamResponse) -> None:
        changes = self._state.changes
        while not self._closing:
            seen = changes.count
            for event, data in view.news():
                await response.write(_event(event, data))
            await changes.wait(seen, timeout=min(view.due_in(), HEARTBEAT_S))
            await asyncio.sleep(GATHER_S)


def _event(name: str, data: Json) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


async def harden(_: web.Request, response: web.StreamResponse) -> None:
    """On every answer: its type is not guessed, it is not kept, and nothing in it runs unless it says so."""
    defaults = {
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "Content-Security-Policy": SANDBOX,
    }
    for name, value in defaults.items():
        response.headers.setdefault(name, value)
