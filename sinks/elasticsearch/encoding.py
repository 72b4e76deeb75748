"""Documents to the lines of a bulk request: a header and, except for deletes, a body.

Whatever comes out of a message is written by orjson and never holds a bare newline, so that no
document can smuggle an operation into a bulk.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from operator import add
from typing import Any, TypeAlias

from ackflow.sinks.elasticsearch.addressing import Addressing
from ackflow.sinks.elasticsearch.metadata import (
    LONGEST_ID,
    id_of,
    metadata_of,
    operation_of,
    refusal,
)

Document: TypeAlias = Mapping[str, Any] | bytes | str

SURELY_SHORT = LONGEST_ID // 4
"""Characters of an id that is short enough whatever its characters are."""


@dataclass(slots=True)
class Encoded:
    """Lines for the values that could be encoded, and the errors of the others, by position.

    Where `refused` has an entry, that position of `lines` and `keys` means nothing. Keys name
    documents for the fence; a document whose id Elasticsearch makes up has None.
    """

    lines: list[bytes] = field(default_factory=list)
    keys: list[Hashable] = field(default_factory=list)
    refused: dict[int, Exception] = field(default_factory=dict)


class Encoder:
    """Encodes values as the settings say.

    Example:
        >>> encoder = Encoder(Addressing(index="words", id="word"), max_bytes=1000)
        >>> print(encoder.encode([{"word": "água"}]).lines[0].decode(), end="")
        {"index":{"_index":"words","_id":"água"}}
        {"word":"água"}

    """

    def __init__(self, settings: Addressing, max_bytes: int) -> None:
        """`max_bytes`: documents that take more are refused."""
        import orjson

        self._loads = orjson.loads
        self._dumps: Callable[..., bytes] = orjson.dumps
        self._newline = orjson.OPT_APPEND_NEWLINE
        self._settings = settings
        self._max_bytes = max_bytes
        self._prefix = self._constant_header() if settings.plain else b""
        writes = settings.plain and settings.op in ("index", "create") and settings.default is None
        self._quick_id = settings.id if writes and isinstance(settings.id, str) else None
        self._quick_text = writes and settings.id is None

    def encode(self, values: Sequence[Any]) -> Encoded:
        """Encode values; one that can't be encoded fails alone."""
        encoded = Encoded()
        if self._quick_id is not None:
            self._encode_dicts(values, self._quick_id, encoded)
        elif self._quick_text:
            self._encode_texts(values, encoded)
        else:
            for value in values:
                self._add(value, encoded)
        if max(map(len, encoded.lines), default=0) > self._max_bytes:
            self._refuse_large(encoded)
        return encoded

    def _encode_dicts(self, values: Sequence[Any], id_field: str, encoded: Encoded) -> None:
        """Encode dicts with a text in one field as the id, all at once; halves find what is odd."""
        keys = _short_texts(values, id_field)
        lines = self._lines(values, keys) if keys else []
        if lines:
            encoded.lines += lines
            encoded.keys += keys
        elif len(values) > 1:
            half = len(values) // 2
            self._encode_dicts(values[:half], id_field, encoded)
            self._encode_dicts(values[half:], id_field, encoded)
        elif values:
            self._add(values[0], encoded)

    def _lines(self, values: Sequence[Any], keys: list[str]) -> list[bytes]:
        """Return the lines of dicts with these ids; none where one can't be written just like that."""
        dumps, begin, end = self._dumps, self._prefix + b'"', b'"}}\n'
        try:
            # In JSON `","` stands between two texts and nowhere else, and a line end nowhere.
            headers = begin + dumps(keys)[2:-2].replace(b'","', end + begin) + end
            # Not kept: what orjson returns lies in a block of a kilobyte or more.
            bodies = (dumps(value, None, self._newline) for value in values)
            lines = list(map(add, headers.splitlines(keepends=True), bodies))
        except TypeError:
            return []
        return lines if sum(map(bytes.count, lines, repeat(b"\n"))) == 2 * len(lines) else []

    def _encode_texts(self, values: Sequence[Any], encoded: Encoded) -> None:
        """Pass documents through that came as JSON in one line."""
        for value in values:
            short = type(value) is bytes and value[:1] == b"{"
            if short and b"\n" not in value and b"\r" not in value:
                encoded.lines.append(self._prefix + value + b"\n")
                encoded.keys.append(None)
            else:
                self._add(value, encoded)

    def _add(self, value: Any, encoded: Encoded) -> None:
        try:
            key, line = self._encode_one(value)
        except Exception as error:
            encoded.refused[len(encoded.lines)] = error
            key, line = None, b""
        encoded.lines.append(line)
        encoded.keys.append(key)

    def _refuse_large(self, encoded: Encoded) -> None:
        for position, line in enumerate(encoded.lines):
            if len(line) > self._max_bytes:
                encoded.refused[position] = refusal(
                    "document_too_large",
                    f"it takes {len(line):,} bytes of a bulk, max_bytes is {self._max_bytes:,}",
                )

    def _encode_one(self, value: Any) -> tuple[Hashable, bytes]:
        settings = self._settings
        text = isinstance(value, (bytes, bytearray, memoryview, str))
        source = self._read(value) if text and settings.reads_fields else value
        operation = operation_of(settings, value)
        name = None if settings.id is None else id_of(settings, value, source)
        if settings.id is None and operation in ("update", "delete"):
            raise refusal("document_without_id", f"op(value) returned {operation!r}, id is None")
        if self._prefix:
            header = self._prefix if name is None else self._prefix + self._write(name) + b"}}\n"
            key: Hashable = name
        else:
            metadata = metadata_of(settings, operation, value, source)
            key = name and (metadata["_index"], name)
            header = self._header(operation, metadata, name)
        if operation == "delete":
            return key, header
        return key, header + self._body(value, operation, text) + b"\n"

    def _header(self, operation: str, metadata: Mapping[str, Any], name: str | None) -> bytes:
        if name is not None:
            metadata = {**metadata, "_id": name}
        return self._json({operation: metadata}) + b"\n"

    def _constant_header(self) -> bytes:
        """Return the header as far as it is the same for all documents."""
        settings = self._settings
        operation = operation_of(settings, None)
        header = self._header(operation, metadata_of(settings, operation, None, None), None)
        return header if settings.id is None else header[:-3] + b',"_id":'

    def _body(self, value: Any, operation: str, text: bool) -> bytes:
        body = self._text(value) if text else self._json(value)
        if operation == "update":
            # Text that is not exactly one JSON value could add keys beside "doc", such as a script.
            document = body if not text else self._json(self._read(body))
            end = b',"doc_as_upsert":true}' if self._settings.upsert else b"}"
            body = b'{"doc":' + document + end
        # Pretty-printed text has line ends, and orjson.Fragment could bring one in.
        if b"\n" in body or b"\r" in body:
            body = self._json(self._read(body))
        return body

    def _text(self, value: bytes | bytearray | memoryview | str) -> bytes:
        """Return a document that came as JSON, in bytes."""
        try:
            body = value.encode() if isinstance(value, str) else bytes(value)
        except UnicodeEncodeError as error:
            raise refusal("not_json", f"the document is no text: {error}") from None
        if not body.lstrip().startswith(b"{"):
            raise refusal("not_json", f"a document is a JSON object, got {body[:20]!r}")
        return body

    def _read(self, value: bytes | bytearray | memoryview | str) -> Any:
        try:
            return self._loads(value)
        except ValueError as error:
            raise refusal("not_json", f"the document is not JSON: {error}") from None

    def _json(self, value: Any) -> bytes:
        body = self._write(value)
        if not body.startswith(b"{"):
            raise refusal("not_json", f"a document is a JSON object, got {type(value).__name__}")
        return body

    def _write(self, value: Any) -> bytes:
        try:
            return self._dumps(value, self._settings.default)
        except TypeError as error:
            raise refusal("not_json", f"it can't be written as JSON: {error}") from error


def _short_texts(values: Sequence[Any], field: str) -> list[str]:
    """Return what dicts have in a field; nothing unless it is a text everywhere, and surely short."""
    if set(map(type, values)) != {dict}:
        return []
    texts = [value.get(field) for value in values]
    if set(map(type, texts)) != {str}:
        return []
    sizes = set(map(len, texts))
    return texts if min(sizes) > 0 and max(sizes) <= SURELY_SHORT else []
