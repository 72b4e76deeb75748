"""Nodes: requests to the servers that URLs name, over connections of our own.

elasticsearch-py and aiohttp take half a millisecond for each bulk, a fifth of all that 256 documents
cost, since they can do much that a bulk does not need. This takes a third of that.
"""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from os import strerror
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from ackflow.sinks.elasticsearch.connection import Connection
from ackflow.sinks.elasticsearch.exchange import BrokenError, Exchange
from ackflow.sinks.elasticsearch.sending import NoAnswerError, NotSentError, Reply, Request, way_out

KEEP_ALIVE = 15.0
"""Seconds without a request after which a connection is not used again: proxies close those soon."""
SHORTEST_REST = 1.0
LONGEST_REST = 60.0
"""Seconds for which others are asked in the place of a node that does not answer."""
REDIRECTS = (301, 302, 303, 307, 308)
AWAY = (502, 503, 504)
"""Statuses of a node that is not there, or has too much to do."""


class Nodes:
    """Asks each node in turn, and those that don't answer more and more seldom."""

    def __init__(self, connection: Connection) -> None:
        context = _context(connection)
        authorization = _authorization(connection.credentials)
        self._nodes = [Node(host, context, authorization) for host in connection.hosts]
        self._loop = asyncio.get_running_loop()

    async def send(self, request: Request) -> Reply:
        """Send a request to the next node."""
        node = self._next()
        try:
            reply = await node.send(request)
        except (NotSentError, NoAnswerError):
            node.failed(self._loop.time())
            raise
        if reply.status in AWAY:
            node.failed(self._loop.time())
        else:
            node.failures = 0
        return reply

    async def close(self) -> None:
        """Close all connections."""
        for node in self._nodes:
            node.close()
        await asyncio.sleep(0)  # in which they do

    def _next(self) -> "Node":
        """Return the first node that does not rest, or whose rest ends first, and put it last."""
        now = self._loop.time()
        node = min(self._nodes, key=lambda node: node.rests(now))
        self._nodes.remove(node)
        self._nodes.append(node)
        return node


class Node:
    """One server and the connections to it."""

    def __init__(self, host: str, context: ssl.SSLContext | None, authorization: str) -> None:
        parts = urlsplit(host)
        self._host, self._port = parts.hostname or "", parts.port or 0
        self._prefix = parts.path
        self._context = context if parts.scheme == "https" else None
        self._fixed = f"host: {parts.netloc}\r\nuser-agent: ackflow\r\n{authorization}"
        self._idle: list[Exchange] = []
        self._open: set[Exchange] = set()
        self.failures = 0
        self._rests_until = 0.0

    def rests(self, now: float) -> float:
        """Return for how many seconds others are to be asked in its place."""
        return max(0.0, self._rests_until - now) if self.failures else 0.0

    def failed(self, now: float) -> None:
        """Note a request that was not answered, or by somebody in its place."""
        self.failures += 1
        self._rests_until = now + min(LONGEST_REST, SHORTEST_REST * 2 ** min(9, self.failures - 1))

    async def send(self, request: Request) -> Reply:
        """Send a request; raise NotSentError or NoAnswerError."""
        sent = False
        try:
            async with asyncio.timeout(request.timeout):
                with self._borrowed(await self._connected()) as exchange:
                    sent = True
                    reply = await exchange.send(self._head(request), request.body)
        except TimeoutError:
            if sent:
                said = f"no answer within {request.timeout:g} s"
                raise NoAnswerError(said, timeout=True) from None
            raise NotSentError("is not there: no connection was made in time") from None
        except BrokenError as error:
            raise NoAnswerError(str(error), timeout=False) from None
        if reply.status in REDIRECTS and "location" in reply.headers:
            raise NotSentError(
                f"answers {reply.status}, a redirect, which is not followed; is the URL that of a "
                "proxy, or should it begin with https://?"
            )
        return reply

    def _head(self, request: Request) -> bytes:
        """Return what goes before the body."""
        target = _target(request.path, tuple(request.parameters.items()))
        lines = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        sized = request.body or request.method != "GET"
        size = f"content-length: {len(request.body)}\r\n" if sized else ""
        head = f"{request.method} {self._prefix}{target} HTTP/1.1\r\n{self._fixed}{lines}{size}\r\n"
        return head.encode("latin-1")

    def close(self) -> None:
        """Close all connections."""
        for exchange in [*self._open]:
            exchange.close()
        self._open.clear()
        self._idle.clear()

    @contextmanager
    def _borrowed(self, exchange: Exchange) -> Iterator[Exchange]:
        """Lend a connection; keep it afterwards if it is good for another request."""
        try:
            yield exchange
        except BaseException:
            self._open.discard(exchange)
            exchange.close()
            raise
        if exchange.usable and exchange in self._open:
            self._idle.append(exchange)
        else:
            self._open.discard(exchange)
            exchange.close()

    async def _connected(self) -> Exchange:
        """Return the connection that was used last, or a new one."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            exchange = self._idle.pop()
            if exchange.usable and now - exchange.idle_since < KEEP_ALIVE:
                return exchange
            self._open.discard(exchange)
            exchange.close()
        try:
            _, exchange = await asyncio.get_running_loop().create_connection(
                Exchange, self._host, self._port, ssl=self._context, happy_eyeballs_delay=0.25
            )
        except ssl.SSLError as error:
            raise NotSentError(f"can't be trusted: {error}; {way_out(error)}") from None
        except TimeoutError:
            raise
        except OSError as error:
            raise NotSentError(f"is not there: {_reason(error)}") from None
        if not exchange.usable:
            raise NotSentError("is not there: it closed the connection at once")
        self._open.add(exchange)
        return exchange


def _reason(error: OSError) -> str:
    """Say what the system says, and not that it was a call of asyncio's; names have no such number."""
    return strerror(error.errno) if error.errno and error.errno > 0 else str(error)


@lru_cache(64)
def _target(path: str, parameters: tuple[tuple[str, str], ...]) -> str:
    return f"{path}?{urlencode(parameters)}" if parameters else path


def _authorization(credentials: Mapping[str, Any]) -> str:
    """Return the header; pairs in UTF-8, as Elasticsearch reads them (RFC 7617, section 2.1)."""
    schemes = {"api_key": "ApiKey", "basic_auth": "Basic", "bearer_auth": "Bearer"}
    for name, secret in credentials.items():
        pair = not isinstance(secret, str)
        text = b64encode(":".join(secret).encode()).decode() if pair else secret
        return f"authorization: {schemes[name]} {text}\r\n"
    return ""


def _context(connection: Connection) -> ssl.SSLContext | None:
    """Return how certificates are checked; Mozilla's authorities unless others are named."""
    if not any(host.startswith("https:") for host in connection.hosts):
        return None
    import certifi

    tls = connection.tls
    authorities = Path(tls.get("ca_certs") or certifi.where())
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not tls.get("verify_certs", True):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    place = "capath" if authorities.is_dir() else "cafile"
    context.load_verify_locations(**{place: str(authorities)})
    if "client_cert" in tls:
        context.load_cert_chain(tls["client_cert"], tls.get("client_key"))
    return context
