"""Interactions that were acknowledged and not yet made into a job: what a bot that was killed still owes."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select

from bot.history.database import Database, to_the_end
from bot.history.tables import PromiseRow


@dataclass(frozen=True, kw_only=True)
class Promise:
    """An answer that is owed. `token` edits the reply until `expires_at`."""

    interaction_id: int
    token: str
    expires_at: datetime


class Promises:
    """Made before an interaction is acknowledged, kept once it is a job or was refused."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @to_the_end
    async def make(self, promise: Promise) -> None:
        """Commit a promise. The same one again changes nothing."""
        row = PromiseRow(
            interaction_id=promise.interaction_id, token=promise.token, expires_at=promise.expires_at
        )
        async with self._database.writing() as session:
            await session.merge(row)

    @to_the_end
    async def keep(self, interaction_id: int) -> None:
        """Strike a promise out."""
        async with self._database.writing() as session:
            await session.execute(delete(PromiseRow).where(PromiseRow.interaction_id == interaction_id))

    @to_the_end
    async def owed(self) -> tuple[Promise, ...]:
        """Every promise that was not struck out, oldest first."""
        async with self._database.reading() as session:
            rows = await session.scalars(select(PromiseRow).order_by(PromiseRow.interaction_id))
            return tuple(
                Promise(interaction_id=row.interaction_id, token=row.token, expires_at=row.expires_at)
                for row in rows
            )
