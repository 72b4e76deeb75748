"""Server: the broker or cluster that a setting names, its addresses tried in turn, and its TLS."""

import ssl
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ackflow.streams.amqp.address import Address

DEFAULT_URL = "amqp://guest:guest@localhost/"
HEARTBEAT = 60
"""Seconds; RabbitMQ's own suggestion. A peer is given up after about three of them."""

File = str | Path


@dataclass(frozen=True)
class Server:
    """A broker or a cluster: who names an equal one shares its connections.

    Example:
        >>> print(Server.of(["amqp://ana:s3cret@one/shop", "amqp://ana:s3cret@two/shop"]))
        amqp://ana@one:5672/shop or amqp://ana@two:5672/shop

    """

    addresses: tuple[Address, ...]
    heartbeat: int | None = None
    connection_name: str | None = None
    ssl_context: ssl.SSLContext | None = None
    ca_file: File | None = None
    certificate: tuple[File, File | None] | None = None

    @classmethod
    def of(
        cls,
        url: str | Sequence[str] = DEFAULT_URL,
        *,
        vhost: str | None = None,
        heartbeat: int | None = None,
        connection_name: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        ca_file: File | None = None,
        certificate: File | tuple[File, File] | None = None,
    ) -> "Server":
        """Make one of what users write; raise ValueError or TypeError for what can't be meant."""
        urls = [url] if isinstance(url, str) else list(url)
        if not urls:
            raise ValueError("url must name at least one broker, got an empty list")
        pair = certificate if isinstance(certificate, tuple | None) else (certificate, None)
        return cls(
            tuple(Address.parse(one, vhost) for one in urls),
            heartbeat,
            connection_name,
            ssl_context,
            ca_file,
            pair,
        )

    def __post_init__(self) -> None:
        """Raise ValueError for settings that contradict each other."""
        if self.heartbeat is not None and not 0 <= self.heartbeat < 65_536:
            raise ValueError(
                f"heartbeat must be whole seconds from 0 (off) to 65,535, got {self.heartbeat!r}"
            )
        files = (self.ca_file, *(self.certificate or ()))
        if self.ssl_context is not None and any(file is not None for file in files):
            raise ValueError("ssl_context has its own certificates: leave out ca_file, certificate")
        if (self.ssl_context or any(files)) and not all(a.tls for a in self.addresses):
            raise ValueError(
                f"ssl_context, ca_file and certificate need amqps:// in every url, got {self}"
            )
        for file in files:
            if file is not None and not Path(file).is_file():
                raise ValueError(f"ca_file, certificate: there is no file {str(file)!r}")

    def heartbeat_for(self, address: Address) -> int:
        """Return the seconds between heartbeats: as set, as in the URL, or the default."""
        if self.heartbeat is not None:
            return self.heartbeat
        return int(address.option("heartbeat") or HEARTBEAT)

    def name_for(self, address: Address, purpose: str) -> str:
        """Return what the broker's own tools call a connection."""
        name = self.connection_name or address.option("name") or program()
        return f"{name}: {purpose}"

    def context_for(self, address: Address) -> ssl.SSLContext | None:
        """Return the TLS context for an address, None where it has no TLS. Reads files."""
        if not address.tls:
            return None
        if self.ssl_context is not None:
            return self.ssl_context
        context = ssl.create_default_context(
            cafile=self.ca_file or address.option("cafile", "cacertfile")
        )
        file, key = self.certificate or (address.option("certfile"), address.option("keyfile"))
        if file is not None:
            context.load_cert_chain(file, key)
        return context

    @property
    def trace_attributes(self) -> dict[str, str | int]:
        """What spans say of it: https://opentelemetry.io/docs/specs/semconv/messaging/rabbitmq/."""
        first = self.addresses[0]
        return {
            "messaging.system": "rabbitmq",
            "server.address": first.host,
            "server.port": first.port,
        }

    def __str__(self) -> str:
        return " or ".join(map(str, self.addresses))


def program() -> str:
    """Name the program that runs, for the broker's tools."""
    path = Path(sys.argv[0] if sys.argv else "")
    return path.parent.name if path.name == "__main__.py" else path.name or "python"
