"""Reading answers of Elasticsearch, and of whatever stands in front of it."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

UNREAD: Any = object()
BEGIN = b'{"errors":false,"items":['
PRESSURE = (429, 503)
"""Statuses of a request that ask for fewer requests."""


class Cause(NamedTuple):
    """An error in Elasticsearch's words: `type` is its class, `caused_by` what lies beneath."""

    type: str = ""
    reason: str = ""
    caused_by: str = ""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.type, self.reason) if part)


class Answer:
    """One answer over HTTP.

    `body` is its parsed JSON and None where it is none; `raw` are its bytes where they are known, and
    `body` is read from them where it is not given; `product` says whether it came from Elasticsearch;
    `retry_after` is in seconds.
    """

    def __init__(
        self,
        status: int,
        body: Any = UNREAD,
        raw: bytes = b"",
        *,
        product: bool = True,
        retry_after: float | None = None,
    ) -> None:
        self.status = status
        self.raw = raw
        self.product = product
        self.retry_after = retry_after
        self._body = body

    @property
    def body(self) -> Any:
        """The parsed JSON; most answers to bulks are never read, see `plain`."""
        if self._body is UNREAD:
            self._body = _parsed(self.raw)
        return self._body

    @property
    def cause(self) -> Cause:
        """The error of an answer that is one."""
        if isinstance(self.body, Mapping):
            return cause_of(self.body)
        return Cause(reason=" ".join(self.raw[:200].decode(errors="replace").split()))

    def results(self, count: int) -> Sequence[Mapping[str, Mapping[str, Any]]] | None:
        """Return one result per document, or None where the answer can't be matched with them.

        A short or garbled answer is never matched by position: that would lose or blame the wrong
        documents.
        """
        if not (200 <= self.status < 300 and self.product and isinstance(self.body, Mapping)):
            return None
        items = self.body.get("items")
        if not isinstance(items, list) or len(items) != count:
            return None
        return items if all(map(_is_result, items)) else None

    def plain(self, count: int) -> bool:
        """Say whether the bytes alone tell that so many documents were stored, and nothing else.

        They must be those of an answer in which every document was: to compare them is far quicker than
        to read them. (For deletes, one that was not there counts as stored.)
        """
        if not (200 <= self.status < 300 and self.product and self.raw.startswith(BEGIN)):
            return False
        start = len(BEGIN) + len(b'{"')
        operation = self.raw[start : self.raw.find(b'"', start)]
        told = self.raw.replace(b":200}", b":201}")
        if operation == b"delete":
            told = told.replace(b":404}", b":201}")
        return told == _all_stored(operation, count)

    @property
    def flawless(self) -> bool:
        """Whether every document was stored (or, for deletes, was not there), as it says itself."""
        return self.raw.startswith(BEGIN) or (
            isinstance(self.body, Mapping) and self.body.get("errors") is False
        )

    @property
    def pressure(self) -> bool:
        """Whether the server asks for fewer requests, as a whole or for single documents."""
        if self.status in PRESSURE:
            return True
        if self.flawless or not isinstance(self.body, Mapping):
            return False
        items = self.body.get("items")
        return isinstance(items, Sequence) and any(
            _is_result(item) and next(iter(item.values())).get("status") == 429 for item in items
        )

    def count(self, status: int) -> int:
        """Count the documents with a status in a plain answer."""
        return self.raw.count(b'"status":%d' % status)


@lru_cache
def _all_stored(operation: bytes, count: int) -> bytes:
    """Return the answer to a bulk of so many equal operations that all succeeded."""
    item = b'{"%b":{"status":201}}' % operation
    return BEGIN + b",".join([item] * count) + b"]}"


def _parsed(raw: bytes) -> Any:
    """Return what JSON says; None for what is none."""
    import orjson

    try:
        return orjson.loads(raw)
    except ValueError:
        return None


def _is_result(item: object) -> bool:
    if not isinstance(item, Mapping) or len(item) != 1:
        return False
    return isinstance(next(iter(item.values())), Mapping)


def cause_of(body: Mapping[str, Any]) -> Cause:
    """Read the error in an answer or in the result of one document."""
    error = body.get("error")
    if isinstance(error, Mapping):
        beneath = error.get("caused_by")
        parts = _words(beneath) if isinstance(beneath, Mapping) else ("", "")
        return Cause(*_words(error), ": ".join(part for part in parts if part))
    if error is None:
        error = body.get("message", "")
    return Cause(reason=str(error))


def _words(error: Mapping[str, Any]) -> tuple[str, str]:
    return str(error.get("type") or ""), str(error.get("reason") or "")


def seconds(retry_after: str | None) -> float | None:
    """Read a Retry-After header; a date is left unread, since clocks differ.

    Example:
        >>> seconds("30")
        30.0

    """
    text = (retry_after or "").strip()
    return float(text) if text.isascii() and text.isdigit() else None
