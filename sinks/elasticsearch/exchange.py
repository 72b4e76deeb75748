"""Exchange: requests and answers of HTTP/1.1 over one connection, one at a time."""

import asyncio
import zlib
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from ackflow.sinks.elasticsearch.sending import Reply

MOST_ANSWER = 128 * 2**20
"""Bytes of an answer, unpacked: more than of any request that Elasticsearch takes by default."""
MOST_HEADERS = 2**16
"""Bytes of all headers of an answer."""
HEADER = 32
"""Bytes that each takes besides its name and value."""
UNPACK_ANY = 47
"""zlib's window bits: gzip or zlib, whichever it is."""


class BrokenError(Exception):
    """A request was under way, and no answer came, or none that can be read."""


class Exchange(asyncio.Protocol):
    """One connection.

    httptools reads what comes, the parser that is in Node.js; what goes out is a text and a body.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._answer: asyncio.Future[Reply] | None = None
        self._lasts = True
        self.idle_since = 0.0
        self._begin()

    @property
    def usable(self) -> bool:
        """Whether another request may be sent."""
        return self._lasts and not self._transport.is_closing()

    async def send(self, head: bytes, body: bytes) -> Reply:
        """Send a request over a usable connection; raise BrokenError where there is no answer."""
        self._parser = HttpResponseParser(self)
        self._answer = self._loop.create_future()
        # An empty piece would be left in the buffer of Python 3.12 and later, and asyncio would try to
        # send it for ever (https://github.com/python/cpython/blob/3.12/Lib/asyncio/selector_events.py).
        self._transport.writelines([head, body] if body else [head])
        try:
            return await self._answer
        finally:
            self._answer = None
            self.idle_since = self._loop.time()
            # Whoever answers before it has heard all would take the rest for the next request.
            self._lasts = self._lasts and self._transport.get_write_buffer_size() == 0

    def close(self) -> None:
        """Close at once: what is under way ends."""
        self._lasts = False
        self._transport.abort()

    # -- what asyncio calls -----------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """Note how to write."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Read on; what comes when nothing was asked ends the connection."""
        if self._answer is None:
            return self.close()
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self._fail("the server changes to another protocol")
        except HttpParserError as error:
            # What a callback of ours raises is the context, if it is not what the loop runs under.
            cause = error.__context__
            ours = isinstance(cause, BrokenError)
            self._fail(str(cause) if ours else f"what came is no HTTP: {error}")

    def eof_received(self) -> None:
        """End an answer that has no other end."""
        if self._endless:
            self._lasts = False
            try:
                self.on_message_complete()
            except BrokenError as error:
                self._fail(str(error))

    def connection_lost(self, error: Exception | None) -> None:
        """Tell whoever waits."""
        self._fail(str(error or "the server closed the connection before its answer was complete"))

    def _fail(self, reason: str) -> None:
        self._lasts = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(BrokenError(reason))
        self._transport.abort()

    # -- what httptools calls ---------------------------------------------------------------------

    def _begin(self) -> None:
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._room = MOST_ANSWER
        self._room_for_headers = MOST_HEADERS
        self._endless = False

    def on_message_begin(self) -> None:
        """Refuse what comes behind the answer."""
        if self._answer is None or self._answer.done():
            raise BrokenError("the server sent another answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; several of one name are one list (RFC 9110, section 5.3)."""
        self._room_for_headers -= len(name) + len(value) + HEADER
        if self._room_for_headers < 0:
            raise BrokenError(f"the answer has more than {MOST_HEADERS:,} bytes of headers")
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        """Note whether the body ends by itself."""
        status = self._parser.get_status_code()
        ends = {"content-length", "transfer-encoding"} & self._headers.keys()
        self._endless = status >= 200 and status not in (204, 304) and not ends

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        self._room -= len(body)
        if self._room < 0:
            raise BrokenError(f"the answer has more than {MOST_ANSWER:,} bytes")
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Hand over the answer; one with 1xx says that the answer is yet to come."""
        status = self._parser.get_status_code()
        headers, body = self._headers, b"".join(self._body)
        self._begin()
        if status < 200:
            return
        self._lasts = self._lasts and bool(self._parser.should_keep_alive())
        assert self._answer is not None
        if not self._answer.done():
            self._answer.set_result(Reply(status, headers, _unpacked(headers, body)))


def _unpacked(headers: dict[str, str], body: bytes) -> bytes:
    """Undo a compression that nobody asked for, as some proxies do."""
    if headers.get("content-encoding", "identity").lower() not in ("gzip", "x-gzip", "deflate"):
        return body
    unpacking = zlib.decompressobj(UNPACK_ANY)
    try:
        unpacked = unpacking.decompress(body, MOST_ANSWER)
    except zlib.error:
        raise BrokenError("the answer is not compressed as it says") from None
    if unpacking.unconsumed_tail:
        raise BrokenError(f"the answer has more than {MOST_ANSWER:,} bytes")
    return unpacked
