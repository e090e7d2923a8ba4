"""What the page is made of, and what it is told: one stream of what a person sees in a channel."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from html.parser import HTMLParser
from pathlib import PurePosixPath
from posixpath import normpath

import aiohttp
import pytest

from bot.playground.client import Json, Person
from bot.playground.page_view import RECENT
from bot.playground.server import Playground
from tests.playground.conftest import Api, Asked

IMPORT = re.compile(r'^import .* from "(\.[^"]+)";$', re.MULTILINE)


class Stream:
    """What the page hears. Every wait has a deadline."""

    def __init__(self, lines: aiohttp.StreamReader) -> None:
        self._lines = lines

    async def event(self, wanted: str) -> Json:
        """The data of the next event of this name; others are skipped."""
        async with asyncio.timeout(5):
            name = ""
            async for raw in self._lines:
                field, _, value = raw.decode().strip().partition(": ")
                if field == "event":
                    name = value
                elif field == "data" and name == wanted:
                    return dict(json.loads(value))
        raise AssertionError(f"the stream ended without {wanted!r}")

    async def ends(self) -> None:
        async with asyncio.timeout(5):
            while await self._lines.readany():
                pass


Listen = Callable[..., Awaitable[Stream]]


@pytest.fixture
async def listen(playground: Playground) -> AsyncIterator[Listen]:
    async with aiohttp.ClientSession(playground.base) as http, AsyncExitStack() as stack:

        async def listen(user: str = "alice", channel: str = "general") -> Stream:
            asked = http.get("/playground/stream", params={"user": user, "channel": channel})
            return Stream((await stack.enter_async_context(asked)).content)

        yield listen


@asynccontextmanager
async def fetch(playground: Playground, path: str) -> AsyncIterator[aiohttp.ClientResponse]:
    async with aiohttp.ClientSession(playground.base) as http, http.get(path) as response:
        yield response


class References(HTMLParser):
    """Stylesheets, scripts and icons that a document loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.found += [
            str(given[name]) for name in ("href", "src") if tag in ("link", "script") and name in given
        ]


async def test_every_file_of_the_page_is_served_and_nothing_from_elsewhere(playground: Playground) -> None:
    async with fetch(playground, "/") as response:
        references = References()
        references.feed(await response.text())
    left, seen = list(references.found), set[str]()
    while left:
        path = left.pop()
        if path in seen:
            continue
        seen.add(path)
        async with fetch(playground, f"/{path}") as response:
            assert response.status == 200, path
            assert response.content_type in ("text/javascript", "text/css", "image/svg+xml")
            text = await response.text()
        assert not re.search(r"https?://(?!www\.w3\.org|discord\.com/developers)[a-z]", text), path
        folder = PurePosixPath(path).parent
        left += [normpath(folder / found) for found in IMPORT.findall(text)]
    assert len(seen) > 40


async def test_nothing_foreign_runs_in_the_page_and_nothing_is_kept(playground: Playground) -> None:
    for path in ("/", "/page/main.js"):
        async with fetch(playground, path) as response:
            policy = response.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "script-src 'self';" in policy
            assert "unsafe" not in policy
            assert response.headers["Cache-Control"] == "no-store"
            assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_an_uploaded_page_cannot_act_as_ours(playground: Playground, alice: Person) -> None:
    message = await alice.say(
        "look", files={"a": ("evil.html", b"<script>fetch('/playground/world')</script>")}
    )
    async with fetch(playground, message["attachments"][0]["url"]) as response:
        assert response.status == 200
        assert "sandbox" in response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path",
    ["/page/none.js", "/page/../server.py", "/page/%2e%2e/server.py", "/page/chat/", "/page/index.html"],
)
async def test_only_files_of_the_page_are_served(playground: Playground, path: str) -> None:
    async with fetch(playground, path) as response:
        assert response.status == 404


@pytest.mark.parametrize("path", ["/", "/page/main.js", "/playground/stream"])
@pytest.mark.parametrize("header", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}])
async def test_the_page_is_for_this_machine_only(
    playground: Playground, path: str, header: dict[str, str]
) -> None:
    async with (
        aiohttp.ClientSession(playground.base, headers=header) as http,
        http.get(path) as response,
    ):
        assert response.status == 403


