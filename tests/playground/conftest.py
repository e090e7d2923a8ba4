"""A playground, the people in it, and discord.py pointed at it. All traffic is judged when a test ends."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import aiohttp
import discord
import pytest
from PIL import Image

from bot.playground.client import Json, Person
from bot.playground.clock import Clock
from bot.playground.connect import point_discord_at
from bot.playground.server import Playground
from tests.playground.judges import MATERIAL, Judges, judges
from tests.playground.sample_bot import SampleBot

__all__ = ["judges"]


@pytest.fixture
def clock() -> Clock:
    """The playground's; a module whose stories need another time has its own."""
    return Clock()


@pytest.fixture
async def playground(request: pytest.FixtureRequest, clock: Clock) -> AsyncIterator[Playground]:
    judge: Judges | None = request.getfixturevalue("judges") if MATERIAL.exists() else None
    playground = Playground(clock=clock)
    await playground.start()
    yield playground
    await playground.stop()
    if judge:
        assert judge.verdict(playground.traffic) == []


@pytest.fixture
async def alice(playground: Playground) -> AsyncIterator[Person]:
    async with Person(playground.base, user="alice") as person:
        yield person


@pytest.fixture
async def bob(playground: Playground) -> AsyncIterator[Person]:
    async with Person(playground.base, user="bob") as person:
        yield person


@pytest.fixture
def picture() -> bytes:
    """A PNG of 64 by 48 pixels."""
    stream = io.BytesIO()
    Image.new("RGB", (64, 48), "orange").save(stream, "PNG")
    return stream.getvalue()


StartBot = Callable[..., Awaitable[SampleBot]]


@pytest.fixture
async def start_bot(
    playground: Playground, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[StartBot]:
    """Starts a SampleBot and waits until it is ready, with its commands synced."""
    monkeypatch.setattr(discord.http.Route, "BASE", discord.http.Route.BASE)
    monkeypatch.setattr(discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", None)
    monkeypatch.setattr(discord.asset.Asset, "BASE", discord.asset.Asset.BASE)
    point_discord_at(playground.base)
    playground.session_starts.pause_s = 0  # five seconds between two IDENTIFYs
    async with AsyncExitStack() as stack:

        async def start(*, sync_to: int | None = None) -> SampleBot:
            bot = SampleBot(picture, sync_to=sync_to)
            running = asyncio.create_task(bot.start(playground.token), name="sample bot")
            stack.push_async_callback(asyncio.wait_for, running, 5)
            stack.push_async_callback(bot.close)
            await asyncio.wait_for(bot.ready.wait(), 10)
            return bot

        yield start


@pytest.fixture
async def bot(start_bot: StartBot) -> SampleBot:
    return await start_bot()


class Api:
    """The REST API without a library: what a bot that knows no better may send."""

    def __init__(self, http: aiohttp.ClientSession, token: str) -> None:
        self._http = http
        self._headers = {"Authorization": f"Bot {token}"}

    async def __call__(self, method: str, path: str, body: object = None) -> tuple[int, Json]:
        """The status and the JSON of the answer."""
        url = f"/api/v10{path}"
        async with self._http.request(method, url, json=body, headers=self._headers) as response:
            return response.status, await response.json() if response.content_length else {}

    async def upload(
        self, method: str, path: str, body: str, files: dict[str, tuple[str, bytes]]
    ) -> tuple[int, Json]:
        form = aiohttp.FormData({"payload_json": body}, default_to_multipart=True)
        for key, (name, data) in files.items():
            form.add_field(key, io.BytesIO(data), filename=name)
        async with self._http.request(
            method, f"/api/v10{path}", data=form, headers=self._headers
        ) as response:
            return response.status, await response.json()


@pytest.fixture
async def api(playground: Playground) -> AsyncIterator[Api]:
    async with aiohttp.ClientSession(playground.base) as http:
        yield Api(http, playground.token)


COMMANDS: list[Json] = [
    {
        "name": "imagine",
        "description": "Draws",
        "options": [
            {"type": 3, "name": "prompt", "description": "What", "required": True, "max_length": 100},
            {"type": 4, "name": "steps", "description": "How long", "min_value": 1, "max_value": 150},
            {"type": 11, "name": "image", "description": "From"},
            {"type": 5, "name": "private", "description": "Only for you"},
            {
                "type": 3,
                "name": "sampler",
                "description": "How",
                "choices": [{"name": "Euler a", "value": "euler_a"}, {"name": "DDIM", "value": "ddim"}],
            },
        ],
    },
    {"name": "private", "description": "Only where it is allowed", "nsfw": True},
    {"name": "here", "description": "Only in the server", "contexts": [0]},
    {
        "name": "gallery",
        "description": "Pictures",
        "options": [
            {
                "type": 1,
                "name": "show",
                "description": "Shows",
                "options": [{"type": 4, "name": "page", "description": "Which"}],
            }
        ],
    },
]


@pytest.fixture
async def commands(api: Api, playground: Playground) -> list[Json]:
    """COMMANDS, registered without a bot."""
    await api("PUT", f"/applications/{playground.state.application_id}/commands", COMMANDS)
    return list(playground.state.commands.values())


class Asked:
    """One interaction as a bot meets it: `callback` answers it, `webhook` is where its messages are."""

    def __init__(self, api: Api, playground: Playground, id: str) -> None:
        act = next(each for each in playground.state.interactions.values() if each.id == id)
        self._api = api
        self.act = act
        self.webhook = f"/webhooks/{playground.state.application_id}/{act.token}"
        self.original = f"{self.webhook}/messages/@original"

    async def callback(
        self, type: int, data: Json | None = None, *, query: str = "?with_response=1"
    ) -> tuple[int, Json]:
        body = {"type": type} | ({} if data is None else {"data": data})
        return await self._api("POST", f"/interactions/{self.act.id}/{self.act.token}/callback{query}", body)


@pytest.fixture
async def ask(
    api: Api, playground: Playground, alice: Person, commands: list[Json]
) -> Callable[[], Awaitable[Asked]]:
    """Lets alice ask for a picture; nobody answers but the test."""
    del commands

    async def ask() -> Asked:
        return Asked(api, playground, (await alice.slash("imagine", {"prompt": "a hamster"})).id)

    return ask
