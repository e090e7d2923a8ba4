"""Whole stories: the real bot and the real engine as processes of their own, and somebody at the playground."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from bot.launcher import Child
from bot.playground.client import Person
from bot.trial import Trial, start_trial
from tests.page.browser import browser, open_page
from tests.patience import until
from tests.playground.judges import MATERIAL, Judges, judges

__all__ = ["browser", "judges", "open_page"]

DEADLINE_S = 90.0
ENVIRONMENT = {
    "DARKROOM_DISCORD__EDIT_EVERY_S": "0.2",  # a story should not wait for progress
    "DARKROOM_LIMITS__JOBS_PER_PERSON": "30",
    "DARKROOM_LOG__LEVEL": "WARNING",
}
SLOW: dict[str, object] = {"prompt": "a slow hamster", "size": "512x512", "steps": 70, "seed": 7}
QUICK: dict[str, object] = {"prompt": "a quick hamster", "steps": 4, "seed": 7}


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty models folder: the demo model draws all stories."""
    return tmp_path_factory.mktemp("models")


@asynccontextmanager
async def judged_trial(data: Path, request: pytest.FixtureRequest, models: Path) -> AsyncIterator[Trial]:
    """Everything running and ready. All of Discord's traffic is judged at the end, where the judges are at hand."""
    judge: Judges | None = request.getfixturevalue("judges") if MATERIAL.exists() else None
    async with start_trial(data=data, models=models, environment=ENVIRONMENT) as trial:
        await trial.ready()
        yield trial
        if judge:
            assert judge.verdict(trial.playground.traffic) == []


@pytest.fixture
async def trial(tmp_path: Path, models: Path, request: pytest.FixtureRequest) -> AsyncIterator[Trial]:
    """One of its own for each test, whose processes it may kill."""
    async with judged_trial(tmp_path / "data", request, models) as trial:
        yield trial


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared_trial(
    tmp_path_factory: pytest.TempPathFactory, models: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Trial]:
    """One for all tests of a module, on one event loop: to start it takes longer than most of their stories."""
    async with judged_trial(tmp_path_factory.mktemp("data"), request, models) as trial:
        yield trial


@pytest.fixture
async def alice(trial: Trial) -> AsyncIterator[Person]:
    async with Person(trial.playground.base, user="alice") as person:
        yield person


@pytest.fixture
async def bob(trial: Trial) -> AsyncIterator[Person]:
    async with Person(trial.playground.base, user="bob") as person:
        yield person


@pytest_asyncio.fixture(loop_scope="module")
async def shared_alice(shared_trial: Trial) -> AsyncIterator[Person]:
    """Alice at the trial that the module shares, on its event loop."""
    async with Person(shared_trial.playground.base, user="alice") as person:
        yield person


@pytest_asyncio.fixture(loop_scope="module")
async def shared_bob(shared_trial: Trial) -> AsyncIterator[Person]:
    async with Person(shared_trial.playground.base, user="bob") as person:
        yield person


async def metric(trial: Trial, name: str, **labels: str) -> float:
    """One number of the engine's /metrics; 0 where nothing was counted yet."""
    headers = {"Authorization": f"Bearer {trial.engine_token}"}
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{trial.engine_url}/metrics", headers=headers) as answer,
    ):
        text = await answer.text()
    wanted = "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}" if labels else ""
    lines = [line for line in text.splitlines() if line.startswith(f"{name}{wanted} ")]
    return float(lines[0].rpartition(" ")[2]) if lines else 0.0


async def restarted(child: Child, pid: int) -> None:
    """Wait until another process than `pid` runs as this child."""
    await until(lambda: child.process is not None and child.process.pid != pid, within=DEADLINE_S)


def drawing(message: dict[str, Any]) -> bool:
    """Whether a reply shows that the engine has begun."""
    return "step" in message["content"]
