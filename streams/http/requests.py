"""What is sent with a request, and to whom: secrets go to the server they were given for."""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ackflow.streams.core import SourceError

if TYPE_CHECKING:
    from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

FOR_ANYBODY = frozenset({"accept", "accept-encoding", "accept-language", "range", "user-agent"})
"""Headers that hold no secrets; all others of a user's may."""


def checked_headers(call: str, headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers; raise ValueError or TypeError, showing no value, where one can't be sent."""
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"{call}: headers must be texts by name, got one of {name!r:.100}")
        if not (name.isprintable() and value.replace("\t", " ").isprintable()):
            raise ValueError(
                f"{call}: headers[{name!r:.100}] has a line end or another control character in it; "
                "one read from a file needs .strip()"
            )
    return dict(headers)


class Guard:
    """Looks at every request of a chain of redirects, as a middleware of aiohttp's."""

    def __init__(self, where: str, url: str, headers: Mapping[str, str]) -> None:
        self._where = where
        self._encrypted = urlsplit(url).scheme == "https"
        self._secret = [name for name in headers if name.lower() not in FOR_ANYBODY]
        self._home: object = None

    async def __call__(
        self, request: "ClientRequest", handler: "ClientHandlerType"
    ) -> "ClientResponse":
        """Keep secrets at home; refuse to go on in the clear, where anybody may have answered."""
        origin = request.url.origin()
        if self._home is None:
            self._home = origin
        if self._encrypted and request.url.scheme != "https":
            raise SourceError(
                f"{self._where}: the server redirects from https to {origin}, where nobody can tell "
                "who answers; if that is meant, give that address itself"
            )
        if origin != self._home:
            for name in self._secret:
                request.headers.popall(name, None)
        return await handler(request)