async def test_a_stream_begins_with_everything(listen: Listen, alice: Person, commands: list[Json]) -> None:
    said = await alice.say("hello")
    stream = await listen()
    world = await stream.event("world")
    assert {each["username"] for each in world["people"]} == {"alice", "bob"}
    assert world["channel_id"] == said["channel_id"]
    offered = (await stream.event("commands"))["commands"]
    assert {each["name"] for each in offered} < {each["name"] for each in commands}
    messages = await stream.event("messages")
    assert (messages["reset"], messages["gone"]) == (True, [])
    assert [each["content"] for each in messages["upsert"]] == ["hello"]
    assert "now" in await stream.event("tick")


async def test_only_what_changed_is_told(listen: Listen, alice: Person) -> None:
    first = await alice.say("first")
    await alice.say("second")
    stream = await listen()
    assert len((await stream.event("messages"))["upsert"]) == 2
    await alice.react(first, "👍")
    told = await stream.event("messages")
    assert (told["reset"], [each["id"] for each in told["upsert"]]) == (False, [first["id"]])
    assert told["upsert"][0]["reactions"][0]["me"] is True
    await alice.delete(first)
    assert (await stream.event("messages"))["gone"] == [first["id"]]


async def test_a_private_answer_is_told_to_its_person_only(
    listen: Listen, ask: Callable[[], Awaitable[Asked]], alice: Person
) -> None:
    streams = {name: await listen(name) for name in ("alice", "bob")}
    for stream in streams.values():
        await stream.event("messages")
    asked = await ask()
    await asked.callback(4, {"content": "between us", "flags": 64})
    told = (await streams["alice"].event("messages"))["upsert"]
    assert [(each["content"], each["command"]) for each in told] == [("between us", "/imagine")]
    await alice.say("for all")
    told = (await streams["bob"].event("messages"))["upsert"]
    assert [each["content"] for each in told] == ["for all"]


async def test_an_interaction_is_followed_until_it_fails_by_itself(
    listen: Listen, ask: Callable[[], Awaitable[Asked]], alice: Person
) -> None:
    stream = await listen()
    await ask()
    [told] = (await stream.event("interactions"))["upsert"]
    assert (told["state"], told["name"]) == ("waiting", "/imagine")
    await alice.move_clock(3.1)
    [told] = (await stream.event("interactions"))["upsert"]
    assert told["state"] == "failed"


async def test_old_interactions_are_forgotten(listen: Listen, ask: Callable[[], Awaitable[Asked]]) -> None:
    first = await ask()
    stream = await listen()
    await stream.event("interactions")
    for _ in range(RECENT):
        await ask()
    gone: list[str] = []
    while not gone:
        gone = (await stream.event("interactions"))["gone"]
    assert gone == [first.act.id]


async def test_links_are_renewed_before_they_expire(listen: Listen, alice: Person, picture: bytes) -> None:
    await alice.say("look", files={"a": ("a.png", picture)})
    stream = await listen()
    [before] = (await stream.event("messages"))["upsert"]
    await alice.move_clock(13 * 3600)
    [after] = (await stream.event("messages"))["upsert"]
    assert before["attachments"][0]["url"] != after["attachments"][0]["url"]
    await alice.move_clock(13 * 3600)
    assert await alice.download(after["attachments"][0]["url"]) == picture


async def test_who_loses_a_channel_is_told_so(listen: Listen, alice: Person, playground: Playground) -> None:
    await alice.say("hello")
    stream = await listen()
    await stream.event("messages")
    url = f"{playground.base}/playground/world/channels/delete"
    async with aiohttp.request("POST", url, json={"channel": "general"}) as response:
        assert response.status == 200
    assert "general" in (await stream.event("closed"))["message"]
    await stream.ends()


@pytest.mark.parametrize("query", ["user=nobody", "user=bob&channel=nowhere"])
async def test_a_place_that_is_not_there_is_refused_in_words(playground: Playground, query: str) -> None:
    async with fetch(playground, f"/playground/stream?{query}") as response:
        assert response.status == 422
        assert (await response.json())["message"].endswith(".")


async def test_an_open_page_does_not_keep_the_playground_from_stopping(playground: Playground) -> None:
    async with aiohttp.request("GET", f"{playground.base}/playground/stream") as response:
        stream = Stream(response.content)
        await stream.event("tick")
        began = time.monotonic()
        await playground.stop()
        await stream.ends()
    assert time.monotonic() - began < 1


async def test_a_call_that_changes_nothing_is_told_as_traffic(listen: Listen, api: Api) -> None:
    stream = await listen()
    before = (await stream.event("tick"))["traffic"]
    await api("GET", "/users/@me")
    assert (await stream.event("tick"))["traffic"] == before + 1
