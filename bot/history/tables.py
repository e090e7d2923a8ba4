"""The tables of the history: people, jobs, pictures, promises, settings.

Times are UTC, kept as integer milliseconds: they sort, and they read the same from every database.
A change here needs a migration beside it; a test compares the two.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Dialect,
    Double,
    ForeignKey,
    MetaData,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class UtcTime(TypeDecorator[datetime]):
    """An aware datetime, to the millisecond. Naive ones are errors."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> int | None:
        return None if value is None else (value - _EPOCH) // _MILLISECOND

    def process_result_value(self, value: int | None, _dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH + value * _MILLISECOND


class Base(DeclarativeBase):
    # Named constraints: SQLite can only change a table by rebuilding it, and needs the names for that.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {int: BigInteger, float: Double, datetime: UtcTime}  # noqa: RUF012 - SQLAlchemy's own name


class UserRow(Base):
    """A person who asked for a picture, by the chat's id."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    first_seen_at: Mapped[datetime]


class JobRow(Base):
    """One job: a flat `Job` with its `Conversation`. `request` and `error` are the wire's JSON.

    `fingerprint` names the same request whatever its seed and owner; `moved_at` is when `state` last changed.
    """

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    interaction_id: Mapped[int] = mapped_column(unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    channel_id: Mapped[int]
    guild_id: Mapped[int | None]
    token: Mapped[str] = mapped_column(Text)
    token_expires_at: Mapped[datetime]
    message_id: Mapped[int | None] = mapped_column(index=True)
    upload_limit: Mapped[int]
    locale: Mapped[str] = mapped_column(String(16))
    request: Mapped[str] = mapped_column(Text)
    fingerprint: Mapped[str] = mapped_column(String(64), index=True)
    state: Mapped[str] = mapped_column(String(16), index=True)
    created_at: Mapped[datetime]
    moved_at: Mapped[datetime]
    input_sha256: Mapped[str | None] = mapped_column(String(64), index=True)
    mask_sha256: Mapped[str | None] = mapped_column(String(64), index=True)
    parent_id: Mapped[str | None] = mapped_column(
        String(64), ForeignKey("jobs.id", ondelete="SET NULL"), index=True
    )
    attempt: Mapped[int]
    crashes: Mapped[int]
    cancel_requested_at: Mapped[datetime | None]
    cancel_requested_by: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(Text)
    seconds: Mapped[float | None]
    notices: Mapped[list[str]] = mapped_column(JSON)
    description: Mapped[str | None] = mapped_column(Text)
    posted_at: Mapped[datetime | None]


class ImageRow(Base):
    """One picture of a job. Its bytes and its thumbnail are in the file store, by their hashes."""

    __tablename__ = "images"

    job_id: Mapped[str] = mapped_column(
        String(64), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True
    )
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    thumbnail_sha256: Mapped[str] = mapped_column(String(64), index=True)
    media_type: Mapped[str] = mapped_column(String(64))
    width: Mapped[int]
    height: Mapped[int]
    seed: Mapped[int]
    bytes: Mapped[int]
    infotext: Mapped[str] = mapped_column(Text)


class PromiseRow(Base):
    """An interaction that was acknowledged and is not yet a job, nor answered. `token` edits its reply."""

    __tablename__ = "promises"

    interaction_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    token: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime]


class SettingRow(Base):
    """One setting of a person, a server or the bot itself."""

    __tablename__ = "settings"

    scope: Mapped[str] = mapped_column(String(16), primary_key=True)
    scope_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)
