"""Rows: what can be seen to be wrong with one before SQLite is asked."""

from collections.abc import Container, Mapping, Sequence
from typing import Any

from ackflow.sinks.sqlite.table import Table
from ackflow.streams.core import shown

Row = Mapping[str, Any]


def unusable(row: object, key: Sequence[str]) -> Exception | None:
    """Return what is wrong with a row for any table with this key, or None.

    Example:
        >>> unusable({"frequency": 7}, key=["word"])
        ValueError("the row has no value for 'word', which is its key")

    """
    if not isinstance(row, Mapping):
        kind = type(row).__name__
        return TypeError(f"a row must be a mapping of column names to values, got {kind}")
    if not row:
        return ValueError("a row must have a column at least, got none")
    for name in key:
        if row.get(name) is None:
            return ValueError(f"the row has no value for {name!r}, which is its key")
    return None


def fault(row: Row, table: Table, columns: Container[str]) -> Exception | None:
    """Return what is wrong with a row for a table with these columns, or None."""
    wrong = unusable(row, table.key)
    if wrong is not None:
        return wrong
    for name in row:
        if name not in columns:
            return ValueError(
                f"table {table.name!r} has no column {shown(name)}; "
                "columns= names all of them when the table is created"
            )
    return None
