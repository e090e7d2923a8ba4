"""The schema's history: from an empty file, or from any earlier version, to today's tables."""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection, make_url

from bot.errors import Misconfigured
from bot.history.database import is_sqlite, writing_engine


def upgrade(url: str) -> None:
    """Bring the database at `url` to the newest schema, in one transaction. Blocks: call it in a thread.

    Running it again changes nothing. Raises Misconfigured where the schema is newer than this program.
    """
    if is_sqlite(url) and (path := make_url(url).database):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    asyncio.run(_upgrade(url))


async def _upgrade(url: str) -> None:
    engine = writing_engine(url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_migrate)
    finally:
        await engine.dispose()


def _migrate(connection: Connection) -> None:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    known = {revision.revision for revision in script.walk_revisions()}
    for revision in MigrationContext.configure(connection).get_current_heads():
        if revision not in known:
            raise Misconfigured(
                f"The history was written by a newer Darkroom (schema {revision}, this one knows up to"
                f" {script.get_current_head()}): update Darkroom, or restore an older copy of the database."
            )
    command.upgrade(config, "head")
