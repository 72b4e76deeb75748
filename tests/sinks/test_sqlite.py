"""sinks.sqlite.insert on real databases: what is stored, what fails alone, what halts."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.sinks import sqlite
from ackflow.streams.core import PipelineError, Unavailable

Answer = Any


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "words.db"


def query(path: Path, text: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path, timeout=0)) as database:
        return database.execute(text, values).fetchall()


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()


async def store(sink: sqlite.Insert, *chunks: Any) -> list[Answer]:
    """Write chunks as the engine does, in one run."""
    await sink.open()
    try:
        return [await sink.write([chunk]) for chunk in chunks]
    finally:
        await sink.close()


def faults(answer: Answer) -> dict[int, str]:
    return {at: f"{type(e).__name__}: {e}" for at, e in enumerate(answer) if e is not None}


# -- what is stored -----------------------------------------------------------------------------


async def test_a_chunk_makes_its_table_and_is_stored(path: Path) -> None:
    rows = [{"word": "um", "frequency": 1}, {"word": "dois", "frequency": 2.5}]
    assert await store(sqlite.insert(path, table="words"), rows) == [None]
    assert query(path, "SELECT word, frequency FROM words") == [("um", 1), ("dois", 2.5)]


@given(
    st.lists(
        st.none()
        | st.integers(-(2**63), 2**63 - 1)
        | st.text(st.characters(codec="utf-8"))
        | st.binary()
        | st.floats(allow_nan=False),
        max_size=5,
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
async def test_values_come_back_as_they_were(path: Path, values: list[object]) -> None:
    path.unlink(missing_ok=True)
    rows = [{"at": at, "value": value} for at, value in enumerate(values)]
    await store(sqlite.insert(path, table="t", columns=["at", "value"], durable=False), rows)
    got = [value for (value,) in query(path, "SELECT value FROM t ORDER BY at")]
    assert list(map(repr, got)) == list(map(repr, values))


async def test_given_types_are_those_of_the_table(path: Path) -> None:
    columns = {"word": "TEXT", "price": "DECIMAL(10, 2)", "rest": ""}
    await store(sqlite.insert(path, table="words", columns=columns))
    types = [row[1:3] for row in query(path, "PRAGMA table_info(words)")]
    assert types == [("word", "TEXT"), ("price", "DECIMAL(10, 2)"), ("rest", "")]


async def test_a_key_that_comes_again_updates_its_row(path: Path) -> None:
    sink = sqlite.insert(path, table="words", key="word")
    first = [{"word": "um", "n": 1}, {"word": "dois", "n": 1}, {"word": "um", "n": 2}]
    assert await store(sink, first, [{"word": "dois", "n": 3}]) == [None, None]
    assert query(path, "SELECT word, n FROM words ORDER BY n") == [("um", 2), ("dois", 3)]


async def test_a_key_of_several_columns_is_one_key(path: Path) -> None:
    sink = sqlite.insert(path, table="words", key=("language", "word"))
    came = [("pt", 1), ("en", 2), ("pt", 3)]
    rows = [{"language": language, "word": "um", "n": n} for language, n in came]
    await store(sink, rows)
    assert query(path, "SELECT language, n FROM words ORDER BY n") == [("en", 2), ("pt", 3)]


async def test_a_row_that_is_all_key_may_come_twice(path: Path) -> None:
    sink = sqlite.insert(path, table="words", key="word")
    assert await store(sink, [{"word": "um"}, {"word": "um"}]) == [None]
    assert query(path, "SELECT word FROM words") == [("um",)]


async def test_without_a_key_every_row_is_a_new_one(path: Path) -> None:
    await store(sqlite.insert(path, table="words"), [{"word": "um"}, {"word": "um"}])
    assert query(path, "SELECT word FROM words") == [("um",), ("um",)]


async def test_only_a_sink_with_a_key_is_idempotent(path: Path) -> None:
    assert sqlite.insert(path, table="words", key="word").idempotent
    assert not sqlite.insert(path, table="words").idempotent


async def test_a_column_that_a_row_leaves_out_gets_its_default_and_stays(path: Path) -> None:
    execute(path, "CREATE TABLE words (word PRIMARY KEY, n DEFAULT 7, m)")
    rows = [
        {"word": "um"},
        {"n": 1, "word": "dois", "m": 1},
        {"word": "dois", "m": 2},
        {"m": 3, "word": "um"},
    ]
    assert await store(sqlite.insert(path, table="words", key="word"), rows) == [None]
    assert query(path, "SELECT * FROM words ORDER BY m") == [("dois", 1, 2), ("um", 7, 3)]


async def test_rows_of_a_second_run_are_added(path: Path) -> None:
    sink = sqlite.insert(path, table="words")
    await store(sink, [{"word": "um"}])
    await store(sink, [{"word": "dois"}])
    assert query(path, "SELECT word FROM words") == [("um",), ("dois",)]


async def test_a_chunk_is_one_transaction_and_readers_read_meanwhile(path: Path) -> None:
    sink = sqlite.insert(path, table="words")
    await sink.open()
    try:
        await sink.write([[{"word": "um"}]])
        assert query(path, "PRAGMA journal_mode") == [("wal",)]
        with closing(sqlite3.connect(path, timeout=0)) as reader:
            reader.execute("BEGIN")
            assert len(reader.execute("SELECT * FROM words").fetchall()) == 1
            await sink.write([[{"word": "dois"}, {"word": "três"}]])
            assert len(reader.execute("SELECT * FROM words").fetchall()) == 1
        assert len(query(path, "SELECT * FROM words")) == 3
    finally:
        await sink.close()


NAMES = ['a"b', "a'b", "a b", "select", "x); DROP TABLE t; --", "ç", "1", "a`b", "[a]", "%s", "?"]


@pytest.mark.parametrize("name", NAMES)
async def test_names_are_taken_as_they_are(path: Path, name: str) -> None:
    sink = sqlite.insert(path, table=name, key=name, full_text=name)
    rows = [{name: "um", "n": 1}, {name: "dois", "n": 1}, {name: "um", "n": 2}]
    assert await store(sink, rows) == [None]
    tables = [row for (row,) in query(path, "SELECT name FROM sqlite_schema WHERE type = 'table'")]
    assert name in tables
    quoted = f'"{name}_search"'.replace('a"b', 'a""b')
    assert len(query(path, f"SELECT * FROM {quoted} WHERE {quoted} MATCH 'um'")) == 1


@pytest.mark.parametrize("name", NAMES)
async def test_a_message_can_bring_neither_columns_nor_statements(path: Path, name: str) -> None:
    sink = sqlite.insert(path, table="words", columns=["word"])
    [answer] = await store(sink, [{"word": "um"}, {name: 1}, {"word": "dois", name: 1}])
    assert set(faults(answer)) == {1, 2}
    assert query(path, "SELECT * FROM words") == [("um",)]


# -- what fails alone ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ({"word": None, "n": 1}, "ValueError: the row has no value for 'word', which is its key"),
        ({"n": 1}, "ValueError: the row has no value for 'word', which is its key"),
        ({"word": "x", "n": None}, "ValueError: table 'words' refuses the row: NOT NULL"),
        ({"word": "x", "n": -1}, "ValueError: table 'words' refuses the row: CHECK"),
        ({"word": "x", "n": 2**63}, "ValueError: table 'words' refuses the row: Python int too"),
        ({"word": "\ud800", "n": 1}, "ValueError: table 'words' refuses the row: 'utf-8' codec"),
        ({"word": ["x"], "n": 1}, "ValueError: table 'words' refuses the row: Error binding"),
        ({"word": "x", "json": "{"}, "ValueError: table 'words' refuses the row: malformed"),
        ({"word": "x", "m": 1}, "ValueError: table 'words' has no column 'm'; columns= names all"),
        ({}, "ValueError: a row must have a column at least, got none"),
        (["word", "x"], "TypeError: a row must be a mapping of column names to values, got list"),
        (None, "TypeError: a row must be a mapping of column names to values, got NoneType"),
    ],
)
async def test_a_row_that_is_refused_fails_alone(path: Path, bad: Any, error: str) -> None:
    execute(
        path,
        "CREATE TABLE words (word PRIMARY KEY, n NOT NULL DEFAULT 1 CHECK (n >= 0), json, "
        "a AS (json_extract(json, '$.a')) STORED)",
    )
    rows: list[Any] = [{"word": str(n), "n": n} for n in range(256)]
    rows[100] = bad
    [answer] = await store(sqlite.insert(path, table="words", key="word"), rows)
    [(at, text)] = faults(answer).items()
    assert at == 100
    assert text.startswith(error)
    assert len(answer) == 256
    assert query(path, "SELECT count(*) FROM words") == [(255,)]


async def test_a_refused_row_names_sqlites_error_as_its_cause(path: Path) -> None:
    execute(path, "CREATE TABLE words (word UNIQUE)")
    [answer] = await store(sqlite.insert(path, table="words"), [{"word": "um"}, {"word": "um"}])
    assert answer[0] is None
    assert isinstance(answer[1].__cause__, sqlite3.IntegrityError)


async def test_a_trigger_that_takes_the_transaction_back_costs_only_its_row(path: Path) -> None:
    execute(
        path,
        "CREATE TABLE words (word)",
        "CREATE TRIGGER guard BEFORE INSERT ON words WHEN new.word = 'bad' "
        "BEGIN SELECT RAISE(ROLLBACK, 'not that'); END",
    )
    rows = [{"word": word} for word in ["um", "bad", "dois", "bad", "três"]]
    [answer] = await store(sqlite.insert(path, table="words"), rows)
    assert set(faults(answer)) == {1, 3}
    assert query(path, "SELECT word FROM words") == [("um",), ("dois",), ("três",)]


async def test_a_first_chunk_that_is_all_wrong_makes_no_table(path: Path) -> None:
    sink = sqlite.insert(path, table="words", key="word")
    bad, answer = await store(sink, [1, {}, {"n": 2}], [{"word": "um", "n": 1}])
    assert set(faults(bad)) == {0, 1, 2}
    assert answer is None
    assert query(path, "SELECT * FROM words") == [("um", 1)]


async def test_the_first_chunk_makes_the_columns_of_all_its_rows(path: Path) -> None:
    rows: list[Any] = [{"word": "um"}, {"Word": "x"}, {1: 2}, {"n": 1}, {"a\0b": 1}, None]
    [answer] = await store(sqlite.insert(path, table="words"), rows)
    assert set(faults(answer)) == {1, 2, 4, 5}
    assert query(path, "SELECT word, n FROM words") == [("um", None), (None, 1)]


async def test_in_a_pipeline_255_are_acked_and_the_refused_one_is_dead_lettered(path: Path) -> None:
    rows: list[dict[str, object]] = [{"word": str(n)} for n in range(256)]
    rows[7] = {"word": None}
    dead = sinks.to_list()
    queue = streams.memory.queue(rows, prefetch=512, dead_letter=dead)
    queue.close()
    summary = await (
        queue | op.chunk(256, timeout=1.0) | sqlite.insert(path, table="words", key="word")
    )
    assert (summary.accepted, summary.rejected, summary.dead_lettered) == (255, 1, 1)
    assert queue.unsettled == []
    assert query(path, "SELECT count(*) FROM words") == [(255,)]


async def test_a_stream_of_single_rows_is_refused_where_it_is_written(path: Path) -> None:
    with pytest.raises(TypeError, match=r"sqlite\.insert takes chunks"):
        streams.of({"word": "um"}) | sqlite.insert(path, table="words")


# -- what halts ---------------------------------------------------------------------------------


@pytest.fixture
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """A database with a table, and somebody else who may lock it."""
    execute(path, "PRAGMA journal_mode = WAL", "CREATE TABLE words (word PRIMARY KEY)")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        yield other


async def test_a_locked_database_is_an_outage_that_passes(
    path: Path, locked: sqlite3.Connection
) -> None:
    sink = sqlite.insert(path, table="words", timeout=0)
    await sink.open()
    try:
        locked.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match=r"words\.db: database is locked"):
            await sink.write([[{"word": "um"}]])
        locked.execute("ROLLBACK")
        assert await sink.write([[{"word": "um"}]]) is None
    finally:
        await sink.close()
    assert query(path, "SELECT word FROM words") == [("um",)]


async def test_a_lock_is_waited_for(path: Path, locked: sqlite3.Connection) -> None:
    sink = sqlite.insert(path, table="words", timeout=60)
    await sink.open()
    try:
        loop, begun = asyncio.get_running_loop(), asyncio.Event()
        await sink._database.connection.set_trace_callback(
            lambda _: loop.call_soon_threadsafe(begun.set)
        )
        locked.execute("BEGIN IMMEDIATE")
        write = asyncio.create_task(sink.write([[{"word": "um"}]]))
        await begun.wait()
        locked.execute("ROLLBACK")
        assert await write is None
    finally:
        await sink.close()


async def test_a_cancelled_write_leaves_nothing_half_done(
    path: Path, locked: sqlite3.Connection
) -> None:
    sink = sqlite.insert(path, table="words", timeout=60)
    await sink.open()
    try:
        loop, begun = asyncio.get_running_loop(), asyncio.Event()
        await sink._database.connection.set_trace_callback(
            lambda text: "INSERT" in text and loop.call_soon_threadsafe(begun.set)
        )
        write = asyncio.create_task(sink.write([[{"word": str(n)} for n in range(10_000)]]))
        await begun.wait()
        write.cancel()
        with pytest.raises(asyncio.CancelledError):
            await write
        locked.execute("BEGIN IMMEDIATE")  # the lock is free
        locked.execute("ROLLBACK")
        assert query(path, "SELECT count(*) FROM words") == [(0,)]
        assert await sink.write([[{"word": "um"}]]) is None
    finally:
        await sink.close()
    assert query(path, "SELECT word FROM words") == [("um",)]


def test_a_program_that_ends_while_a_database_is_opened_leaves_no_thread_and_nothing_open(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, connecting, go_on = sqlite3.connect, Event(), Event()
    complaints: list[object] = []
    made: list[sqlite3.Connection] = []

    def slowly(*arguments: Any, **settings: Any) -> sqlite3.Connection:
        connecting.set()
        go_on.wait(30)
        made.append(connect(*arguments, **settings))
        return made[-1]

    async def main() -> None:
        (streams.of({"word": "um"}) | op.chunk(1) | sqlite.insert(path, table="words")).start()
        await asyncio.to_thread(connecting.wait, 30)
        asyncio.get_running_loop().call_later(0.05, go_on.set)

    before = set(threading.enumerate())
    monkeypatch.setattr(sqlite3, "connect", slowly)
    monkeypatch.setattr(threading, "excepthook", complaints.append)
    asyncio.run(main())
    left = set(threading.enumerate()) - before
    go_on.set()
    for thread in left:
        thread.join(30)
    assert (left, complaints) == (set(), [])
    (connection,) = made
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


async def test_a_lock_between_the_tries_of_a_chunk_is_an_outage(path: Path) -> None:
    execute(path, "CREATE TABLE words (word UNIQUE)")
    sink = sqlite.insert(path, table="words", timeout=0)
    await sink.open()
    try:
        with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
            begins = iter(["all at once", "one by one"])

            def lock_the_second(statement: str) -> None:
                if statement == "BEGIN IMMEDIATE" and next(begins) == "one by one":
                    other.execute(statement)

            await sink._database.connection.set_trace_callback(lock_the_second)
            with pytest.raises(Unavailable, match=r"words\.db: database is locked"):
                await sink.write([[{"word": "um"}, {"word": "um"}]])
    finally:
        await sink.close()
    assert query(path, "SELECT word FROM words") == []


async def test_a_full_disk_is_an_outage_that_stores_nothing(path: Path) -> None:
    sink = sqlite.insert(path, table="words", key="word", columns=["word", "text"])
    await sink.open()
    try:
        await sink._database.connection.execute("PRAGMA max_page_count = 20")
        await sink.write([[{"word": "um", "text": "x"}]])
        large = [{"word": str(n), "text": "x" * 3000} for n in range(256)]
        with pytest.raises(Unavailable, match=r"words\.db: database or disk is full"):
            await sink.write([large])
        assert query(path, "SELECT word FROM words") == [("um",)]
        await sink._database.connection.execute("PRAGMA max_page_count = 100000")
        assert await sink.write([large]) is None
    finally:
        await sink.close()
    assert query(path, "SELECT count(*) FROM words") == [(257,)]


@pytest.mark.parametrize("vandalism", ["DROP TABLE words", "ALTER TABLE words RENAME word TO w"])
async def test_a_table_that_goes_away_is_an_outage(path: Path, vandalism: str) -> None:
    sink = sqlite.insert(path, table="words", columns=["word"])
    await sink.open()
    try:
        execute(path, vandalism)
        with pytest.raises(Unavailable, match="the table 'words' has changed"):
            await sink.write([[{"word": "um"}]])
        with suppress(sqlite3.OperationalError):
            execute(path, "DROP TABLE words")
        execute(path, "CREATE TABLE words (word)")
        assert await sink.write([[{"word": "um"}]]) is None
    finally:
        await sink.close()


async def test_a_database_that_turns_read_only_is_an_outage(path: Path) -> None:
    sink = sqlite.insert(path, table="words", columns=["word"])
    await sink.open()
    try:
        await sink._database.connection.execute("PRAGMA query_only = ON")
        with pytest.raises(Unavailable, match=r"words\.db: attempt to write a readonly database"):
            await sink.write([[{"word": "um"}]])
    finally:
        await sink.close()


async def test_a_database_locked_at_the_start_is_an_outage(path: Path) -> None:
    execute(path, "CREATE TABLE words (word)")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        sink = sqlite.insert(path, table="words", timeout=0)
        with pytest.raises(Unavailable, match=r"words\.db: database is locked"):
            await sink.open()
        other.execute("ROLLBACK")
    assert await store(sink, [{"word": "um"}]) == [None]


# -- search -------------------------------------------------------------------------------------


def hits(path: Path, text: str) -> list[str]:
    found = query(
        path,
        "SELECT words.word FROM words_search JOIN words ON words.rowid = words_search.rowid "
        "WHERE words_search MATCH ? ORDER BY words.word",
        text,
    )
    return [word for (word,) in found]


async def test_full_text_is_searched_by_words_and_prefixes(path: Path) -> None:
    rows = [{"word": word, "n": n} for n, word in enumerate(["coração", "corações", "cor", "amor"])]
    await store(sqlite.insert(path, table="words", key="word", full_text="word"), rows)
    assert hits(path, "coracao") == ["coração"]
    assert hits(path, "corac*") == ["coração", "corações"]


async def test_search_keeps_step_with_updates_and_deletions_by_anyone(path: Path) -> None:
    sink = sqlite.insert(path, table="words", key="id", full_text=("word", "text"))
    rows = [{"id": n, "word": f"word{n}", "text": "old"} for n in range(5)]
    await store(sink, rows, [{"id": 1, "word": "word1", "text": "new"}, {"id": 2, "word": "other"}])
    assert hits(path, "new") == ["word1"]
    assert hits(path, "old") == ["other", "word0", "word3", "word4"]
    assert hits(path, "word2") == []
    execute(path, "DELETE FROM words WHERE id = 0", "UPDATE words SET word = 'mine' WHERE id = 3")
    assert hits(path, "old") == ["mine", "other", "word4"]
    execute(path, "INSERT INTO words_search (words_search, rank) VALUES ('integrity-check', 1)")


async def test_search_survives_vacuum(path: Path) -> None:
    sink = sqlite.insert(path, table="words", key="word", full_text="word")
    await store(sink, [{"word": word} for word in ["um", "dois", "três"]])
    execute(path, "DELETE FROM words WHERE word = 'um'")
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("VACUUM")
    assert hits(path, "três") == ["três"]


async def test_full_text_on_a_table_with_rows_finds_them_too(path: Path) -> None:
    execute(
        path,
        "CREATE TABLE words (id INTEGER PRIMARY KEY, word)",
        "INSERT INTO words VALUES (1, 'um')",
    )
    sink = sqlite.insert(path, table="words", key="id", full_text="word")
    await store(sink, [{"id": 2, "word": "dois"}])
    await store(sink, [{"id": 3, "word": "um"}])
    assert hits(path, "um dois") == []
    assert hits(path, "um OR dois") == ["dois", "um", "um"]


# -- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "given", "error"),
    [
        (None, {"create": False}, "the table 'words' is not there; create=True makes it"),
        ("(n)", {"columns": ["word"]}, "the table 'words' has no column 'word'"),
        ("(n)", {"key": "word"}, "the table 'words' has no column 'word'"),
        ("(word)", {"key": "word"}, "ON CONFLICT clause does not match any PRIMARY KEY or UNIQUE"),
        ("(word PRIMARY KEY)", {"full_text": "word"}, "full_text needs an INTEGER PRIMARY KEY"),
    ],
)
async def test_a_table_that_does_not_fit_is_an_error_at_the_start(
    path: Path, table: str | None, given: dict[str, Any], error: str
) -> None:
    if table:
        execute(path, f"CREATE TABLE words {table}")
    sink = sqlite.insert(path, table="words", **given)
    with pytest.raises(PipelineError, match=error) as caught:
        await sink.open()
    assert str(path) in str(caught.value)
    await sink.close()


async def test_a_file_that_is_no_database_is_an_error_at_the_start(path: Path) -> None:
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(PipelineError, match=r"words\.db: file is not a database"):
        await sqlite.insert(path, table="words").open()


async def test_a_folder_that_is_not_there_is_an_error_at_the_start(tmp_path: Path) -> None:
    sink = sqlite.insert(tmp_path / "nowhere" / "words.db", table="words")
    with pytest.raises(PipelineError, match=r"nowhere/words\.db: unable to open database file"):
        await sink.open()


async def test_an_index_that_does_not_fit_the_first_chunk_halts(path: Path) -> None:
    execute(path, "CREATE TABLE words_search (other)")
    sink = sqlite.insert(path, table="words", full_text="word")
    await sink.open()
    try:
        with pytest.raises(Unavailable, match="'words_search' is there with the columns"):
            await sink.write([[{"word": "um"}]])
        execute(path, "DROP TABLE words_search")
        assert await sink.write([[{"word": "um", "rowid": 7}]]) is None
    finally:
        await sink.close()
    assert query(path, "SELECT rowid, word FROM words") == [(7, "um")]


async def test_an_index_with_other_columns_is_an_error_at_the_start(path: Path) -> None:
    await store(sqlite.insert(path, table="words", columns=["a", "b"], full_text="a"))
    sink = sqlite.insert(path, table="words", full_text=("a", "b"))
    with pytest.raises(PipelineError, match=r"'words_search' is there with the columns \['a'\]"):
        await sink.open()


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"table": ""}, "table must be a name"),
        ({"table": "a\0b"}, "table must be a name"),
        ({"table": "SQLITE_x"}, "table must be a name, not sqlite_…"),
        ({"key": ""}, "key must hold names of columns, got ''"),
        ({"key": ("a", "A")}, "key names 'A' twice"),
        ({"columns": []}, "columns must name one at least"),
        ({"columns": {"a": "TEXT); DROP TABLE words; --"}}, r"columns\['a'\] must be a type"),
        ({"columns": ["a"], "key": "b"}, "key names 'b', which columns does not"),
        ({"columns": ["a"], "full_text": "b"}, "full_text names 'b', which columns does not"),
        ({"columns": ["a", "Rowid"], "full_text": "a"}, "columns can't name 'rowid'"),
        ({"full_text": "rank"}, "full_text can't name 'rank'"),
        ({"timeout": -1}, "timeout must be 0 seconds or more, got -1"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_at_the_call(
    given: dict[str, Any], error: str
) -> None:
    with pytest.raises(ValueError, match=error):
        sqlite.insert("words.db", **{"table": "words", **given})


def test_its_repr_names_database_and_table() -> None:
    assert repr(sqlite.insert("w.db", table="t")) == "sqlite.insert(path='w.db', table='t')"
