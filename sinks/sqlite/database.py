"""One open database: its settings, its transactions, and what a table in it looks like."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ackflow.sinks.sqlite.faults import outage, sql_error, unprepared
from ackflow.sinks.sqlite.table import Table, quoted
from ackflow.streams.core import PipelineError, Unavailable

if TYPE_CHECKING:
    import aiosqlite

VALUES = 999
"""Values that a statement can have in every build of SQLite; since 3.32 most take 32,766."""


class Database:
    """A connection that writes; SQLite runs in a thread of its own."""

    def __init__(self, path: str, *, timeout: float, durable: bool) -> None:
        self._path = path
        self._timeout = timeout
        self._durable = durable
        self._connection: aiosqlite.Connection | None = None

    @property
    def connection(self) -> "aiosqlite.Connection":
        """The open connection."""
        if self._connection is None:
            raise RuntimeError(f"{self._path} is not open")
        return self._connection

    async def open(self) -> None:
        """Connect, and let readers read while this writes (WAL)."""
        with self.errors():
            self._connection = await self._connected()
            await self._run("PRAGMA journal_mode = WAL")
            # In WAL mode NORMAL may forget the last commits when the power fails:
            # https://www.sqlite.org/pragma.html#pragma_synchronous
            await self._run(f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}")

    async def _connected(self) -> "aiosqlite.Connection":
        import aiosqlite

        made: list[sqlite3.Connection] = []

        def connect() -> sqlite3.Connection:
            opened = sqlite3.connect(
                self._path, timeout=self._timeout, isolation_level=None, check_same_thread=False
            )
            made.append(opened)
            return opened

        connection = aiosqlite.Connection(connect, iter_chunk_size=64)

        def give_up() -> None:
            connection._thread.join()
            for each in made:
                each.close()

        try:
            return await connection
        except BaseException:
            # aiosqlite's thread was told to end, but until it has, it must find the event loop open,
            # and what it opens meanwhile nobody else closes.
            await asyncio.to_thread(give_up)
            raise

    async def close(self) -> None:
        """Disconnect; the last connection that does takes the WAL into the database."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turn SQLite's errors into ones that name the database: outages, and what won't pass."""
        try:
            yield
        except sqlite3.Error as error:
            raise unprepared(self._path, error) from error

    def outage(self, error: Exception) -> Exception | None:
        """Return the outage that this error is, if it is one."""
        return outage(self._path, error)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Commit what is done inside; any error takes it back, and an outage is raised as one."""
        if self.connection.in_transaction:
            await self.connection.rollback()  # a write was cancelled twice
        try:
            # IMMEDIATE: the wait for a lock comes here, never between the rows.
            await self._run("BEGIN IMMEDIATE")
            yield
            await self.connection.commit()
        except BaseException as error:
            await self.connection.rollback()
            if isinstance(error, Exception) and (away := self.outage(error)):
                raise away from error
            raise

    async def columns(self, table: str) -> dict[str, bool]:
        """Return the columns of a table, and whether each is its INTEGER PRIMARY KEY."""
        rows = await self._run(f"PRAGMA table_info({quoted(table)})")
        keys = sum(bool(primary) for *_, primary in rows)
        return {
            name: bool(primary) and keys == 1 and type_.upper() == "INTEGER"
            for _, name, type_, _, _, primary in rows
        }

    async def create(self, table: Table, columns: Mapping[str, str]) -> None:
        """Create the table unless it is there."""
        with self.errors():
            async with self.transaction():
                for statement in table.creation(columns):
                    await self._run(statement)

    async def index(self, table: Table) -> None:
        """Create the table's full-text index unless it is there."""
        with self.errors():
            async with self.transaction():
                existing = await self.columns(table.search)
                if existing:
                    self._check_index(table, list(existing))
                    return
                if not any((await self.columns(table.name)).values()):
                    raise PipelineError(
                        f"{self._path}: full_text needs an INTEGER PRIMARY KEY in the table "
                        f"{table.name!r}, since VACUUM may renumber rows without one"
                    )
                for statement in table.indexing():
                    await self._run(statement)

    def _check_index(self, table: Table, existing: list[str]) -> None:
        if existing != list(table.full_text):
            raise PipelineError(
                f"{self._path}: {table.search!r} is there with the columns {existing}, not with "
                f"full_text={table.full_text!r}; drop it, or name its columns"
            )

    async def check(self, table: Table) -> None:
        """Have SQLite check that the key is unique, by inserting no rows."""
        if table.key:
            with self.errors():
                await self._run(table.trial())

    async def insert(self, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
        """Insert rows that name the same columns in the same order."""
        size = max(1, VALUES // len(rows[0]))
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            statement = table.insertion(tuple(part[0]), len(part))
            values = [value for row in part for value in row.values()]
            async with self.connection.execute(statement, values):
                pass

    async def _run(self, statement: str, values: Sequence[object] = ()) -> Iterable[Any]:
        async with self.connection.execute(statement, values) as cursor:
            return await cursor.fetchall()

    async def gone(self, error: Exception, table: str, columns: Iterable[str]) -> Exception | None:
        """Return an outage if the SQL failed because the table is no longer what it was."""
        if sql_error(error) and not set(columns) <= set(await self.columns(table)):
            return Unavailable(f"{self._path}: the table {table!r} has changed: {error}")
        return None
