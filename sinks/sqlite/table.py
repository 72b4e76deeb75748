"""The SQL of one table and of its full-text index; makes texts, runs nothing."""

# ruff: noqa: S608  # every name that goes into a text is quoted, every value is a parameter

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

MOST_COLUMNS = 1999
"""Columns that a table can have, one for rowid left out: https://www.sqlite.org/limits.html"""

_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_ ]*(\(\s*\d+\s*(,\s*\d+\s*)?\))?")


def quoted(name: str) -> str:
    """Return the name as an SQL identifier, whatever is in it.

    Example:
        >>> print(quoted('a "b"; DROP TABLE c'))
        "a ""b""; DROP TABLE c"

    """
    return '"' + name.replace('"', '""') + '"'


def can_be_named(name: object) -> bool:
    """Say whether a table or column can have this name at all."""
    return isinstance(name, str) and name != "" and "\0" not in name and _encodable(name)


def _encodable(name: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in name)


def can_be_typed(text: object) -> bool:
    """Say whether this is the name of a column's type, and nothing more."""
    return isinstance(text, str) and (text == "" or _TYPE.fullmatch(text) is not None)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(quoted(name) for name in names)


@dataclass(frozen=True)
class Table:
    """A table: its name, what tells its rows apart, and which columns are indexed for search.

    Example:
        >>> words = Table("words", key=("word",))
        >>> print(words.insertion(("word", "frequency")))
        INSERT INTO "words" ("word", "frequency") VALUES (?, ?)
        ON CONFLICT ("word") DO UPDATE SET "frequency" = excluded."frequency"

    """

    name: str
    key: tuple[str, ...] = ()
    full_text: tuple[str, ...] = ()

    @property
    def search(self) -> str:
        """The name of the full-text index."""
        return f"{self.name}_search"

    def columns_of(self, rows: Iterable[Mapping[str, object]]) -> list[str]:
        """Return the columns that hold these rows: the key, the searched ones, then theirs.

        SQLite takes "Word" and "word" for one column; the first of them makes it. Where all of them
        are more than a table can have, those of the rows with the most are left out.
        """
        rows = list(rows)
        found = self._united(rows)
        if len(found) > MOST_COLUMNS:
            found = self._united(sorted(rows, key=len), MOST_COLUMNS)
        if self.full_text:
            found.pop("rowid", None)  # the table has one of its own
        return list(found.values())

    def _united(self, rows: Iterable[Mapping[str, object]], most: float = inf) -> dict[str, str]:
        """Return the columns of rows by what tells them apart, without rows that make it too many."""
        found: dict[str, str] = {}
        for names in (self.key, self.full_text, *rows):
            more = dict(found)
            for name in filter(can_be_named, names):
                more.setdefault(name.lower(), name)
            if len(more) <= most:
                found = more
        return found

    def creation(self, columns: Mapping[str, str]) -> list[str]:
        """Return what creates the table with these columns (name: type), and its index.

        A column without a type keeps every value as it is given; the others follow SQLite's rules
        of affinity: https://www.sqlite.org/datatype3.html#determination_of_column_affinity
        """
        parts = [self._column(name, type_) for name, type_ in columns.items()]
        if self.full_text:
            # Only a declared rowid survives VACUUM, and the index refers to rows by it.
            parts.insert(0, "rowid INTEGER PRIMARY KEY")
        if self.key:
            kind = "UNIQUE" if self.full_text else "PRIMARY KEY"
            parts.append(f"{kind} ({_listed(self.key)})")
        return [f"CREATE TABLE IF NOT EXISTS {quoted(self.name)} ({', '.join(parts)})"]

    def _column(self, name: str, type_: str) -> str:
        # A key of NULL would be equal to no other.
        needed = " NOT NULL" if name in self.key else ""
        return f"{quoted(name)} {type_}".rstrip() + needed

    def indexing(self) -> list[str]:
        """Return what creates the full-text index, fills it, and keeps it in step by triggers.

        An external content table: https://www.sqlite.org/fts5.html#external_content_tables
        """
        table, search = quoted(self.name), quoted(self.search)
        content = self.name.replace("'", "''")
        put, cut = self._put(), self._cut()
        changed = " OR ".join(
            f"old.{name} IS NOT new.{name}" for name in ("rowid", *map(quoted, self.full_text))
        )
        events = {
            "insert": f"INSERT ON {table} BEGIN {put}",
            "delete": f"DELETE ON {table} BEGIN {cut}",
            "update": f"UPDATE ON {table} WHEN {changed} BEGIN {cut} {put}",
        }
        return [
            f"CREATE VIRTUAL TABLE {search} USING fts5({_listed(self.full_text)}, "
            f"content='{content}', content_rowid='rowid')",
            *(
                f"CREATE TRIGGER {quoted(f'{self.search}_{event}')} AFTER {body} END"
                for event, body in events.items()
            ),
            f"INSERT INTO {search} ({search}) VALUES ('rebuild')",
        ]

    def _put(self) -> str:
        new = ", ".join(f"new.{quoted(name)}" for name in self.full_text)
        into = f"{quoted(self.search)} (rowid, {_listed(self.full_text)})"
        return f"INSERT INTO {into} VALUES (new.rowid, {new});"

    def _cut(self) -> str:
        old = ", ".join(f"old.{quoted(name)}" for name in self.full_text)
        search = quoted(self.search)
        into = f"{search} ({search}, rowid, {_listed(self.full_text)})"
        return f"INSERT INTO {into} VALUES ('delete', old.rowid, {old});"

    def insertion(self, names: Sequence[str], rows: int = 1) -> str:
        """Return what inserts rows with these columns, or updates those with the same keys.

        Several rows in one statement: FTS5 writes out what it has with every statement that fires
        triggers, so that one for each row takes six times as long.
        """
        row = f"({', '.join('?' * len(names))})"
        text = (
            f"INSERT INTO {quoted(self.name)} ({_listed(names)}) VALUES {', '.join([row] * rows)}"
        )
        return text + self._conflict(names) if self.key else text

    def trial(self) -> str:
        """Return what inserts no row, and fails unless the key is unique in the table."""
        nothing = ", ".join(["NULL"] * len(self.key))
        into = f"INSERT INTO {quoted(self.name)} ({_listed(self.key)})"
        return f"{into} SELECT {nothing} WHERE 0{self._conflict(self.key)}"

    def _conflict(self, names: Sequence[str]) -> str:
        changes = ", ".join(
            f"{quoted(name)} = excluded.{quoted(name)}" for name in names if name not in self.key
        )
        action = f"UPDATE SET {changes}" if changes else "NOTHING"
        return f"\nON CONFLICT ({_listed(self.key)}) DO {action}"
