"""What parses bytes, and what it promises of any: the same whatever the cuts, or one clear error.

A target takes bytes and raises where a promise is broken. Its first bytes choose settings and cuts.
"""

import asyncio
import gzip
import json
import struct
import traceback
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import Any

from aiormq.exceptions import AMQPError
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.commands import Basic, Channel
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from ackflow import sinks
from ackflow.sinks.elasticsearch import server
from ackflow.sinks.elasticsearch.connection import connection
from ackflow.sinks.elasticsearch.exchange import BrokenError, Exchange
from ackflow.sinks.elasticsearch.sending import Reply
from ackflow.sinks.elasticsearch.verdicts import Decision, Rules, judge_item, judge_request
from ackflow.streams import http
from ackflow.streams.amqp.address import redacted
from ackflow.streams.amqp.frames import Frames
from ackflow.streams.amqp.outgoing import COUNTS, ROUTING_HEADERS, Outgoing
from ackflow.streams.amqp.peeled import Envelope, Peeled
from ackflow.streams.amqp.raw import delivery, delivery_count
from ackflow.streams.amqp.server import Server
from ackflow.streams.amqp.tap import Tap
from ackflow.streams.amqp.tapping import BEFORE_FLAGS
from ackflow.streams.amqp.unconfirmed import Sent, Unconfirmed
from ackflow.streams.amqp.verdicts import Refused, Verdicts
from ackflow.streams.amqp.wire import Wire
from ackflow.streams.core import SourceError
from ackflow.streams.lines import CODINGS, LineReader
from tests.sinks.elasticsearch.wires import Wires

MOST_LINE = 100
FRAME_MAX = 4_096
SECRET = "hunter2hunter2"


@dataclass(frozen=True)
class Target:
    """A parser: what runs it on any bytes, and bytes that it understands."""

    run: Callable[[bytes], None]
    seeds: Sequence[bytes]


class Chosen:
    """The first bytes of what a target is given, which choose settings."""

    def __init__(self, data: bytes) -> None:
        self.rest = data

    def one_of(self, choices: Sequence[Any]) -> Any:
        """Take a byte, and choose by it."""
        first, self.rest = self.rest[:1], self.rest[1:]
        return choices[first[0] % len(choices) if first else 0]

    def cuts(self) -> list[int]:
        """Take some bytes as the lengths of blocks."""
        count = self.one_of(range(6))
        taken, self.rest = self.rest[:count], self.rest[count:]
        return [1 + length for length in taken]


def cut(data: bytes, lengths: Sequence[int]) -> list[bytes]:
    """Cut data into blocks of these lengths, and the rest."""
    edges = [0]
    for length in lengths:
        edges.append(min(len(data), edges[-1] + length))
    return [data[start:stop] for start, stop in pairwise([*edges, len(data)])]


# -- lines ----------------------------------------------------------------------------------------

ENCODINGS = ("utf-8", "utf-16", "utf-32-le", "latin-1", "shift_jis", "gb18030", "iso2022_jp", "hz")
STACKS: Sequence[tuple[str, ...]] = ((), *((coding,) for coding in CODINGS), ("gzip", "deflate"))


def lines(data: bytes) -> None:
    """Cut anywhere, a body has the same lines, and an error in the same place or none."""
    chosen = Chosen(data)
    encoding, codings = chosen.one_of(ENCODINGS), chosen.one_of(STACKS)
    lengths = chosen.cuts()
    read = partial(_lines, encoding=encoding, codings=codings)
    whole, cut_up = read([chosen.rest]), read(cut(chosen.rest, lengths))
    # How much a byte may become is counted as they come: a bomb goes off earlier in smaller blocks.
    if "bomb" not in whole[1] + cut_up[1]:
        assert whole[0] == cut_up[0], (whole, cut_up)
        assert bool(whole[1]) == bool(cut_up[1]), (whole, cut_up)


