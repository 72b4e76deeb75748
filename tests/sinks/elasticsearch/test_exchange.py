"""One connection: whatever comes is an answer or one clear error, however it is cut."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ackflow.sinks.elasticsearch import exchange as exchange_module
from ackflow.sinks.elasticsearch.exchange import BrokenError, Exchange
from ackflow.sinks.elasticsearch.sending import Reply
from tests.sinks.elasticsearch.wires import Wires

OK = b"HTTP/1.1 200 OK\r\n"
SIZED = OK + b"X-Elastic-Product: Elasticsearch\r\nContent-Length: 5\r\n\r\nthree"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nth\r\n3\r\nree\r\n0\r\n\r\n"
EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


@asynccontextmanager
async def asked() -> AsyncIterator[tuple[Exchange, Wires, "asyncio.Task[Reply]"]]:
    """A connection over which a request has gone out."""
    exchange, wires = Exchange(), Wires()
    exchange.connection_made(wires)
    task = asyncio.ensure_future(exchange.send(b"GET / HTTP/1.1\r\n\r\n", b""))
    await asyncio.sleep(0)
    try:
        yield exchange, wires, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def answered(*pieces: bytes, ended: bool = False) -> Reply:
    """Return what is made of bytes that come in pieces, and of the end of them."""
    async with asked() as (exchange, _, task):
        for piece in pieces:
            exchange.data_received(piece)
        if ended:
            exchange.eof_received()
            exchange.connection_lost(None)
        async with asyncio.timeout(5):
            return await task


@st.composite
def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    places = sorted(draw(st.sets(st.integers(1, len(data) - 1), max_size=6)))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


@given(st.sampled_from([SIZED, CHUNKED, EARLY + SIZED]).flatmap(cut))
@settings(max_examples=100)
async def test_an_answer_is_the_same_however_it_is_cut(pieces: list[bytes]) -> None:
    reply = await answered(*pieces)
    assert (reply.status, reply.body) == (200, b"three")


@given(st.sampled_from([SIZED, CHUNKED]), st.data())
@settings(max_examples=60)
async def test_an_answer_that_ends_too_early_is_none(answer: bytes, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, len(answer) - 1))
    with pytest.raises(BrokenError, match="before its answer was complete"):
        await answered(answer[:length], ended=True)


@given(st.binary(max_size=60), st.integers(0, len(SIZED)))
@settings(max_examples=100)
async def test_any_bytes_are_an_answer_or_one_error(garbage: bytes, after: int) -> None:
    found = await asyncio.gather(
        answered(SIZED[:after] + garbage, ended=True), return_exceptions=True
    )
    assert isinstance(found[0], Reply | BrokenError)
    assert str(found[0])


async def test_a_body_without_a_size_ends_with_the_connection() -> None:
    async with asked() as (exchange, _, task):
        exchange.data_received(OK + b"\r\nthr")
        exchange.data_received(b"ee")
        await asyncio.sleep(0)
        assert not task.done()
        exchange.eof_received()
        assert (await task).body == b"three"
        assert not exchange.usable


async def test_a_body_without_a_size_that_is_not_what_it_says_is_no_answer() -> None:
    with pytest.raises(BrokenError, match="is not compressed as it says"):
        await answered(OK + b"Content-Encoding: gzip\r\n\r\nthree", ended=True)


@pytest.mark.parametrize(
    ("answer", "usable"),
    [
        (SIZED, True),
        (SIZED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), False),
        (SIZED.replace(b"1.1", b"1.0"), False),
        (SIZED + b"HTTP/1.1 200 OK\r\n", False),
    ],
    ids=["sized", "close", "HTTP/1.0", "and another that nobody asked for"],
)
async def test_a_connection_is_used_again_only_where_both_agree(
    answer: bytes, usable: bool
) -> None:
    async with asked() as (exchange, _, task):
        exchange.data_received(answer)
        assert (await task).body == b"three"
        assert exchange.usable is usable


async def test_who_answers_before_all_was_sent_gets_no_other_request() -> None:
    async with asked() as (exchange, wires, task):
        wires.left = 9
        exchange.data_received(SIZED)
        assert (await task).status == 200
        assert not exchange.usable


async def test_what_comes_unasked_ends_the_connection() -> None:
    async with asked() as (exchange, wires, task):
        exchange.data_received(SIZED)
        await task
        exchange.data_received(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        assert wires.closing
        assert not exchange.usable


@pytest.mark.parametrize("name", [b"gzip", b"x-gzip", b"deflate", b"GZIP"])
async def test_a_body_that_was_compressed_on_the_way_is_unpacked(name: bytes) -> None:
    pack: Any = zlib.compress if name == b"deflate" else gzip.compress
    head = b"Content-Encoding: %b\r\nContent-Length: %d\r\n\r\n"
    body = pack(b"three")
    assert (await answered(OK + head % (name, len(body)) + body)).body == b"three"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "what came is no HTTP: "),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
         "changes to another protocol"),
        (OK + b"A: %b\r\n\r\n" % (b"x" * 70_000), "more than 65,536 bytes of headers"),
        (OK + b"A: x\r\n" * 20_000 + b"\r\n", "more than 65,536 bytes of headers"),
        (OK + b"Content-Length: 99\r\n\r\n" + b"x" * 99, "more than 64 bytes"),
        (OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nthree",
         "is not compressed as it says"),
        (OK + b"Content-Encoding: gzip\r\nContent-Length: 33\r\n\r\n"
         + gzip.compress(b"x" * 5_000, mtime=0).ljust(33), "more than 64 bytes"),
        (OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nthree", "what came is no HTTP"),
    ],
    ids=["SSH", "upgrade", "long header", "many headers", "large", "no gzip", "a bomb", "two sizes"],
)  # fmt: skip
async def test_what_is_no_answer_says_why(
    answer: bytes, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange_module, "MOST_ANSWER", 64)
    with pytest.raises(BrokenError, match=reason):
        await answered(answer)


async def test_why_it_is_no_answer_is_not_what_the_loop_runs_under() -> None:
    try:
        raise RuntimeError("no running event loop")
    except RuntimeError:
        with pytest.raises(BrokenError, match="what came is no HTTP: "):
            await answered(bytes(64))
