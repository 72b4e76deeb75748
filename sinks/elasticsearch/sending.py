"""How requests are sent, and how they fail."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol


class Request(NamedTuple):
    """What is sent: `path` is quoted, `timeout` is in seconds, from the connection to the answer."""

    method: str
    path: str
    parameters: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    timeout: float


class Reply(NamedTuple):
    """An answer: `headers` have names in lower case."""

    status: int
    headers: dict[str, str]
    body: Any


class NotSentError(Exception):
    """A request was not sent, and why."""


class NoAnswerError(Exception):
    """A request may have arrived, but there was no answer: nobody knows what became of it."""

    def __init__(self, reason: str, *, timeout: bool) -> None:
        super().__init__(reason)
        self.timeout = timeout


class Requests(Protocol):
    """How requests are sent: over connections of our own, or by somebody's client."""

    async def send(self, request: Request) -> Reply:
        """Return the answer; raise NotSentError or NoAnswerError."""

    async def close(self) -> None:
        """Close what is our own."""


def way_out(failure: BaseException | None) -> str:
    """Say what can be done about TLS, by what OpenSSL holds against it (X509_V_ERR_…)."""
    match getattr(failure, "verify_code", None):
        case None:
            return "is certificate= asked for, or no https:// spoken there?"
        case 9 | 10:
            return "the clock or the certificate has to be put right"
        case 62 | 64:
            return "the URL must name a host that the certificate is for"
    return "ca_certs= names the authority to trust"