def _lines(blocks: Sequence[bytes], **settings: Any) -> tuple[list[str], str]:
    reader = LineReader("x", max_line_bytes=MOST_LINE, **settings)
    got: list[str] = []
    said = ""
    try:
        for block in blocks:
            for run in reader.feed(block):
                assert run
                got += run
            assert sum(map(len, reader._open)) <= MOST_LINE + 1
            assert len(reader._open) <= MOST_LINE + 1
        for run in reader.end():
            got += run
    except SourceError as error:
        said = str(error)
    assert reader.line == len(got)
    assert not said or said.startswith(f"x, line {len(got) + 1}: "), said
    assert len(said) < 500
    return got, said


# -- AMQP -----------------------------------------------------------------------------------------


def frames(data: bytes) -> None:
    """Cut anywhere, a stream has the same frames, and then one error of AMQP or none."""
    chosen = Chosen(data)
    lengths = chosen.cuts()
    assert _frames([chosen.rest]) == _frames(cut(chosen.rest, lengths))


def _frames(blocks: Sequence[bytes]) -> tuple[list[str], str]:
    return _loop().run_until_complete(_read_frames(blocks))


async def _read_frames(blocks: Sequence[bytes]) -> tuple[list[str], str]:
    reader = asyncio.StreamReader(limit=FRAME_MAX)
    reading = asyncio.ensure_future(_all_frames(reader))
    for block in blocks:
        reader.feed_data(block)
        await asyncio.sleep(0)
    reader.feed_eof()
    return await reading


async def _all_frames(reader: asyncio.StreamReader) -> tuple[list[str], str]:
    got: list[str] = []
    try:
        async for weight, channel, found in Frames(reader, FRAME_MAX):
            assert weight <= FRAME_MAX
            got.append(f"{channel} {type(found).__name__} {_attributes(found)}")
    except AMQPError as error:
        return got, type(error).__name__
    return got, ""


def _attributes(found: Any) -> str:
    if isinstance(found, ContentHeader):
        return f"{found.body_size} {_attributes(found.properties)}"
    if isinstance(found, ContentBody):
        return repr(found.value)
    return repr(dict(found)) if hasattr(found, "attributes") else ""


_loops: list[asyncio.AbstractEventLoop] = []


def _loop() -> asyncio.AbstractEventLoop:
    """Return a loop that is kept: making one takes longer than reading a frame."""
    if not _loops:
        _loops.append(asyncio.new_event_loop())
    return _loops[0]


def deliveries(data: bytes) -> None:
    """Cut anywhere, a stream has the same deliveries, and passes on the same or ends with an error."""
    chosen = Chosen(data)
    lengths = chosen.cuts()
    whole, passed, error = _deliveries([chosen.rest])
    cut_up, passed_cut, error_cut = _deliveries(cut(chosen.rest, lengths))
    assert (whole, error) == (cut_up, error_cut)
    assert passed == passed_cut if not error else passed_cut.startswith(passed)


def _deliveries(blocks: Sequence[bytes]) -> tuple[list[Any], bytes, str]:
    wire = Wire(lambda: NO_HEARTBEAT)
    got: list[Peeled] = []
    for channel in TAPPED:
        wire.tap(channel, Tap(got.extend, MOST_BODY), FRAME_MAX)
    rest = b""
    for block in blocks:
        rest += wire.feed(block)
        assert sum(map(len, wire._held)) <= FRAME_MAX
    assert all(len(each.body) <= MOST_BODY for each in got)
    return [_told(each) for each in got], rest, wire.error


def _told(each: Peeled) -> tuple[Any, ...]:
    """Return all that a delivery says, but for what its envelope says of the first one that had it."""
    properties = each._envelope.header[BEFORE_FLAGS:]
    return (each.tag, each.redelivered, each.size, each.body, properties, _attributes(each.method))


def verdicts(data: bytes) -> None:
    """Cut anywhere, a broker's answers settle the same messages, each at most once, or are an error."""
    chosen = Chosen(data)
    lengths, count = chosen.cuts(), chosen.one_of(range(20))
    whole = _verdicts([chosen.rest], count)
    assert whole == _verdicts(cut(chosen.rest, lengths), count)


