"""Whoever writes messages or pages can make them large or odd; that costs them alone, and says so."""

import asyncio
import gzip
import struct
from contextlib import suppress
from typing import Any

import aiormq
import pytest
from aiohttp import test_utils, web
from aiormq.exceptions import AMQPError, InvalidFrameError
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.sinks.elasticsearch import exchange
from ackflow.streams.amqp import table
from ackflow.streams.amqp.frames import DEEPEST, UNREADABLE, Frames, Unreadable
from ackflow.streams.amqp.outgoing import DROPPED
from ackflow.streams.amqp.peeled import Envelope, Peeled
from ackflow.streams.core import Delivery, SourceError
from ackflow.streams.core.ladder import MOST_ATTEMPTS
from ackflow.streams.core.letters import ATTEMPTS_HEADER
from ackflow.streams.lines import LineReader
from ackflow.streams.testing import BulkAnswer, FakeElasticsearch, run
from tests.core.brokers import Properties
from tests.core.brokers import queue as told_queue
from tests.servers.rabbitmq import RabbitMQ
from tests.streams.amqp.tools import declare, eventually, fill, take, unique
from tests.streams.test_http import answering, raw, read, read_until_error, serving

# -- AMQP: properties and headers ---------------------------------------------------------------

HEADERS, MESSAGE_ID, TIMESTAMP, CONTENT_TYPE = 1 << 13, 1 << 7, 1 << 6, 1 << 15


