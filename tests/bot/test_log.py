"""The log tells what happens, never what people wrote or what opens doors."""

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot import log as logs
from bot.history.promises import Promise
from bot.history.store import History
from tests.bot.samples import conversation, job

PROMPT = "a prompt that is nobody's business"
TOKEN = "aW50ZXJhY3Rpb246dG9rZW4"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What is written while logging is as the bot sets it up; afterwards logging is as it was."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    logs.set_up("INFO", [])
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    stream = io.StringIO()
    handler.setStream(stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    for name in ("discord", "aiohttp", "PIL", "sqlalchemy", "aiosqlite", "alembic"):
        logging.getLogger(name).setLevel(logging.NOTSET)


async def test_neither_prompts_nor_tokens_are_in_the_log_of_a_bot_that_keeps_a_job(
    tmp_path: Path, written: io.StringIO
) -> None:
    where = conversation(token=TOKEN)
    history = await History.open(f"sqlite+aiosqlite:///{tmp_path / 'history.db'}")
    promise = Promise(interaction_id=5, token=TOKEN, expires_at=where.token_expires_at)
    await history.promises.make(promise)
    await history.add(job(where=where, prompt=PROMPT))
    await history.close()
    logging.getLogger("bot.test").info("one line that shows that anything is logged at all")
    assert "one line that shows" in written.getvalue()
    assert PROMPT not in written.getvalue()
    assert TOKEN not in written.getvalue()


def test_what_looks_like_a_token_is_hidden(written: io.StringIO) -> None:
    logging.getLogger("bot.test").warning("PATCH /webhooks/123456789/%s/messages/@original failed", TOKEN)
    assert "[hidden]" in written.getvalue()
    assert TOKEN not in written.getvalue()


def test_an_answer_that_was_quicker_than_the_library_is_not_told_as_a_late_one(written: io.StringIO) -> None:
    said = "Can't keep up, shard ID %s websocket is %.1fs behind."
    gateway = logging.getLogger("discord.gateway")
    gateway.warning(said, None, 41.3)
    assert "41.3s" not in written.getvalue()
    gateway.warning(said, None, 12.5)
    assert "12.5s behind" in written.getvalue()
