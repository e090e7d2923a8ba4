"""A bot in a playground: composed as in `__main__`, real but for Discord's servers and the drawing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from discord.asset import Asset
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.__main__ import compose, login, serve
from bot.client import Darkroom
from bot.config import Discord, Limits, Paths, Settings
from bot.history.store import History
from bot.playground.client import Person
from bot.playground.connect import point_discord_at
from bot.playground.server import Playground
from tests.bot.commands.scripted_engine import ScriptedEngine
from tests.patience import DEADLINE_S
from tests.playground.judges import MATERIAL, Judges, judges

__all__ = ["judges"]


@pytest.fixture
async def playground(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Playground]:
    """A playground that discord.py is pointed at; its traffic is judged when the test ends."""
    for owner, name in ((Route, "BASE"), (DiscordWebSocket, "DEFAULT_GATEWAY"), (Asset, "BASE")):
        monkeypatch.setattr(owner, name, getattr(owner, name))  # so that it is put back
    there = (MATERIAL / "openapi.json").exists()
    judge: Judges | None = request.getfixturevalue("judges") if there else None
    running = Playground()
    point_discord_at(await running.start())
    yield running
    await running.stop()
    if judge is not None:
        assert judge.verdict(running.traffic) == []


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@asynccontextmanager
async def bot(
    playground: Playground, engine: ScriptedEngine, data: Path, jobs_per_person: int = 5
) -> AsyncIterator[tuple[Darkroom, History]]:
    """The bot's process without its process: composed as in `__main__`, started, and stopped cleanly."""
    settings = Settings(
        paths=Paths(data=data),
        discord=Discord(edit_every_s=0.1),
        limits=Limits(jobs_per_person=jobs_per_person),
    )
    history = await History.open(f"sqlite+aiosqlite:///{data / 'darkroom.db'}")
    client, dispatcher = compose(settings, history, engine)
    await login(client, playground.token)
    stopping = asyncio.Event()
    task = asyncio.create_task(serve(client, dispatcher, stopping))
    try:
        async with Person(playground.base) as alice:
            await alice.wait_online(DEADLINE_S)
        yield client, history
    finally:
        stopping.set()
        async with asyncio.timeout(DEADLINE_S):
            await task
        await history.close()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Come back once `condition` holds. Raises TimeoutError."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.01)
