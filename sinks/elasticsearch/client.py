"""Requests by somebody's client of elasticsearch-py, without its retries."""

from typing import TYPE_CHECKING, Any

from aiohttp import ClientConnectorError
from elastic_transport import (
    ApiError,
    ConnectionTimeout,
    SerializationError,
    TlsError,
    TransportError,
)

from ackflow.sinks.elasticsearch.sending import NoAnswerError, NotSentError, Reply, Request, way_out

if TYPE_CHECKING:
    from elasticsearch import AsyncElasticsearch

NEVER_AGAIN: dict[str, Any] = {"max_retries": 0, "retry_on_timeout": False}
"""The client's retries come within a millisecond, and know nothing of single documents."""


class Lent:
    """A client that stays its owner's, and shares their connections."""

    def __init__(self, client: "AsyncElasticsearch") -> None:
        self._client = client

    async def send(self, request: Request) -> Reply:
        """Have the client send a request."""
        client = self._client.options(request_timeout=request.timeout, **NEVER_AGAIN)
        try:
            response = await client.perform_request(
                request.method,
                request.path,
                params=request.parameters,
                headers=request.headers,
                body=request.body or None,
            )
        except ApiError as error:  # also UnsupportedProductError, of answers with 2xx
            return _reply(error.meta, error.body)
        except SerializationError as error:  # it reads answers itself
            return Reply(200, {}, str(error).encode())
        except TransportError as error:
            raise _failure(error) from None
        return _reply(response.meta, response.body)

    async def close(self) -> None:
        """Leave it open."""


def _reply(meta: Any, body: Any) -> Reply:
    headers = {str(name).lower(): str(value) for name, value in meta.headers.items()}
    return Reply(meta.status, headers, body)


def _failure(error: TransportError) -> Exception:
    # The transport empties error.errors when it gives up; what happened is the context.
    beneath = error.__context__
    reason = str(beneath or "") or str(error.message)
    if isinstance(error, TlsError):
        certificate = getattr(beneath, "certificate_error", beneath)
        return NotSentError(f"can't be trusted: {reason}; {way_out(certificate)}")
    if isinstance(beneath, ClientConnectorError):
        return NotSentError(f"is not there: {reason}")
    return NoAnswerError(reason, timeout=isinstance(error, ConnectionTimeout))
