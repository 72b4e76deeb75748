"""The settings of `insert`, checked where they are written."""

from collections.abc import Iterable, Mapping, Sequence

from ackflow.sinks.sqlite.table import Table, can_be_named, can_be_typed

_CALL = "sinks.sqlite.insert(path, table=…)"
_TAKEN = frozenset({"rowid", "rank"})
"""What FTS5 calls columns of its own: https://www.sqlite.org/fts5.html"""


def names(setting: str, given: str | Sequence[str]) -> tuple[str, ...]:
    """Return one name or several as a tuple; refuse what can't be the name of a column."""
    found = (given,) if isinstance(given, str) else tuple(given)
    for name in found:
        if not can_be_named(name):
            raise ValueError(f"{_CALL}: {setting} must hold names of columns, got {name!r}")
    _refuse_twins(setting, found)
    return found


def types(columns: Sequence[str] | Mapping[str, str] | None) -> dict[str, str] | None:
    """Return columns as a mapping of names to types, which are empty unless they are given."""
    if columns is None:
        return None
    if not isinstance(columns, Mapping):
        columns = dict.fromkeys(names("columns", columns), "")
    for name, kind in columns.items():
        if not can_be_typed(kind):
            raise ValueError(
                f"{_CALL}: columns[{name!r}] must be a type such as 'TEXT', got {kind!r}"
            )
    if not names("columns", tuple(columns)):
        raise ValueError(f"{_CALL}: columns must name one at least, or be None")
    return dict(columns)


def check(table: Table, columns: Mapping[str, str] | None, timeout: float) -> None:
    """Raise ValueError for settings that don't fit each other."""
    if not can_be_named(table.name) or table.name.lower().startswith("sqlite_"):
        raise ValueError(f"{_CALL}: table must be a name, not sqlite_…, got {table.name!r}")
    if columns is not None:
        for setting, used in (("key", table.key), ("full_text", table.full_text)):
            for name in used:
                if name not in columns:
                    raise ValueError(f"{_CALL}: {setting} names {name!r}, which columns does not")
    if table.full_text and "rowid" in map(str.lower, columns or ()):
        raise ValueError(f"{_CALL}: with full_text, columns can't name 'rowid': that one is there")
    for name in table.full_text:
        if name.lower() in (*_TAKEN, table.search.lower()):
            raise ValueError(f"{_CALL}: full_text can't name {name!r}: FTS5 has its own")
    if not timeout >= 0:
        raise ValueError(f"{_CALL}: timeout must be 0 seconds or more, got {timeout!r}")


def _refuse_twins(setting: str, found: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in found:
        if name.lower() in seen:
            raise ValueError(f"{_CALL}: {setting} names {name!r} twice (SQLite ignores case)")
        seen.add(name.lower())
