"""Clients of elasticsearch-py that leave retries, encoding and parsing to the sink."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from aiohttp import ClientError, ClientSession, TraceConfig, TraceRequestRedirectParams
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


class RedirectedError(ClientError):
    """A server says that documents are to go elsewhere."""


class Node(AiohttpHttpNode):
    """A node that sends documents where its URL says: a redirect could take them anywhere."""

    def _create_aiohttp_session(self) -> None:
        super()._create_aiohttp_session()
        trace = TraceConfig()
        trace.on_request_redirect.append(_refuse)
        trace.freeze()
        assert self.session is not None
        self.session.trace_configs.append(trace)


async def _refuse(_: ClientSession, __: object, redirect: TraceRequestRedirectParams) -> None:
    status = redirect.response.status
    redirect.response.close()
    raise RedirectedError(
        f"it answers {status}, a redirect, which is not followed; is the URL that of a proxy, or "
        "should it begin with https://?"
    )


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