def _verdicts(blocks: Sequence[bytes], count: int) -> tuple[list[str], bytes, str]:
    unconfirmed, wire = Unconfirmed(), Wire(lambda: NO_HEARTBEAT)
    taken: list[Sent] = []
    refused: list[Refused] = []

    def settle(some: list[Sent], others: list[Refused]) -> None:
        taken.extend(some)
        refused.extend(others)

    reader = Verdicts(unconfirmed, settle, lambda said: None)
    wire.tap(1, reader, FRAME_MAX)
    for number in range(count):
        # Which message it is of is all that matters here, not what it is.
        unconfirmed.add((number, Outgoing(b"", "", "", None), b"%d" % number))  # type: ignore[arg-type]
    rest = b"".join(wire.feed(block) for block in blocks)
    names = [str(name) for name, _, _ in (*taken, *(sent for sent, _ in refused))]
    assert len(names) == len(set(names)) == count - len(unconfirmed)
    told = sorted([*(str(name) for name, _, _ in taken), *(repr(each[1]) for each in refused)])
    # What was passed on before an error depends on the reads.
    return told, b"" if wire.error else rest, wire.error


TAPPED = (1, 2)
MOST_BODY = 50
NO_HEARTBEAT = -1.0
"""A time at which no heartbeat is due yet: where one is put in depends on the reads."""


def letters(data: bytes) -> None:
    """A message whose properties can be read can be published as a dead letter, headers and all."""
    header = struct.pack(">HHQ", 60, 0, 4) + data
    framed = struct.pack(">BHI", 2, 1, len(header)) + header + b"\xce"
    (found,) = _loop().run_until_complete(_of_one_frame(framed))
    if type(found) is not ContentHeader:
        return
    raw = Peeled(b"body", 4, 1, Envelope(DELIVER.marshal(), header))
    read = delivery(raw, {"ackflow.1": "words"})
    if read.properties.get("delivery_mode", 2) not in (1, 2):  # which RabbitMQ takes from nobody
        return
    # Every dead letter is without its expiration.
    properties = {name: each for name, each in read.properties.items() if name != "expiration"}
    read = replace(read, properties=properties)
    assert delivery_count(raw) >= 0 or "x-delivery-count" in read.headers
    letter = PUBLISH.encode(read)
    kept = {name: each for name, each in read.headers.items() if name not in NOT_KEPT}
    written = ContentHeader()
    written.unmarshal(ContentHeader(0, 4, letter.properties).marshal())
    assert repr(written.properties.headers or {}) == repr(_as_written(kept))


async def _of_one_frame(data: bytes) -> list[Any]:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return [found async for _, _, found in Frames(reader)]


DELIVER = Basic.Deliver("ackflow.1", 1, False, "", "words")
PUBLISH = sinks.amqp.publish("amqp://localhost/", routing_key="dead")
NOT_KEPT = (*ROUTING_HEADERS, *COUNTS)


def _as_written(value: Any) -> Any:
    """Return a header as it is read again: bytes that are no text have a type of their own."""
    match value:
        case dict():
            return {name: _as_written(each) for name, each in value.items()}
        case list():
            return [_as_written(each) for each in value]
        case bytes():
            return bytearray(value)
        case datetime():
            # pamqp takes what is later than 2106 for milliseconds.
            seconds = int(value.timestamp())
            return datetime.fromtimestamp(seconds / (1000 if seconds > 0xFFFFFFFF else 1), UTC)
    return value


# -- Elasticsearch --------------------------------------------------------------------------------

SERVER = server.Server(connection("http://localhost:9200"), parameters={})
OPERATIONS = ("index", "create", "update", "delete")


