"""What the bot remembers, as named questions. Answers are jobs and pictures, never rows.

The jobs table is the only durable truth of the whole product: the engine may forget everything at any moment.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self, TypedDict, Unpack

from sqlalchemy import ColumnElement, delete, exists, func, literal, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import Misconfigured
from bot.history.database import Database, to_the_end
from bot.history.migrations import upgrade
from bot.history.promises import Promises
from bot.history.rows import columns_of, image_of, image_row, job_of, row_of
from bot.history.tables import ImageRow, JobRow, SettingRow, UserRow, UtcTime
from bot.jobs.states import UNFINISHED, Job, JobState, StoredImage, sources
from engine.wire import ErrorBody

# Waiting or being drawn: these count against a person's limit and can be cancelled.
WAITING = frozenset({JobState.RECEIVED, JobState.QUEUED, JobState.RUNNING})
QUARANTINED = "quarantined"  # the error code of a job that killed the engine too often


class Changes(TypedDict, total=False):
    """What may change together with a job's state. `next_attempt` is the attempt from here on."""

    next_attempt: int
    crashes: int
    error: ErrorBody
    seconds: float
    notices: tuple[str, ...]
    description: str | None
    message_id: int
    posted_at: datetime


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page of a person's pictures, newest first. `total` counts all of them, on every page."""

    entries: tuple[tuple[Job, tuple[StoredImage, ...]], ...]
    total: int


