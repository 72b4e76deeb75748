"""What is in a message stays a value: it is no operation, no statement, no line and no address."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pamqp import frame
from pamqp.commands import Channel

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams.amqp.absence import Absences
from ackflow.streams.amqp.consumer import named
from ackflow.streams.core import Delivery, Sink, SourceError, describe, shown
from ackflow.streams.testing import BulkAnswer, FakeElasticsearch, VirtualClock
from tests.servers.rabbitmq import RabbitMQ
from tests.streams.amqp.speaking import speaking
from tests.streams.amqp.tools import declare, eventually, take, unique

TEXTS = [
    'x"}}\n{"delete":{"_index":"words","_id":"kept"}}\n{"x":"',
    "x\r\n{}\r\n",
    "\0",
    "\\",
    "'; DROP TABLE kept; --",
    '") VALUES (1); DROP TABLE kept; --',
    "../_all/_delete_by_query",
    "/_bulk?refresh",
    "*",
    "-kept",
    "<kept-{now/d}>",
    "KEPT",
    "kept\u212a",
    "ｋｅｐｔ",
    "\u202egnol\x1b[2J\x85\u2028",
]
"""What somebody might try."""
BAD = ["", "\ud800", "é" * 257, "x" * 513, None, True, 1.5, [], {}, 10**5000, b"x"]
"""What no id of a document can be."""
nasty = st.text(st.sampled_from("\n\r\0\"'`;\\[]{}%?-/.*KkK\u2028\x85\x1b é") | st.characters())
VALUES = st.none() | st.integers() | st.floats() | nasty | st.binary(max_size=9) | st.lists(nasty)


# -- bulk requests ------------------------------------------------------------------------------


async def bulked(values: list[Any], **settings: Any) -> tuple[FakeElasticsearch, Any]:
    queue = streams.memory.queue(values, dead_letter="exchange")
    queue.close()
    async with FakeElasticsearch() as server:
        sink = sinks.elasticsearch.bulk(server.url, **{"index": "words", "id": "word"} | settings)
        await (queue | op.chunk(100) | sink)
    return server, queue


@pytest.mark.parametrize("operation", ["index", "create", "update"])
async def test_ids_from_messages_are_ids_or_refused_alone(operation: Any) -> None:
    documents = [{"word": each, "n": at} for at, each in enumerate([*TEXTS, *BAD])]
    server, queue = await bulked(documents, op=operation, upsert=operation == "update")
    assert list(server.documents) == TEXTS
    assert list(server.indices) == ["words"]
    assert queue.acked == documents[: len(TEXTS)]
    assert sorted(row["n"] for row in queue.rejected) == list(range(len(TEXTS), len(documents)))
    assert [each.name for request in server.bulks for each in request.operations] == [
        operation
    ] * len(TEXTS)


async def test_names_from_messages_stay_in_their_places() -> None:
    server, queue = await bulked(
        [{"word": str(at), "to": each} for at, each in enumerate([*TEXTS, "", None, 1, "\ud800"])],
        index=lambda value: value["to"],
        routing=lambda value: value["to"],
        pipeline=lambda value: value["to"],
    )
    assert list(server.indices) == TEXTS
    assert [list(index.documents) for index in server.indices.values()] == [
        [str(at)] for at in range(len(TEXTS))
    ]
    assert len(queue.rejected) == 4
    assert {request.path for request in server.requests} == {"/", "/_bulk"}


@given(
    st.lists(
        st.dictionaries(nasty, VALUES, max_size=3) | st.binary(max_size=30) | nasty, max_size=5
    )
)
@example([b'{"word": "w0",\n"x": 1}', b'{"word":"w1"}\n{"delete":{"_id":"w0"}}\n{}', b"\n"])
@settings(max_examples=50, deadline=None)
def test_any_messages_are_as_many_operations_and_no_more(values: list[Any]) -> None:
    values = [{**each, "word": f"w{at}"} if isinstance(each, dict) else each
              for at, each in enumerate(values)]  # fmt: skip
    server, queue = asyncio.run(bulked(values))
    assert len(queue.acked) + len(queue.rejected) == len(values)
    assert sum(len(request.operations) for request in server.bulks) == len(queue.acked)
    assert all(each in {f"w{at}" for at in range(5)} for each in server.documents)


# -- SQL ----------------------------------------------------------------------------------------


@given(st.lists(st.dictionaries(nasty, VALUES, max_size=4), max_size=6), nasty)
@example([dict.fromkeys(TEXTS, 1), {"k": 1, "\u212a": 2}], "kept")
@example([{"": 1}, {"\0": 1}, {"\ud800": 1}, dict.fromkeys(map(str, range(2000)))], "kept")
@settings(max_examples=60, deadline=None)
def test_keys_and_values_of_rows_change_no_other_table(
    rows: list[dict[str, Any]], name: str
) -> None:
    table = f"{name}2"
    with TemporaryDirectory() as folder:
        path = Path(folder, "words.db")
        try:
            sink = sinks.sqlite.insert(path, table=table, durable=False)
        except ValueError:
            return  # no table can be called so
        with closing(sqlite3.connect(path)) as database:
            database.executescript("CREATE TABLE kept (a); INSERT INTO kept VALUES ('kept');")
        queue = streams.memory.queue(rows, dead_letter="exchange")
        queue.close()
        asyncio.run(asyncio.wait_for(_run(queue | op.chunk(10) | sink), 20))
        with closing(sqlite3.connect(path)) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_schema")}
            assert tables <= {"kept", table}
            assert database.execute("SELECT * FROM kept").fetchall() == [("kept",)]
            quoted = table.replace('"', '""')
            stored = table in tables and database.execute(f'SELECT * FROM "{quoted}"').fetchall()
            assert len(stored or []) == len(queue.acked)


async def _run(pipeline: Any) -> None:
    await pipeline


async def test_a_message_with_more_columns_than_a_table_can_have_fails_alone(
    tmp_path: Path,
) -> None:
    wide = [{f"{row}.{at}": at for at in range(1500)} for row in range(3)]
    rows = [*wide, {"word": "um"}, dict.fromkeys(map(str, range(3000))), {"word": "dois", "n": 1}]
    queue = streams.memory.queue(rows, dead_letter="exchange")
    queue.close()
    await (queue | op.chunk(10) | sinks.sqlite.insert(tmp_path / "words.db", table="words"))
    assert [row for row in queue.acked if len(row) < 9] == [
        {"word": "um"},
        {"word": "dois", "n": 1},
    ]
    assert len(queue.acked) == 3  # one of the wide ones fits
    assert len(queue.rejected) == 3


async def test_a_long_name_from_a_message_does_not_make_a_long_error(tmp_path: Path) -> None:
    letters: list[Delivery] = []
    queue = streams.memory.queue([{"x" * 100_000: 1}], dead_letter=sinks.each(letters.append))
    queue.close()
    await (
        queue | op.chunk(1) | sinks.sqlite.insert(tmp_path / "w.db", table="t", columns=["word"])
    )
    assert "has no column 'xxx" in letters[0].headers["x-ackflow-error"]
    assert len(letters[0].headers["x-ackflow-error"]) < 300


# -- files --------------------------------------------------------------------------------------


@given(
    st.lists(nasty | st.binary(max_size=9), max_size=8),
    st.sampled_from(["utf-8", "utf-16-le", "utf-32-be", "latin-1", "cp037"]),
)
@example([b"a\x00\n", "b"], "utf-16-le")
@example(["a\nb", "a\r", b"a\nb", b"a\r"], "utf-8")
@settings(max_examples=60, deadline=None)
def test_a_value_is_one_line_of_a_file_or_none(values: list[Any], encoding: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "lines")
        queue = streams.memory.queue(values, dead_letter="exchange")
        queue.close()
        asyncio.run(_run(queue | sinks.files.lines(path, encoding=encoding, durable=False)))
        lines = path.read_bytes().decode(encoding, "replace")
    *found, rest = lines.split("\n")
    assert (len(found), rest) == (len(queue.acked), "")
    for line, value in zip(found, queue.acked, strict=True):
        assert not isinstance(value, str) or line == value


# -- AMQP ---------------------------------------------------------------------------------------


async def test_routing_keys_and_headers_from_messages_reach_no_other_queue(
    rabbitmq: RabbitMQ,
) -> None:
    queue, kept = unique("words"), unique("kept")
    for each in (queue, kept):
        await declare(rabbitmq.url, each)
    delivery = Delivery(b"copy", headers={"CC": [kept], "BCC": [kept], "word": TEXTS[0]})
    texts = [text for text in TEXTS if len(text.encode()) < 255]
    source = streams.memory.queue([*texts, "x" * 256, "\ud800"], dead_letter="exchange")
    source.close()
    sink = sinks.amqp.publish(
        rabbitmq.url,
        routing_key=lambda value: queue if value in texts else value,
        headers=lambda value: {"word": value, value[:20] or "none": [value, {"in": value}]},
    )
    await (source | sink)
    await (streams.of(delivery) | sinks.amqp.publish(rabbitmq.url, routing_key=queue))
    found = await take(rabbitmq.url, queue)
    headers = [message.header.properties.headers or {} for message in found]
    assert [each["word"] for each in headers] == [*texts, TEXTS[0]]
    assert await take(rabbitmq.url, kept) == []
    assert source.rejected == ["x" * 256, "\ud800"]


# -- log lines ----------------------------------------------------------------------------------

CONTROL = "\x1b[2J\x1b]0;title\x07\r\nERROR forged\x00\x08\x9b31m\u202e\u2028\ud800 end"


class Rude:
    def __repr__(self) -> str:
        return CONTROL


def test_an_error_can_not_move_the_cursor_or_forge_a_line() -> None:
    said = describe(ValueError(CONTROL))
    assert said.isprintable()
    assert "\\x1b[2J" in said
    assert said.endswith(" end")
    assert shown(Rude()).isprintable()
    assert len(describe(ValueError("x" * 100_000))) <= 10_000


async def test_what_a_run_shows_of_a_message_is_one_printable_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def use(value: str) -> None:
        raise ValueError(f"can't use {value}")

    letters: list[Delivery] = []
    queue = streams.memory.queue([CONTROL], dead_letter=sinks.each(letters.append))
    queue.close()
    pipeline = queue | op.map(use) | sinks.to_list()
    await pipeline
    assert all(line.isprintable() for line in str(pipeline.summary).splitlines())
    assert letters[0].headers["x-ackflow-error"].isprintable()

    kept = (streams.memory.queue([CONTROL]) | op.map(use) | sinks.to_list()).start()
    await eventually(lambda: caplog.records)
    await kept.drain()
    assert all(record.getMessage().isprintable() for record in caplog.records)


async def test_what_elasticsearch_says_of_a_message_is_one_printable_line() -> None:
    def refuse(request: Any) -> Any:
        return BulkAnswer(403, {"error": {"type": "security_exception", "reason": CONTROL[:-5]}})

    queue = streams.memory.queue([{"word": "um"}])
    async with FakeElasticsearch([refuse] * 9) as server:
        sink = sinks.elasticsearch.bulk(server.url, index="words", id="word")
        handle = (queue | op.chunk(1) | sink).start()
        await eventually(lambda: handle.state.startswith("halted"))
        assert handle.state.isprintable()
        assert "\\x1b[2J" in handle.state
        await handle.abort()


async def test_what_a_broker_says_is_one_printable_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its words may be those of whoever publishes, such as a property that it does not like."""
    said = CONTROL.replace("\ud800", "")
    closing = frame.marshal(Channel.Close(406, said, 60, 40), 1)
    content = ("Basic.Deliver", "ContentHeader", "ContentBody")
    consumed = 0

    def close(answer: str, data: bytes) -> tuple[bytes, bool]:
        """Close the first channel in the place of what it would hand out."""
        nonlocal consumed
        consumed += answer == "Basic.ConsumeOk"
        if consumed > 1 or answer not in content:
            return data, True
        return (closing if answer == content[0] else b""), True

    async with speaking([b"um"], close) as speaker:
        source = streams.amqp.queue("words", url=speaker.url, until_idle=0.2)
        assert await asyncio.wait_for(_result(source | sinks.to_list()), 20) == [b"um"]
    lines = [record.getMessage() for record in caplog.records if "ackflow" in record.name]
    assert any("forged" in line for line in lines)
    assert all(line.isprintable() for line in lines), lines


