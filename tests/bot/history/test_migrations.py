import asyncio
import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from bot.errors import Misconfigured
from bot.history.migrations import upgrade
from bot.history.store import History
from bot.history.tables import Base


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "history.db"


def url(file: Path) -> str:
    return f"sqlite+aiosqlite:///{file}"


def test_the_migrations_make_the_tables_of_the_program(file: Path) -> None:
    upgrade(url(file))
    engine = create_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_upgrading_again_changes_nothing(file: Path) -> None:
    upgrade(url(file))
    before = schema(file)
    upgrade(url(file))
    assert schema(file) == before


def test_two_programs_that_start_at_once_do_not_get_in_each_others_way(file: Path) -> None:
    async def both() -> None:
        await asyncio.gather(*(asyncio.to_thread(upgrade, url(file)) for _ in range(2)))

    file.parent.mkdir()
    asyncio.run(both())
    assert "jobs" in schema(file)


async def test_a_newer_schema_is_refused_in_one_sentence(file: Path) -> None:
    await asyncio.to_thread(upgrade, url(file))
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = schema(file)
    with pytest.raises(Misconfigured, match=r"newer Darkroom \(schema 9999, this one knows up to 0002\)"):
        await History.open(url(file))
    assert schema(file) == before


@pytest.mark.parametrize(
    "bad",
    ["no url at all", "sqlite:///sync.db", "martian+driver://x", "sqlite+aiosqlite:////dev/null/history.db"],
)
async def test_a_url_without_a_database_is_a_sentence(bad: str) -> None:
    with pytest.raises(Misconfigured, match=r"The history cannot be opened \(\w+\): check history\.url"):
        await History.open(bad)


async def test_a_driver_that_is_not_installed_is_named() -> None:
    with pytest.raises(Misconfigured, match=r"history\.url needs the Python package asyncpg"):
        await History.open("postgresql+asyncpg://secret:word@127.0.0.1/x")


def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    other = tmp_path / "letter.txt"
    other.write_bytes(b"Dear reader, this is not a database. " * 50)
    with pytest.raises(Misconfigured, match="The history cannot be opened"):
        asyncio.run(History.open(url(other)))
    assert other.read_bytes().startswith(b"Dear reader")


def test_the_writer_keeps_what_it_acknowledged(file: Path) -> None:
    upgrade(url(file))
    with sqlite3.connect(file) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def schema(file: Path) -> str:
    connection = sqlite3.connect(file)
    rows = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    version = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    connection.close()
    return f"{rows} {version}"
