"""What a server says of its answer, which may be anything: read, checked, and fit to be shown."""

import codecs
from typing import TYPE_CHECKING

from ackflow.streams.core import SourceError
from ackflow.streams.lines import CODINGS, check_encoding

if TYPE_CHECKING:
    import aiohttp

MOST_CODINGS = 3
"""Content-Encodings on top of each other. Servers use one; each more multiplies what a byte becomes."""
NOT_FOR_SERVERS = frozenset(
    {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"}
)
"""Charsets that Python knows and no server means; some take time that grows with the square."""


def status(response: "aiohttp.ClientResponse") -> str:
    """Return the status and its reason, a text of the server's, without control characters."""
    reason = "".join(character for character in response.reason or "" if character.isprintable())
    return f"{response.status} {reason[:100]}".strip()


def charset(where: str, response: "aiohttp.ClientResponse") -> str:
    """Return the charset of Content-Type, or UTF-8; raise SourceError for one that can't be used."""
    encoding = response.charset or "utf-8"
    try:
        check_encoding(f"{where}: charset of Content-Type", encoding)
    except ValueError as error:
        raise SourceError(f"{error}; encoding= overrides it") from None
    if codecs.lookup(encoding).name in NOT_FOR_SERVERS:
        raise SourceError(
            f"{where}: charset of Content-Type must be one that texts are written in, "
            f"got {encoding!r}; encoding= overrides it"
        )
    return encoding


def codings(where: str, response: "aiohttp.ClientResponse") -> list[str]:
    """Return the Content-Encodings in the order in which to undo them."""
    given = ",".join(response.headers.getall("Content-Encoding", []))
    named = [coding for each in given.split(",") if (coding := each.strip().lower())]
    named = [coding for coding in named if coding != "identity"]
    if len(named) > MOST_CODINGS:
        raise SourceError(
            f"{where}: {len(named)} Content-Encodings on top of each other, {MOST_CODINGS} are the "
            'most; headers={"Accept-Encoding": "identity"} asks for none'
        )
    for coding in named:
        if coding not in CODINGS:
            raise SourceError(
                f"{where}: Content-Encoding {coding!r:.100} was not asked for and can't be "
                f"undone, only {', '.join(CODINGS)}"
            )
    return named[::-1]
