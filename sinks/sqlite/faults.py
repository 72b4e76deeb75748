"""What SQLite's errors mean: an outage of the database, or the refusal of one row."""

import sqlite3

from ackflow.streams.core import PipelineError, Unavailable

_SQL_ERROR = 1
"""The code of errors in the SQL itself: a table that is gone, or a row's value in an expression."""

_PASSING = frozenset({5, 6, 7, 10, 13, 15})
"""Busy, locked, out of memory, I/O error, full, lock protocol: may be over by the next try."""


def outage(path: str, error: Exception) -> Unavailable | None:
    """Return the outage that this error is for somebody who writes rows, or None.

    The database is locked, full, read-only, damaged or gone, whichever row is written to it:
    https://www.sqlite.org/rescode.html

    Example:
        >>> outage("words.db", OverflowError("Python int too large")) is None
        True

    """
    database = type(error) in (sqlite3.OperationalError, sqlite3.DatabaseError)
    if isinstance(error, MemoryError) or (database and _code(error) not in (None, _SQL_ERROR)):
        return Unavailable(f"{path}: {error}")
    return None


def unprepared(path: str, error: sqlite3.Error) -> Unavailable | PipelineError:
    """Return what this error is for somebody who opens a database or looks at its tables."""
    kind = Unavailable if _code(error) in _PASSING else PipelineError
    return kind(f"{path}: {error}")


def _code(error: Exception) -> int | None:
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def sql_error(error: Exception) -> bool:
    """Say whether SQLite found fault with the SQL, or with a value in one of its expressions."""
    return _code(error) == _SQL_ERROR


def refusal(table: str, error: Exception) -> ValueError:
    """Return the failure of a row that SQLite refuses; the same row would be refused again."""
    fault = ValueError(f"table {table!r} refuses the row: {error}")
    fault.__cause__ = error
    return fault
