"""Clients of elasticsearch-py that leave retries, encoding and parsing to the sink."""

from typing import Any

from elastic_transport import Serializer
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
        request_timeout=connection.request_timeout,
        http_compress=False,
        # Fewer would queue inside aiohttp, where the round trip would measure our own queue.
        connections_per_node=connections,
        serializers=dict.fromkeys(MIMETYPES, raw),
        **NEVER_AGAIN,
        **connection.credentials,
        **connection.tls,
    )


def adopt(client: AsyncElasticsearch, request_timeout: float) -> AsyncElasticsearch:
    """Return somebody's client with our settings; it shares their connections."""
    return client.options(request_timeout=request_timeout, **NEVER_AGAIN)
