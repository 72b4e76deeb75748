"""What can go wrong with a test server: it cannot be had, or it does not do as told."""

from __future__ import annotations


class ServerError(RuntimeError):
    """A server did not start, stop or answer; the message ends with its log's tail."""


class ServerMissing(ServerError):
    """A server cannot be had on this machine; the message says how to get it."""


class RequestError(ServerError):
    """Elasticsearch answered with an error; `status` is the HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
