"""Authorities and certificates of the tests' own, and servers that show them."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

YESTERDAY = datetime.now(UTC) - timedelta(days=1)


class Authority:
    """Signs certificates; `file` is what has to be trusted for them."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._authority = trustme.CA()
        self._folder = folder
        self.file = folder / f"{name}.pem"
        self._authority.cert_pem.write_to_path(str(self.file))

    def server(self, host: str = "localhost", *, expired: bool = False) -> ssl.SSLContext:
        """Return the context of a server that shows a certificate for a host."""
        dates = {"not_before": YESTERDAY - timedelta(days=9), "not_after": YESTERDAY}
        certificate = self._authority.issue_cert(host, **(dates if expired else {}))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(context)
        return context

    def asking(self, clients: "Authority") -> ssl.SSLContext:
        """Return the context of a server that lets in whom another authority knows."""
        context = self.server()
        context.load_verify_locations(clients.file)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self, name: str = "ana@example.org") -> Path:
        """Write a client's certificate and key into one file."""
        path = self._folder / f"{name}.pem"
        self._authority.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(str(path))
        return path

    def trusting(self) -> ssl.SSLContext:
        """Return the context of a client that trusts this authority alone."""
        return ssl.create_default_context(cafile=self.file)


@asynccontextmanager
async def mute(context: ssl.SSLContext | None = None, greeting: bytes = b"") -> AsyncIterator[int]:
    """Listen, and say one thing at most; gives the port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]