def long(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def nested(depth: int, kind: bytes) -> bytes:
    """Return a header of lists (A) or tables (F) within each other."""
    data = b""
    for _ in range(depth):
        data = (kind if kind == b"A" else b"\x01aF") + long(data)
    return data if kind == b"F" else b"\x01a" + data


def properties(flag: int, data: bytes) -> bytes:
    return struct.pack(">H", flag) + data


ODD = {
    "an id in Latin-1": properties(MESSAGE_ID, b"\x04caf\xe9"),
    "a content type that is no text": properties(CONTENT_TYPE, b"\x02\xff\xfe"),
    "a timestamp in microseconds": properties(TIMESTAMP, struct.pack(">Q", 2**62)),
    "a timestamp before 1970": properties(TIMESTAMP, struct.pack(">q", -1)),
    "a timestamp in a header": properties(HEADERS, long(b"\x01aT" + struct.pack(">Q", 2**64 - 1))),
    "a name of a header in Latin-1": properties(HEADERS, long(b"\x01\xe9V")),
    "tables within tables": properties(HEADERS, long(nested(3000, b"F"))),
    "lists within lists": properties(HEADERS, long(nested(3000, b"A"))),
    "tables that can be read and not written": properties(HEADERS, long(nested(480, b"F"))),
}
"""What RabbitMQ takes from a publisher and hands to a consumer as it is."""


class Written(Basic.Properties):
    """Properties that are these bytes."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data

    def marshal(self) -> bytes:
        return self._data


async def odd_ones(rabbitmq: RabbitMQ) -> tuple[str, str]:
    """Return a queue of messages with odd properties, fine ones between them, and an empty queue."""
    words, dead = unique("words"), unique("dead")
    await declare(rabbitmq.url, words)
    await declare(rabbitmq.url, dead)
    for name, data in ODD.items():
        await fill(rabbitmq.url, words, [name.encode()], Written(data))
        await fill(rabbitmq.url, words, [b"fine"])
    return words, dead


async def letters_of_odd_ones(rabbitmq: RabbitMQ, dead: str) -> list[str]:
    """Return what dead letters say went wrong, when all else is right about them."""
    found = await take(rabbitmq.url, dead)
    headers = [message.header.properties.headers or {} for message in found]
    assert [message.body.decode() for message in found] == list(ODD)
    assert [bytes(each[UNREADABLE]) for each in headers] == list(ODD.values())  # type: ignore[arg-type]
    return [str(each["x-ackflow-error"]) for each in headers]


async def test_properties_that_can_not_be_read_cost_their_message_alone(
    rabbitmq: RabbitMQ, way: str
) -> None:
    """aiormq gives up the connection over each of them, and the broker hands it out again."""
    words, dead = await odd_ones(rabbitmq)
    letters = sinks.amqp.publish(rabbitmq.url, routing_key=dead)
    source = streams.amqp.deliveries(words, url=rabbitmq.url, dead_letter=letters, until_idle=0.5)
    pipeline = source | op.map(lambda delivery: delivery.body) | sinks.to_list()

    assert await pipeline == [b"fine"] * len(ODD)
    assert pipeline.summary.reconnects == 0
    said = await letters_of_odd_ones(rabbitmq, dead)
    assert all("can't be decoded" in each for each in said)


async def test_properties_that_nobody_reads_cost_nothing_and_stay_as_they_are(
    rabbitmq: RabbitMQ, way: str
) -> None:
    words, dead = await odd_ones(rabbitmq)

    def work(body: bytes) -> bytes:
        if body != b"fine":
            raise ValueError(f"no word, {len(body)} bytes")
        return body

    letters = sinks.amqp.publish(rabbitmq.url, routing_key=dead)
    source = streams.amqp.queue(words, url=rabbitmq.url, dead_letter=letters, until_idle=0.5)
    pipeline = source | op.map(work) | sinks.to_list()
    assert await pipeline == [b"fine"] * len(ODD)
    assert pipeline.summary.reconnects == 0
    said = await letters_of_odd_ones(rabbitmq, dead)
    assert said == [f"ValueError: no word, {len(name)} bytes" for name in ODD]


async def test_what_comes_again_without_its_count_being_readable_fails(
    rabbitmq: RabbitMQ, way: str
) -> None:
    """It may be what ends the process each time."""
    words = unique("words")
    await declare(rabbitmq.url, words)
    await fill(rabbitmq.url, words, [b"odd"], Written(ODD["an id in Latin-1"]))
    settings: dict[str, Any] = {"url": rabbitmq.url, "dead_letter": "discard", "until_idle": 0.5}
    assert await streams.amqp.queue(words, **settings).peek(1) == [b"odd"]
    pipeline = streams.amqp.queue(words, **settings) | sinks.to_list()
    assert await pipeline == []
    assert pipeline.summary.rejected == 1


async def test_the_exchange_gets_an_unreadable_message_as_it_was(
    rabbitmq: RabbitMQ, way: str
) -> None:
    words, dead = unique("words"), unique("dead")
    declared = streams.amqp.Declare("classic", dead_letter_queue=dead)
    await declare(rabbitmq.url, words, **declared.queue_arguments())
    await declare(rabbitmq.url, dead, **{"x-queue-type": "classic"})
    await fill(rabbitmq.url, words, [b"odd"], Written(ODD["an id in Latin-1"]))
    for queue, letter in ((words, "exchange"), (dead, "discard")):
        source = streams.amqp.deliveries(
            queue, url=rabbitmq.url, dead_letter=letter, until_idle=0.5
        )
        pipeline = source | sinks.to_list()
        assert await pipeline == []
        assert pipeline.summary.rejected == 1


def framed(kind: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", kind, 1, len(payload)) + payload + b"\xce"


def header(data: bytes, size: int = 4) -> bytes:
    return framed(2, struct.pack(">HHQ", 60, 0, size) + data)


async def read_frames(data: bytes, frame_max: int = 0) -> list[Any]:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return [found async for _, _, found in Frames(reader, frame_max)]


@pytest.mark.parametrize("name", ODD)
async def test_the_frames_behind_an_unreadable_header_are_read(name: str) -> None:
    body = frame.marshal(ContentBody(b"body"), 1)
    unreadable, content = await read_frames(header(ODD[name]) + body)
    assert isinstance(unreadable, Unreadable)
    assert (unreadable.body_size, content.value) == (4, b"body")
    assert unreadable.properties.headers == {UNREADABLE: ODD[name][:65_536]}


@pytest.mark.parametrize("kind", [b"A", b"F"])
async def test_headers_may_be_nested_as_deep_as_anybody_needs(kind: bytes) -> None:
    async def nests(depth: int) -> Any:
        return (await read_frames(header(properties(HEADERS, long(nested(depth, kind))))))[0]

    assert type(await nests(DEEPEST - 1)) is ContentHeader
    assert type(await nests(DEEPEST + 1)) is Unreadable


@given(st.one_of(st.binary(min_size=2, max_size=60), st.sampled_from(list(ODD.values()))))
async def test_what_is_decoded_on_demand_is_what_is_decoded_at_once(data: bytes) -> None:
    payload = struct.pack(">HHQ", 60, 0, 4) + data
    (at_once,) = await read_frames(framed(2, payload))
    on_demand = Peeled(b"body", 4, 1, Envelope(bytes(12), payload)).header
    assert type(on_demand) is type(at_once)
    assert (on_demand.body_size, on_demand.properties) == (4, at_once.properties)


@given(st.binary(max_size=40), st.sampled_from([1, 2, 3]))
async def test_any_bytes_in_a_frame_are_a_frame_or_one_clear_error(data: bytes, kind: int) -> None:
    with suppress(AMQPError):
        assert len(await read_frames(framed(kind, data))) == 1


@given(st.binary(max_size=20), st.binary(max_size=20))
async def test_a_routing_key_may_be_any_bytes(exchange: bytes, key: bytes) -> None:
    texts = [bytes([len(text)]) + text for text in (b"ackflow.1", exchange, key)]
    data = b"\0\x3c\0\x3c" + texts[0] + struct.pack(">QB", 7, 1) + texts[1] + texts[2]
    (found,) = await read_frames(framed(1, data))
    assert (found.consumer_tag, found.delivery_tag, found.redelivered) == ("ackflow.1", 7, True)
    assert found.routing_key == key.decode(errors="backslashreplace")


async def test_a_routing_key_in_latin_1_costs_nothing(rabbitmq: RabbitMQ, way: str) -> None:
    class Key(Basic.Publish):
        def marshal(self) -> bytes:
            return super().marshal().replace(b"cafe", b"caf\xe9")

    words, exchange = unique("words"), unique("all")
    await declare(rabbitmq.url, words)
    connection = await aiormq.connect(rabbitmq.url)
    try:
        own = await connection.channel(publisher_confirms=False)
        await own.exchange_declare(exchange, exchange_type="fanout", durable=True)
        await own.queue_bind(words, exchange, "")
        content = ContentHeader(body_size=2), ContentBody(b"um")
        frames = b"".join(
            frame.marshal(each, own.number)
            for each in (Key(exchange=exchange, routing_key="cafe"), *content)
        )
        await connection.write_queue.put(aiormq.abc.ChannelFrame(frames, False))
        await own.queue_declare(words, passive=True)
    finally:
        await connection.close()
    source = streams.amqp.deliveries(words, url=rabbitmq.url, until_idle=0.5)
    pipeline = source | op.map(lambda delivery: delivery.routing_key) | sinks.to_list()
    assert await pipeline == ["caf\\xe9"]
    assert pipeline.summary.reconnects == 0


async def test_a_frame_larger_than_agreed_is_not_even_read() -> None:
    promised = struct.pack(">BHI", 3, 1, 2**31)
    with pytest.raises(InvalidFrameError, match="2,147,483,648 bytes came, 131,072 are the most"):
        await read_frames(promised, frame_max=131_072)
    fitting = frame.marshal(ContentBody(b"x" * (131_072 - 8)), 1)
    assert len(await read_frames(fitting, frame_max=131_072)) == 1


async def test_a_body_above_the_limit_fails_alone_and_says_so(rabbitmq: RabbitMQ, way: str) -> None:
    words, dead = unique("words"), unique("dead")
    for queue in (words, dead):
        await declare(rabbitmq.url, queue)
    await fill(rabbitmq.url, words, [b"um", b"x" * 1001, b"dois"])
    letters = sinks.amqp.publish(rabbitmq.url, routing_key=dead)
    source = streams.amqp.queue(
        words, url=rabbitmq.url, max_body_bytes=1000, dead_letter=letters, until_idle=0.5
    )
    assert await (source | sinks.to_list()) == [b"um", b"dois"]
    (letter,) = await take(rabbitmq.url, dead)
    headers = letter.header.properties.headers or {}
    assert "a body of 1,001 bytes is over max_body_bytes=1,000" in str(headers["x-ackflow-error"])
    assert letter.body == b"x" * 1001


def fail(value: bytes) -> bytes:
    if value == b"poison":
        raise ValueError("no word")
    return value


@pytest.mark.parametrize("large", [1, 35, 1190])
async def test_headers_that_fill_a_frame_do_not_keep_a_message_from_its_dead_letter(
    large: int, rabbitmq: RabbitMQ
) -> None:
    words, dead = unique("words"), unique("dead")
    for queue in (words, dead):
        await declare(rabbitmq.url, queue)
    size = 130_900 // large - 11
    headers: Any = {f"h{at:04}": "x" * size for at in range(large)} | {"kept": "small"}
    await fill(rabbitmq.url, words, [b"poison"], Basic.Properties(headers=headers))
    await fill(rabbitmq.url, words, [b"fine"])
    letters = sinks.amqp.publish(rabbitmq.url, routing_key=dead)
    source = streams.amqp.queue(words, url=rabbitmq.url, dead_letter=letters, until_idle=0.5)
    async with asyncio.timeout(20):
        assert await (source | op.map(fail) | sinks.to_list()) == [b"fine"]
    (letter,) = await take(rabbitmq.url, dead)
    found: Any = letter.header.properties.headers
    assert found["x-ackflow-error"] == "ValueError: no word"
    assert found["kept"] == "small"
    assert found[DROPPED][0] in headers
    assert len(found[DROPPED]) <= 20


async def test_a_forged_count_of_attempts_does_not_keep_a_message_from_its_dead_letter(
    rabbitmq: RabbitMQ,
) -> None:
    words, dead = unique("words"), unique("dead")
    for queue in (words, dead):
        await declare(rabbitmq.url, queue)
    for count in (2**63 - 1, -(2**63)):
        forged = Basic.Properties(headers={"x-ackflow-attempts": count})
        await fill(rabbitmq.url, words, [b"poison"], forged)
    letters = sinks.amqp.publish(rabbitmq.url, routing_key=dead)
    source = streams.amqp.queue(
        words, url=rabbitmq.url, dead_letter=letters, permanent=(), attempts=2, wait=lambda _: 0.01,
        until_idle=0.5,
    )  # fmt: skip
    async with asyncio.timeout(5):
        await (source | op.map(fail) | sinks.to_list())
    assert len(await take(rabbitmq.url, dead)) == 2


HEADERS_OF_ATTEMPTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(HEADERS_OF_ATTEMPTS)
@example(2**63 - 1)
@example(-(2**63))
def test_whatever_a_header_says_of_attempts_its_message_reaches_the_dead_letter(said: Any) -> None:
    letters: list[Delivery] = []

    async def poisoned() -> None:
        told = Properties(headers={ATTEMPTS_HEADER: said})
        dead = sinks.each(letters.append)
        poison, _ = told_queue([b"poison"], told=told, dead_letter=dead, permanent=(), attempts=3)
        await (poison | op.map(fail) | sinks.to_list())

    run(poisoned())
    (letter,) = letters
    assert 1 <= letter.headers[ATTEMPTS_HEADER] <= MOST_ATTEMPTS + 3
    assert table.encode({ATTEMPTS_HEADER: letter.headers[ATTEMPTS_HEADER]})


# -- Elasticsearch ------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [False, True])
async def test_an_answer_without_end_is_given_up(
    compressed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "MOST_ANSWER", 1_000)
    queue = streams.memory.queue([{"word": "um"}])
    stored = {"errors": False, "items": [{"index": {"status": 201, "padding": "x" * 5_000}}]}

    async def answer(request: web.Request) -> web.Response:
        response = web.json_response(stored, headers={"X-Elastic-Product": "Elasticsearch"})
        if compressed:
            response.enable_compression(web.ContentCoding.gzip)
        return response

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with test_utils.TestServer(app) as server:
        url = f"http://127.0.0.1:{server.port}"
        handle = (
            queue | op.chunk(1) | sinks.elasticsearch.bulk(url, index="words", id="word")
        ).start()
        await eventually(lambda: handle.done or handle.state.startswith("halted"))
        assert handle.state.endswith("does not answer: the answer has more than 1,000 bytes")
        await handle.abort()
    assert queue.acked == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 999) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=9,
)
STATUSES = st.sampled_from([200, 201, 400, 404, 409, 429, 500, 503]) | JSON
RESULTS = st.dictionaries(
    st.sampled_from(["index", "create", "?"]),
    st.fixed_dictionaries(
        {"status": STATUSES},
        optional={"error": JSON, "failure_store": st.sampled_from(["used", "no"]) | JSON},
    )
    | JSON,
    max_size=2,
)
ANSWERS = st.fixed_dictionaries(
    {
        "errors": st.booleans() | JSON,
        "items": st.lists(RESULTS | JSON, min_size=1, max_size=3) | JSON,
    }
)


@given(st.lists(ANSWERS | JSON.filter(lambda body: body is not None), max_size=3))
@settings(max_examples=40, deadline=None)
def test_whatever_elasticsearch_answers_each_document_is_settled_once(answers: list[Any]) -> None:
    words = [{"word": "um"}, {"word": "dois"}]
    queue = streams.memory.queue(words, dead_letter="exchange")
    queue.close()

    async def write() -> None:
        script = [BulkAnswer(200, body, stores=False) for body in answers]
        async with FakeElasticsearch(script) as server, asyncio.timeout(3600):
            sink = sinks.elasticsearch.bulk(server.url, index="words", id="word")
            await (queue | op.chunk(2) | sink)

    run(write())
    assert sorted(row["word"] for row in queue.acked + queue.rejected) == ["dois", "um"]
    assert queue.unsettled == []


# -- HTTP ---------------------------------------------------------------------------------------


def packed(data: bytes, times: int) -> bytes:
    for _ in range(times):
        data = gzip.compress(data)
    return data


LINES = b"\n" * 32 * 2**20
SILENCE = gzip.compress(b"") * 400_000
"""Members of gzip that are empty: much to do, and nothing to hand out."""


@pytest.mark.parametrize(
    ("data", "times", "codings"), [(LINES, 2, 1), (LINES, 3, 2), (SILENCE, 2, 2)]
)
def test_a_decompression_bomb_is_given_up_early(data: bytes, times: int, codings: int) -> None:
    bomb = packed(data, times)
    reader = LineReader("bomb", codings=["gzip"] * codings)
    got = 0
    with pytest.raises(SourceError, match="compressed several times over: a decompression bomb"):
        for run in reader.feed(bomb):
            got += len(run)
    assert got < len(data) / 2


def test_what_is_compressed_once_may_be_as_small_as_deflate_makes_it() -> None:
    reader = LineReader("lines")
    assert sum(map(len, reader.feed(packed(LINES, 1)))) == len(LINES)
    assert list(reader.end()) == []


async def test_a_body_ends_at_its_limit_and_the_lines_before_are_handed_out() -> None:
    for body in (b"one\ntwo\nthree\n", gzip.compress(b"one\ntwo\nthree\n")):
        async with serving(answering(body)) as url:
            got, error = await read_until_error(url, max_body_bytes=10)
            assert got == ["one", "two"]
            assert f"{url}, line 3: the body is longer than max_body_bytes=10;" in error
            assert await read(url, max_body_bytes=14) == ["one", "two", "three"]


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_no_body_keeps_is_refused_where_it_is_written(limit: int) -> None:
    with pytest.raises(ValueError, match="max_body_bytes must be at least 1 or None"):
        streams.http.lines("http://h/", max_body_bytes=limit)


async def test_codings_on_top_of_codings_are_refused() -> None:
    data = packed(b"one", 3)
    async with serving(answering(data, Content_Encoding="gzip, gzip, gzip")) as url:
        assert await read(url) == ["one"]
    async with serving(answering(data, Content_Encoding="gzip," * 900)) as url:
        _, error = await read_until_error(url)
    assert "900 Content-Encodings on top of each other, 3 are the most" in error
    assert "Accept-Encoding" in error


async def test_codings_in_several_headers_are_one_list() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Encoding: gzip\r\n\r\n"
    async with raw(head + packed(b"one", 3)) as url:  # and it is a .gz file
        assert await read(url) == ["one"]


@pytest.mark.parametrize(
    "headers",
    [{"X": "x" * 100_000}, {f"X-{at}": "x" * 5_000 for at in range(2_000)}],
    ids=["long", "many"],
)
async def test_headers_without_end_are_an_error(headers: dict[str, str]) -> None:
    async with serving(answering(b"one", **headers)) as url:
        _, error = await read_until_error(url)
    assert error.startswith(f"{url}: the answer can't be used")
    assert len(error) < 1_000


@pytest.mark.parametrize("charset", ["punycode", "idna", "unicode_escape", "utf-7"])
async def test_a_server_can_not_choose_a_codec_that_is_for_something_else(charset: str) -> None:
    """Some of them take time that grows with the square of the text."""
    async with serving(answering(b"one", Content_Type=f"text/plain; charset={charset}")) as url:
        _, error = await read_until_error(url)
        assert f"got '{charset}'; encoding= overrides it" in error
        assert await read(url, encoding="utf-8") == ["one"]


async def test_the_reason_of_a_status_can_not_move_the_cursor() -> None:
    reason = b"no\x1b[2J\x08 \xe2\x80\xae" + b"x" * 500
    async with raw(b"HTTP/1.1 500 " + reason + b"\r\nContent-Length: 0\r\n\r\n") as url:
        _, error = await read_until_error(url)
    assert "the server answers 500 no" in error
    assert error.isprintable()
    assert len(error) < 200
