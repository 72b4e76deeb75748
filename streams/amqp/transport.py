"""Transport: a connection for aiormq with a `Wire` before it. Imported when first used.

The reader and the writer are asyncio's own; only what the socket hands in goes through the wire first.
"""

import asyncio
from typing import Any

from aiormq.connection import TransportFactory
from aiormq.exceptions import AMQPConnectionError, InvalidFrameError
from yarl import URL

from ackflow.streams.amqp.wire import Wire


class Transport(TransportFactory):
    """What aiormq opens its connection with."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._writer: asyncio.StreamWriter | None = None

    @property
    def writer(self) -> asyncio.StreamWriter:
        """What aiormq writes by, once it is connected; whole frames may be written between its own."""
        assert self._writer is not None
        return self._writer

    async def create(
        self, url: URL, **settings: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect, with TLS for amqps; other settings are those of the loop's create_connection."""
        tls = settings.pop("ssl_context_provider", None)
        settings |= {"host": url.host, "port": url.port}
        if url.scheme == "amqps":
            settings["ssl"] = await tls.get_context()
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        protocol = Protocol(reader, self.wire, loop)
        try:
            transport, _ = await loop.create_connection(lambda: protocol, **settings)
        except OSError as error:
            raise AMQPConnectionError(*error.args) from error
        self._writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        return reader, self._writer


class Protocol(asyncio.StreamReaderProtocol):
    """asyncio's own, but for what the wire takes."""

    def __init__(
        self, reader: asyncio.StreamReader, wire: Wire, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(reader, loop=loop)
        self._reader = reader
        self._wire = wire

    def data_received(self, data: bytes) -> None:
        rest = self._wire.feed(data)
        if rest:
            super().data_received(rest)
        if self._wire.error and self._reader.exception() is None:
            self._reader.set_exception(InvalidFrameError(self._wire.error))
