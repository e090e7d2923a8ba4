"""What was promised before it was acknowledged, and is not yet kept."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.history.promises import Promise
from bot.history.store import History

LATER = datetime(2026, 11, 20, 12, 15, tzinfo=UTC)


def promise(interaction_id: int) -> Promise:
    return Promise(interaction_id=interaction_id, token=f"token {interaction_id}", expires_at=LATER)


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[History]:
    history = await History.open(f"sqlite+aiosqlite:///{tmp_path / 'history.db'}")
    yield history
    await history.close()


async def test_a_promise_is_owed_until_it_is_kept(history: History) -> None:
    await history.promises.make(promise(2))
    await history.promises.make(promise(1))
    assert await history.promises.owed() == (promise(1), promise(2))
    await history.promises.keep(1)
    assert await history.promises.owed() == (promise(2),)


async def test_making_or_keeping_a_promise_twice_changes_nothing(history: History) -> None:
    await history.promises.make(promise(1))
    await history.promises.make(promise(1))
    assert await history.promises.owed() == (promise(1),)
    await history.promises.keep(1)
    await history.promises.keep(1)
    assert await history.promises.owed() == ()


async def test_a_promise_outlives_the_process(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'other.db'}"
    first = await History.open(url)
    await first.promises.make(promise(1))
    await first.close()
    second = await History.open(url)
    assert await second.promises.owed() == (promise(1),)
    await second.close()
