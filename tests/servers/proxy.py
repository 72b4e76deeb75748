"""A TCP proxy that stands between a client and a server, and breaks what passes."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

READ = 65_536


class Proxy:
    """Passes bytes on between clients and one server, and cuts, delays, stalls, halves, corrupts them.

    Example:
        async with Proxy(server.url) as proxy:
            connect(proxy.url)
            proxy.cut()

    """

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._passing = asyncio.Event()
        self._passing.set()
        self._halve = self._corrupt = False
        self.latency = 0.0
        """Seconds by which everything is late."""
        self.connections = 0
        """How many connections were made so far."""
        self.refusing = False
        """Whether connections are ended as soon as they are made."""

    @property
    def url(self) -> str:
        """Where clients find it."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        user, at, _ = self._target.netloc.rpartition("@")
        return urlunsplit(self._target._replace(netloc=f"{user}{at}{host}:{port}"))

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for pump in list(self._pumps):
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    # -- faults -----------------------------------------------------------------------------------

    def cut(self) -> None:
        """Reset every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    def halve(self) -> None:
        """Pass on half of what comes next, then reset that connection."""
        self._halve = True

    def corrupt(self) -> None:
        """Pass on zeros in the place of what the server sends next: no frame, no answer is like that."""
        self._corrupt = True

    @property
    def armed(self) -> bool:
        """Whether something is still to be halved or corrupted, since nothing has passed."""
        return self._halve or self._corrupt

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Pass nothing on within the block; connections stay open."""
        self._passing.clear()
        try:
            yield
        finally:
            self._passing.set()

    async def stall(self, seconds: float) -> None:
        """Pass nothing on for a while; connections stay open."""
        with self.holding():
            await asyncio.sleep(seconds)

    async def delay(self, latency: float, seconds: float) -> None:
        """Be late for a while."""
        self.latency = latency
        try:
            await asyncio.sleep(seconds)
        finally:
            self.latency = 0.0

    # -- passing on -------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            if self.refusing:
                raise ConnectionRefusedError
            far = await asyncio.open_connection(self._target.hostname, self._target.port)
        except OSError:
            writer.transport.abort()
            return
        far_reader, far_writer = far
        self._writers |= {writer, far_writer}
        self._start(reader, far_writer, from_server=False)
        self._start(far_reader, writer, from_server=True)

    def _start(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_server: bool
    ) -> None:
        pump = asyncio.create_task(self._pump(reader, writer, from_server=from_server))
        self._pumps.add(pump)
        pump.add_done_callback(self._pumps.discard)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_server: bool
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(READ):
                await self._passing.wait()
                if self.latency:
                    await asyncio.sleep(self.latency)
                if self._halve:
                    self._halve = False
                    writer.write(data[: len(data) // 2])
                    await writer.drain()
                    break
                if self._corrupt and from_server:
                    self._corrupt = False
                    data = bytes(len(data))
                writer.write(data)
                await writer.drain()
        self._writers.discard(writer)
        writer.transport.abort()