class History:
    """Jobs, pictures and settings. Raises `HistoryUnavailable` while the database does not answer."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self.promises = Promises(database)
        self._database = database
        self._clock = clock

    @classmethod
    async def open(cls, url: str, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Self:
        """Bring the database's schema up to date and open it.

        Raises Misconfigured for a newer schema, and where there is no database to be opened at `url`.
        """
        try:
            await asyncio.to_thread(upgrade, url)
        except ModuleNotFoundError as error:
            raise Misconfigured(f"history.url needs the Python package {error.name}: install it.") from error
        except (SQLAlchemyError, OSError) as error:
            kind = type(error).__name__
            raise Misconfigured(
                f"The history cannot be opened ({kind}): check history.url, and that its folder can be written"
                " and the database is whole."
            ) from error
        return cls(Database(url), clock=clock)

    async def close(self) -> None:
        await self._database.close()

    # Jobs

    @to_the_end
    async def add(self, job: Job) -> Job:
        """Commit a new job. A replay of its interaction changes nothing and returns the job that is there."""
        async with self._database.writing() as session:
            known = await session.scalar(
                select(JobRow).where(JobRow.interaction_id == job.conversation.interaction_id)
            )
            if known is not None:
                return job_of(known)
            user_id = job.conversation.user_id
            if await session.get(UserRow, user_id) is None:
                session.add(UserRow(id=user_id, first_seen_at=self._clock()))
                await session.flush()
            session.add(row_of(job, self._clock()))
        return job

    async def get(self, job_id: str) -> Job | None:
        return await self._one(JobRow.id == job_id)

    async def by_interaction(self, interaction_id: int) -> Job | None:
        return await self._one(JobRow.interaction_id == interaction_id)

    async def by_message(self, message_id: int) -> Job | None:
        """The job whose pictures are in this message."""
        return await self._one(JobRow.message_id == message_id)

    @to_the_end
    async def unfinished(self, user_id: int | None = None) -> tuple[Job, ...]:
        """The jobs that are still owed something, oldest first; of one person, or of all."""
        query = select(JobRow).where(JobRow.state.in_(UNFINISHED))
        if user_id is not None:
            query = query.where(JobRow.user_id == user_id)
        async with self._database.reading() as session:
            rows = await session.scalars(query.order_by(JobRow.created_at, JobRow.interaction_id))
            return tuple(job_of(row) for row in rows)

    async def move(
        self, job_id: str, to: JobState, *, attempt: int | None = None, **changes: Unpack[Changes]
    ) -> Job | None:
        """Move a job, where the table of moves allows it and `attempt` is the current one; else None.

        One guarded UPDATE: of two racing moves exactly one wins.
        """
        return await self._move(job_id, to, attempt, (), changes)

    async def add_images(
        self, job_id: str, images: Sequence[StoredImage], *, attempt: int, **changes: Unpack[Changes]
    ) -> Job | None:
        """Move a job to `generated` together with its pictures, in one transaction. None as for `move`."""
        return await self._move(job_id, JobState.GENERATED, attempt, images, changes)

    async def request_cancel(self, job_id: str, *, by: int, at: datetime) -> Job | None:
        """Note who wants a job cancelled, and when. None where it has been drawn, has ended or is unknown.

        The first to ask is kept.
        """
        return await self._update(
            (JobRow.id == job_id) & JobRow.state.in_(WAITING),
            cancel_requested_at=func.coalesce(JobRow.cancel_requested_at, literal(at, UtcTime())),
            cancel_requested_by=func.coalesce(JobRow.cancel_requested_by, by),
        )

    async def set_message(self, job_id: str, message_id: int) -> Job | None:
        """Remember the message that shows a job."""
        return await self._update(JobRow.id == job_id, message_id=message_id)

    @to_the_end
    async def delete_job(self, job_id: str) -> tuple[str, ...]:
        """Forget a job with its pictures. Returns the hashes of files that no other row names."""
        async with self._database.writing() as session:
            images = await session.scalars(select(ImageRow).where(ImageRow.job_id == job_id))
            hashes = {value for row in images for value in (row.sha256, row.thumbnail_sha256)}
            hashes |= await _inputs_of(session, JobRow.id == job_id)
            await session.execute(delete(ImageRow).where(ImageRow.job_id == job_id))
            await session.execute(delete(JobRow).where(JobRow.id == job_id))
            return await _unnamed(session, hashes)

    @to_the_end
    async def drop_inputs(self, job_id: str) -> tuple[str, ...]:
        """Forget the input pictures of a job that ended without any. Returns the hashes that nobody else names."""
        async with self._database.writing() as session:
            pictures = exists().where(ImageRow.job_id == job_id)
            which = (JobRow.id == job_id) & ~pictures
            hashes = await _inputs_of(session, which)
            await session.execute(update(JobRow).where(which).values(input_sha256=None, mask_sha256=None))
            return await _unnamed(session, hashes)

    # Counts

    async def waiting_count(self, user_id: int) -> int:
        """How many jobs of one person wait or are being drawn."""
        return await self._count(JobRow.state.in_(WAITING) & (JobRow.user_id == user_id))

    async def waiting_total(self) -> int:
        """How many jobs wait or are being drawn, of everybody."""
        return await self._count(JobRow.state.in_(WAITING))

    @to_the_end
    async def quarantined(self, fingerprint: str, since: datetime) -> bool:
        """Whether the same request was given up after it killed the engine, at `since` or later."""
        of_same = (JobRow.fingerprint == fingerprint) & (JobRow.moved_at >= since)
        async with self._database.reading() as session:
            rows = await session.scalars(
                select(JobRow).where(of_same, JobRow.state == JobState.FAILED, JobRow.error.is_not(None))
            )
            errors = [job_of(row).error for row in rows]
        return any(error is not None and error.code == QUARANTINED for error in errors)

    # Pictures

    async def images(self, job_id: str) -> tuple[StoredImage, ...]:
        """A job's pictures by index; empty before they are drawn."""
        return (await self._images_of([job_id])).get(job_id, ())

    @to_the_end
    async def of_user(self, user_id: int, page: int = 0, size: int = 5) -> Page:
        """A person's jobs that have pictures, newest first; `page` counts from 0."""
        drawn = (JobRow.user_id == user_id) & exists().where(ImageRow.job_id == JobRow.id)
        newest = (JobRow.created_at.desc(), JobRow.interaction_id.desc())
        async with self._database.reading() as session:
            total = await session.scalar(select(func.count()).select_from(JobRow).where(drawn))
            rows = await session.scalars(
                select(JobRow).where(drawn).order_by(*newest).offset(page * size).limit(size)
            )
            jobs = [job_of(row) for row in rows]
        images = await self._images_of([job.id for job in jobs])
        return Page(entries=tuple((job, images.get(job.id, ())) for job in jobs), total=total or 0)

    # Settings

    @to_the_end
    async def setting(self, scope: str, scope_id: int, key: str) -> Any:
        """The value of one setting, None where it was never set. Scopes: `user`, `guild`, `bot` (id 0)."""
        async with self._database.reading() as session:
            row = await session.get(SettingRow, (scope, scope_id, key))
            return None if row is None else row.value

    @to_the_end
    async def set_setting(self, scope: str, scope_id: int, key: str, value: Any) -> None:
        """Set one setting to any JSON value."""
        async with self._database.writing() as session:
            await session.merge(SettingRow(scope=scope, scope_id=scope_id, key=key, value=value))

    # Inside

    @to_the_end
    async def _one(self, which: ColumnElement[bool]) -> Job | None:
        async with self._database.reading() as session:
            row = await session.scalar(select(JobRow).where(which))
            return None if row is None else job_of(row)

    @to_the_end
    async def _count(self, which: ColumnElement[bool]) -> int:
        async with self._database.reading() as session:
            return await session.scalar(select(func.count()).select_from(JobRow).where(which)) or 0

    @to_the_end
    async def _update(self, which: ColumnElement[bool], **values: Any) -> Job | None:
        async with self._database.writing() as session:
            row = await session.scalar(update(JobRow).where(which).values(values).returning(JobRow))
            return None if row is None else job_of(row)

    @to_the_end
    async def _move(
        self,
        job_id: str,
        to: JobState,
        attempt: int | None,
        images: Sequence[StoredImage],
        changes: Changes,
    ) -> Job | None:
        which = (JobRow.id == job_id) & JobRow.state.in_(sources(to))
        if attempt is not None:
            which &= JobRow.attempt == attempt
        values = columns_of({**changes}) | {"state": to, "moved_at": self._clock()}
        async with self._database.writing() as session:
            row = await session.scalar(update(JobRow).where(which).values(values).returning(JobRow))
            if row is None:
                return None
            session.add_all(image_row(job_id, image) for image in images)
            return job_of(row)

    @to_the_end
    async def _images_of(self, job_ids: list[str]) -> dict[str, tuple[StoredImage, ...]]:
        found: dict[str, tuple[StoredImage, ...]] = {}
        async with self._database.reading() as session:
            query = select(ImageRow).where(ImageRow.job_id.in_(job_ids)).order_by(ImageRow.index)
            for row in await session.scalars(query):
                found[row.job_id] = (*found.get(row.job_id, ()), image_of(row))
        return found


async def _inputs_of(session: AsyncSession, which: ColumnElement[bool]) -> set[str]:
    """The hashes of a job's input pictures."""
    rows = await session.execute(select(JobRow.input_sha256, JobRow.mask_sha256).where(which))
    return {sha256 for row in rows for sha256 in row if sha256 is not None}


async def _unnamed(session: AsyncSession, hashes: set[str]) -> tuple[str, ...]:
    """Those that no row names."""
    return tuple([each for each in sorted(hashes) if not await session.scalar(select(_named(each)))])


def _named(sha256: str) -> ColumnElement[bool]:
    return exists().where(
        (ImageRow.sha256 == sha256) | (ImageRow.thumbnail_sha256 == sha256)
    ) | exists().where((JobRow.input_sha256 == sha256) | (JobRow.mask_sha256 == sha256))