def answers(data: bytes) -> None:
    """Any answer to a bulk has one result for each document or none, and each result a verdict."""
    chosen = Chosen(data)
    status, count = chosen.one_of((200, 201, 400, 404, 413, 429, 500, 503)), chosen.one_of(range(4))
    product = chosen.one_of(({"x-elastic-product": "Elasticsearch"}, {}))
    headers = {**product, "retry-after": chosen.rest[:20].decode("latin-1")}
    answer = SERVER._answer(Reply(status, headers, chosen.rest))
    assert answer.retry_after is None or answer.retry_after >= 0
    assert all(part >= 0 for part in server._version(answer))
    assert isinstance(answer.pressure, bool)
    assert isinstance(judge_request(status, answer.cause).decision, Decision)
    assert isinstance(str(answer.cause), str)
    results = answer.results(count)
    if results is None:
        return
    assert len(results) == count
    assert answer.product
    if answer.plain(count):  # as a whole
        return
    for result in results:
        ((operation, found),) = result.items()
        assert isinstance(judge_item(operation, found, Rules()).decision, Decision)


def replies(data: bytes) -> None:
    """Cut anywhere, what a connection brings is the same answer, or none and an error that says so."""
    chosen = Chosen(data)
    lengths = chosen.cuts()
    whole, cut_up = _reply([chosen.rest]), _reply(cut(chosen.rest, lengths))
    assert whole == cut_up, (whole, cut_up)


def _reply(blocks: Sequence[bytes]) -> Reply | None:
    return _loop().run_until_complete(_read_reply(blocks))


async def _read_reply(blocks: Sequence[bytes]) -> Reply | None:
    exchange = Exchange()
    exchange.connection_made(Wires())
    asked = asyncio.ensure_future(exchange.send(b"GET / HTTP/1.1", b""))
    await asyncio.sleep(0)
    for block in blocks:
        exchange.data_received(block)
    exchange.eof_received()
    exchange.connection_lost(None)
    found: Reply | BaseException
    (found,) = await asyncio.gather(asked, return_exceptions=True)
    if isinstance(found, Reply):
        return found
    assert isinstance(found, BrokenError), found
    assert 0 < len(str(found)) < 500
    return None


# -- addresses ------------------------------------------------------------------------------------


def addresses(data: bytes) -> None:
    """Any text is an address or an error, and neither shows the password; so for all that take one."""
    chosen = Chosen(data)
    scheme = chosen.one_of(("amqp", "amqps", "http", "https", "redis", ""))
    user, _, place = chosen.rest.decode(errors="replace").partition("@")
    # A user's name with these in it would be something else, and the password too.
    user = "".join(character for character in user if character not in "/?#")
    url = f"{scheme}://{user}:{SECRET}@{place}"
    for take in (_amqp, _elasticsearch, _http, redacted):
        try:
            shown = take(url)
        except ValueError as error:
            shown = "".join(traceback.format_exception(error))
        assert SECRET not in shown, (url, shown)


def _amqp(url: str) -> str:
    found = Server.of(url)
    for address in found.addresses:
        assert 0 <= found.heartbeat_for(address) <= 65_535
        assert 0 < address.port <= 65_535
    return f"{found} {found!r}"


def _elasticsearch(url: str) -> str:
    found = connection(url)
    return f"{found} {found!r} {found.name}"


def _http(url: str) -> str:
    return repr(http.lines(url))


# -- all of them ----------------------------------------------------------------------------------


def _seeds_of_lines() -> Iterator[bytes]:
    for at, encoding in enumerate(ENCODINGS):
        text = "um\r\ndois\ntrês".encode(encoding, "replace")
        yield bytes([at, 0, 2, 3, 4]) + text
        yield bytes([at, 1, 1, 9]) + gzip.compress(text)
        yield bytes([at, 0, 0]) + gzip.compress(text) + gzip.compress(text)
        yield bytes([at, 3, 1, 5]) + zlib.compress(text)


def _seeds_of_frames() -> Iterator[bytes]:
    headers: Any = {"n": 1, "list": [None, True, 1.5, {"in": "it"}], "text": "três"}
    properties = Basic.Properties(content_type="text/plain", headers=headers, priority=3)
    parts = (
        Basic.Deliver("ackflow.1", 1, False, "", "words"),
        ContentHeader(0, 4, properties),
        ContentBody(b"body"),
        Heartbeat(),
    )
    yield b"\x02\x05\x40" + b"".join(frame.marshal(part, 1) for part in parts)
    for part in parts:
        yield b"\0" + frame.marshal(part, 1)