async def test_why_a_queue_is_away_is_one_printable_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def consume(queue: str) -> None:
        raise AssertionError("too late")

    line: Any = SimpleNamespace(lost=asyncio.get_running_loop().create_future(), queues=["words"])
    Absences("amqp queue words", line, consume).add("gone", SourceError(CONTROL))
    line.lost.set_result(None)
    (said,) = [record.getMessage() for record in caplog.records]
    assert "forged" in said
    assert said.isprintable()


async def test_a_name_of_a_sink_or_a_queue_forges_no_line_where_it_is_halted(
    caplog: pytest.LogCaptureFixture, virtual_clock: VirtualClock
) -> None:
    class Store(Sink[int, None]):
        name = CONTROL
        tries = 0

        async def write(self, items: Sequence[int]) -> None:
            self.tries += 1
            if self.tries == 1:
                raise ConnectionError("away")

    handle = (streams.of(1) | Store()).start()
    await handle
    said = [record.getMessage() for record in caplog.records] + [
        named([CONTROL]),
        named([CONTROL] * 2),
    ]
    assert handle.stats().halts == 1
    assert sum("forged" in line for line in said) == 4
    assert all(line.isprintable() for line in said), said


async def _result(pipeline: Any) -> Any:
    return await pipeline


# -- names that nobody has, or nobody may write to ----------------------------------------------


@pytest.mark.parametrize("kind", ["index_not_found_exception", "security_exception"])
async def test_a_message_can_be_kept_from_halting_all_by_the_index_it_names(kind: str) -> None:
    status = 404 if kind.startswith("index") else 403
    refused = {"dois": (status, kind, "no")}
    settings: dict[str, Any] = {"index": lambda value: value["to"], "id": "word"}
    queue = streams.memory.queue(
        [{"word": word, "to": word} for word in ("um", "dois", "três")], dead_letter="exchange"
    )
    queue.close()
    async with FakeElasticsearch(refused=refused) as server:
        sink = sinks.elasticsearch.bulk(server.url, decisions={kind: "reject"}, **settings)
        await (queue | op.chunk(10) | sink)
    assert [row["word"] for row in queue.rejected] == ["dois"]
    assert len(queue.acked) == 2
