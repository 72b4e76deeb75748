"""Insert chunks of rows into a table, one transaction a chunk."""

import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from ackflow.sinks.sqlite import rows, settings
from ackflow.sinks.sqlite.database import Database
from ackflow.sinks.sqlite.faults import refusal
from ackflow.sinks.sqlite.rows import Row
from ackflow.sinks.sqlite.table import Table
from ackflow.streams.core import PipelineError, Sink, Summary, Unavailable


def insert(
    path: str | os.PathLike[str],
    *,
    table: str,
    key: str | Sequence[str] = (),
    columns: Sequence[str] | Mapping[str, str] | None = None,
    create: bool = True,
    full_text: str | Sequence[str] = (),
    timeout: float = 5.0,
    durable: bool = True,
) -> "Insert":
    """Insert chunks of rows into a table of a SQLite database, one transaction a chunk.

    Example:
        >>> insert("words.db", table="words", key="word", full_text="word")
        sqlite.insert(path='words.db', table='words')

    A row is a mapping of column names to values. A column that a row does not name gets its
    default, and on an update stays as it is. The database is put into WAL mode, so that others
    can read while this writes.

    Acks: a message is accepted when the transaction with its row is committed. A row that SQLite
    refuses, or that has a column the table lacks, fails alone, for good; the others of its chunk
    are stored. A database that is locked, full, damaged or not there halts the pipeline until it
    can be written to again, and nothing is spent or rejected.

    Args:
        path: of the database, which is created if needed.
        table: its name, taken as it is.
        key: the column or columns that tell rows apart: a row with the key of one that is there
            updates it, so a message that comes twice changes nothing. Without, each is a new row.
        columns: of a table to be created, by name, or as a mapping of names to SQLite types.
            None takes those of the first chunk, without types, which keeps values as they are.
        create: whether to create the table if it is not there.
        full_text: columns to index for search, in an FTS5 table named after this one with
            `_search`, kept in step by triggers whoever writes.
        timeout: seconds to wait for a lock before the pipeline is halted.
        durable: whether a commit outlives a power failure; False is faster and still outlives
            a crash of the process.

    Raises:
        ValueError: at the call, for a setting that can't be meant.
        PipelineError: at the start, naming the database: no database, no such table, or one that
            doesn't fit `key`, `columns` or `full_text`. What shows only with the first chunk
            halts the pipeline instead.

    """
    shape = Table(table, settings.names("key", key), settings.names("full_text", full_text))
    types = settings.types(columns)
    settings.check(shape, types, timeout)
    return Insert(os.fspath(path), shape, types, create=create, timeout=timeout, durable=durable)


class Insert(Sink[Sequence[Row], Summary]):
    """What `insert` returns."""

    name = "sqlite.insert"
    chunks = True
    concurrency = 1

    def __init__(
        self,
        path: str,
        table: Table,
        types: Mapping[str, str] | None,
        *,
        create: bool,
        timeout: float,
        durable: bool,
    ) -> None:
        self.idempotent = bool(table.key)
        self._path = path
        self._table = table
        self._types = types
        self._create = create
        self._timeout = timeout
        self._durable = durable

    async def open(self) -> None:
        """Connect, and check or create the table if its columns are known."""
        self._columns: frozenset[str] = frozenset()
        self._database = Database(self._path, timeout=self._timeout, durable=self._durable)
        try:
            await self._database.open()
            if self._types is not None or await self._database.columns(self._table.name):
                await self._prepare(self._types or {})
            elif not self._create:
                raise self._misfit("is not there; create=True makes it")
        except BaseException:
            await self._database.close()
            raise

    async def close(self) -> None:
        """Disconnect."""
        await self._database.close()

    async def _prepare(self, types: Mapping[str, str]) -> None:
        if self._create and types:
            await self._database.create(self._table, types)
        present = await self._database.columns(self._table.name)
        if not present:
            raise self._misfit("is not there; create=True makes it")
        missing = {*types, *self._table.key, *self._table.full_text} - set(present)
        if missing:
            raise self._misfit(f"has no column {', '.join(map(repr, sorted(missing)))}")
        await self._database.check(self._table)
        if self._table.full_text:
            await self._database.index(self._table)
        self._columns = frozenset(present)

    def _misfit(self, problem: str) -> PipelineError:
        return PipelineError(f"{self._path}: the table {self._table.name!r} {problem}")

    @property
    def trace_attributes(self) -> dict[str, str | int]:
        operation = {"db.operation.name": "INSERT", "db.collection.name": self._table.name}
        return {"db.system.name": "sqlite", **operation}

    @property
    def shown_settings(self) -> dict[str, Any]:
        return {"path": self._path, "table": self._table.name}

    # -- writing ----------------------------------------------------------------------------------

    async def write(self, items: Sequence[Sequence[Row]]) -> Sequence[Exception | None] | None:
        """Store a chunk; return what is wrong with each of its rows, or None if nothing is."""
        found = [row for chunk in items for row in chunk]
        if not self._columns:
            await self._prepare_from(found)
        faults = [rows.fault(row, self._table, self._columns) for row in found]
        good = [at for at, fault in enumerate(faults) if fault is None]
        try:
            if good:
                await self._store([found[at] for at in good])
        except Unavailable:
            raise
        except Exception:
            while not await self._store_singly(found, faults):
                pass
        return faults if any(faults) else None

    async def _prepare_from(self, found: Iterable[Row]) -> None:
        usable = [row for row in found if rows.unusable(row, self._table.key) is None]
        columns = self._table.columns_of(usable) if usable else []
        if columns:  # otherwise none of their names can be a column's, and each row fails for it
            try:
                await self._prepare(dict.fromkeys(columns, ""))
            except PipelineError as error:
                # Nobody can mend it from here, and it is not the rows' fault.
                raise Unavailable(str(error)) from error

    async def _store(self, good: Sequence[Row]) -> None:
        async with self._database.transaction():
            for _, alike in groupby(good, key=tuple):
                await self._database.insert(self._table, list(alike))

    async def _store_singly(self, found: Sequence[Row], faults: list[Exception | None]) -> bool:
        async with self._database.transaction():
            for at, row in enumerate(found):
                if faults[at] is None:
                    faults[at] = await self._refusal(row)
                if not self._database.connection.in_transaction:
                    return False  # a trigger of the user's took all of it back; again, without it
        return True

    async def _refusal(self, row: Row) -> Exception | None:
        try:
            await self._database.insert(self._table, [row])
        except Exception as error:
            if self._database.outage(error):
                raise
            if gone := await self._database.gone(error, self._table.name, self._columns):
                raise gone from error
            return refusal(self._table.name, error)
        return None
