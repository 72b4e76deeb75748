"""Clients of elasticsearch-py that leave retries, encoding and parsing to the sink."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from aiohttp import (
    ClientError,
    ClientPayloadError,
    ClientResponse,
    ClientSession,
    ConnectionTimeoutError,
    TraceConfig,
    TraceRequestExceptionParams,
    TraceRequestHeadersSentParams,
    TraceRequestRedirectParams,
)
from elastic_transport import AiohttpHttpNode, Serializer
from elasticsearch import AsyncElasticsearch

from ackflow.sinks.elasticsearch.connection import Connection


class Raw(Serializer):
    """Passes bytes through; the client's own would copy, or parse what we parse faster."""

    def dumps(self, data: Any) -> bytes:
        """Return bytes as they are."""
        return bytes(data)

    def loads(self, data: bytes) -> Any:
        """Return bytes as they are."""
        return data


MOST_ANSWER = 128 * 2**20
"""Bytes of an answer, unpacked: more than of any request that Elasticsearch takes by default."""


class Response(ClientResponse):
    """Reads an answer that has a size."""

    async def read(self) -> bytes:
        """Return the body; raise ClientPayloadError for one that does not seem to end."""
        if self._body is None:
            body = bytearray()
            async for block in self.content.iter_any():
                body += block
                if len(body) > MOST_ANSWER:
                    self.close()
                    raise ClientPayloadError(f"the answer has more than {MOST_ANSWER:,} bytes")
            self._body = bytes(body)
        return await super().read()


class RedirectedError(ClientError):
    """A server says that documents are to go elsewhere."""


class Node(AiohttpHttpNode):
    """A node that sends documents where its URL says, and takes no answer without end.

    A redirect could take documents anywhere. It also tells a time that was over before there was a
    connection, when nothing was sent, from one that leaves open what became of the documents.
    """

    def _create_aiohttp_session(self) -> None:
        super()._create_aiohttp_session()
        trace = TraceConfig()
        trace.on_request_redirect.append(_refuse)
        trace.on_request_headers_sent.append(_began)
        trace.on_request_exception.append(_failed)
        trace.freeze()
        assert self.session is not None
        self.session.trace_configs.append(trace)
        # A parameter of the session, which the class above makes without it.
        self.session._response_class = Response


async def _refuse(_: ClientSession, __: object, redirect: TraceRequestRedirectParams) -> None:
    status = redirect.response.status
    redirect.response.close()
    raise RedirectedError(
        f"it answers {status}, a redirect, which is not followed; is the URL that of a proxy, or "
        "should it begin with https://?"
    )


async def _began(_: ClientSession, request: Any, __: TraceRequestHeadersSentParams) -> None:
    request.began = True


async def _failed(_: ClientSession, request: Any, failure: TraceRequestExceptionParams) -> None:
    if isinstance(failure.exception, TimeoutError) and not hasattr(request, "began"):
        raise ConnectionTimeoutError("no connection was made in time")


MIMETYPES = (
    "application/json",
    "application/vnd.elasticsearch+json",
    "application/vnd.elasticsearch+x-ndjson",
    "application/x-ndjson",
    "application/*",
    "text/*",
)
NEVER_AGAIN: dict[str, Any] = {"max_retries": 0, "retry_on_timeout": False}
"""The client's retries come within a millisecond, and know nothing of single documents."""


def make(connection: Connection, connections: int) -> AsyncElasticsearch:
    """Return a client of our own."""
    raw = Raw()
    return AsyncElasticsearch(
        list(connection.hosts),
        node_class=Node,
        request_timeout=connection.request_timeout,
        http_compress=False,
        # Fewer would queue inside aiohttp, where the round trip would measure our own queue.
        connections_per_node=connections,
        serializers=dict.fromkeys(MIMETYPES, raw),
        **NEVER_AGAIN,
        **_encoded(connection.credentials),
        **connection.tls,
    )


def _encoded(credentials: Mapping[str, Any]) -> dict[str, Any]:
    """Return credentials with pairs in Base64, which the client would make of ASCII alone.

    RFC 7617, section 2.1: in UTF-8, as Elasticsearch reads them.
    """
    return {
        name: secret if isinstance(secret, str) else b64encode(":".join(secret).encode()).decode()
        for name, secret in credentials.items()
    }


def adopt(client: AsyncElasticsearch, request_timeout: float) -> AsyncElasticsearch:
    """Return somebody's client with our settings; it shares their connections."""
    return client.options(request_timeout=request_timeout, **NEVER_AGAIN)
