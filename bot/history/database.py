"""The connections to the database: one that writes, a few that read.

SQLite takes one writer at a time, and a transaction that reads before it writes fails at once when another
wrote in between. So every write here begins as a write (`BEGIN IMMEDIATE`) and waits for its turn in memory,
which queues, instead of in SQLite, which polls.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from sqlalchemy import event
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from bot.errors import DarkroomError

P = ParamSpec("P")
T = TypeVar("T")

READERS = 3
BUSY_TIMEOUT_MS = 5000
CLOSE_S = 5.0
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",  # an acknowledged job survives a power cut
    "foreign_keys=ON",
    f"busy_timeout={BUSY_TIMEOUT_MS}",
)


class HistoryUnavailable(DarkroomError):
    """The database did not answer: locked by another program, read-only, damaged, or the disk is full."""


def to_the_end(transaction: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Let a transaction end before its caller is cancelled.

    Cut short in the middle, the driver's thread would hold the database's lock for as long as others wait,
    and SQLAlchemy would report a broken connection.
    """

    @wraps(transaction)
    async def whole(*args: P.args, **kwargs: P.kwargs) -> T:
        task = asyncio.create_task(transaction(*args, **kwargs))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            while not task.done():  # however often we are cancelled meanwhile: it takes milliseconds
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([task])
            raise

    return whole


class Database:
    """Sessions on one database, by SQLAlchemy URL (`sqlite+aiosqlite:///…`, `postgresql+asyncpg://…`)."""

    def __init__(self, url: str) -> None:
        self._writer = writing_engine(url)
        self._readers = create_async_engine(url, pool_size=READERS, max_overflow=0, hide_parameters=True)
        if is_sqlite(url):
            _prepare(self._readers, begin="BEGIN", pragmas=(*_PRAGMAS, "query_only=ON"))
        self._turn = asyncio.Lock()
        self._open = 0  # transactions under way
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    @asynccontextmanager
    async def writing(self) -> AsyncGenerator[AsyncSession]:
        """One transaction, alone. Committed at the end of the block, rolled back by an exception."""
        async with self._turn:
            with _unavailable(), self._counted():
                async with AsyncSession(self._writer, expire_on_commit=False) as session, session.begin():
                    yield session

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[AsyncSession]:
        """One consistent view. Never waits for a writer."""
        with _unavailable(), self._counted():
            async with AsyncSession(self._readers) as session:
                yield session

    async def close(self) -> None:
        """Refuse new transactions, let those under way end, and close every connection."""
        self._closed = True
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._idle.wait()
        await self._readers.dispose()
        await self._writer.dispose()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """A transaction after the end would open a connection that nobody closes."""
        if self._closed:
            raise HistoryUnavailable("The bot is stopping. Try again in a minute.")
        self._open += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._open -= 1
            if not self._open:
                self._idle.set()


def is_sqlite(url: str) -> bool:
    return make_url(url).get_backend_name() == "sqlite"


def writing_engine(url: str) -> AsyncEngine:
    """An engine with a single connection whose every transaction begins as a write."""
    engine = create_async_engine(url, pool_size=1, max_overflow=0, hide_parameters=True)
    if is_sqlite(url):
        _prepare(engine, begin="BEGIN IMMEDIATE", pragmas=_PRAGMAS)
    return engine


def _prepare(engine: AsyncEngine, *, begin: str, pragmas: tuple[str, ...]) -> None:
    def on_connect(connection: Any, _record: object) -> None:
        # The driver would begin by itself, late and as a reader: SQLAlchemy's documented way to stop it.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine.sync_engine, "connect", on_connect)
    event.listen(engine.sync_engine, "begin", on_begin)


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except (IntegrityError, DataError, ProgrammingError):
        raise  # our own mistakes
    except DBAPIError as error:
        raise HistoryUnavailable("The history did not answer. Try again in a minute.") from error