def _seeds_of_deliveries() -> Iterator[bytes]:
    for body in (b"", b"um", b"x" * 120):
        parts = [body[at : at + 60] for at in range(0, len(body), 60)]
        header = ContentHeader(0, len(body), Basic.Properties(headers={"a": 1}))
        message = [frame.marshal(DELIVER, 1), frame.marshal(header, 1)]
        framed = [*message, *(frame.marshal(ContentBody(part), 1) for part in parts)]
        yield b"\x02\x05\x11" + b"".join(framed) + frame.marshal(Heartbeat(), 0)


def _seeds_of_verdicts() -> Iterator[bytes]:
    given = Basic.Properties(headers={"n": 1}, delivery_mode=2, message_id="3")
    back = [
        frame.marshal(Basic.Return(312, "NO_ROUTE", "", "nowhere"), 1),
        frame.marshal(ContentHeader(0, 4, given), 1),
        frame.marshal(ContentBody(b"body"), 1),
    ]
    confirms = [
        frame.marshal(Basic.Ack(5, True), 1),
        frame.marshal(Basic.Nack(6), 1),
        frame.marshal(Basic.Ack(0, True), 1),
    ]
    for cuts in (b"\0", b"\2\5\30"):
        yield cuts + b"\12" + b"".join([*back, *confirms])
        yield cuts + b"\12" + confirms[0] + frame.marshal(Channel.Close(404, "gone", 60, 40), 1)


def _seeds_of_letters() -> Iterator[bytes]:
    headers: Any = {"n": 1, "list": [None, True, 1.5, Decimal("1.25"), {"in": "it"}]}
    for properties in (
        Basic.Properties(headers=headers, timestamp=datetime(2026, 1, 1, tzinfo=UTC)),
        Basic.Properties(priority=3, delivery_mode=2, content_type="text/plain"),
        Basic.Properties(expiration="1000", user_id="ana", reply_to="q", message_type="t"),
    ):
        yield properties.marshal()


def _seeds_of_answers() -> Iterator[bytes]:
    stored = {"index": {"status": 201}}
    refused = {"index": {"status": 400, "error": {"type": "a", "reason": "b", "caused_by": {}}}}
    for body in (
        {"errors": False, "items": [stored, stored]},
        {"errors": True, "items": [stored, refused]},
        {"errors": False, "items": [{"create": {"status": 201, "failure_store": "used"}}] * 2},
        {"error": {"type": "a", "reason": "b", "caused_by": {"type": "c", "reason": "d"}}},
        {"version": {"number": "9.0.1"}},
        {"version": {"number": "²." + 5_000 * "9"}},
    ):
        yield (
            bytes([0, 2, 0]) + json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
        )


def _seeds_of_replies() -> Iterator[bytes]:
    status = b"HTTP/1.1 200 OK\r\nX-Elastic-Product: Elasticsearch\r\n"
    yield b"\2\5\30" + status + b"Content-Length: 2\r\n\r\n{}"
    yield b"\1\70" + status + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    yield b"\0" + b"HTTP/1.1 103 Early Hints\r\n\r\n" + status + b"\r\n{}"
    packed = gzip.compress(b"{}", mtime=0)
    head = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    yield b"\0" + status + head + packed


def _seeds_of_addresses() -> Iterator[bytes]:
    for at in range(4):
        yield bytes([at]) + b"ana@host:5672/my%2Fshop?heartbeat=10&name=me"
        yield bytes([at]) + b"ana@[::1]:9200/x"


TARGETS = {
    "lines": Target(lines, [*_seeds_of_lines()]),
    "frames": Target(frames, [*_seeds_of_frames()]),
    "deliveries": Target(deliveries, [*_seeds_of_deliveries()]),
    "verdicts": Target(verdicts, [*_seeds_of_verdicts()]),
    "letters": Target(letters, [*_seeds_of_letters()]),
    "answers": Target(answers, [*_seeds_of_answers()]),
    "replies": Target(replies, [*_seeds_of_replies()]),
    "addresses": Target(addresses, [*_seeds_of_addresses()]),
}
