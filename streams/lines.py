"""Blocks of bytes in, runs of lines out: the pure part that the http and file sources share."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from contextlib import suppress

from ackflow.streams.core import SourceError
from ackflow.streams.inflate import (
    PIECE_BYTES,
    Deflate,
    Gunzip,
    GunzipIfGzip,
    InflateError,
    Inflater,
)

MAX_LINE_BYTES = 1024 * 1024
"""The longest line by default; a longer one is more often a body without newlines."""

MOST_INFLATION = 2_100
"""Bytes that one byte may become, counted at every layer: deflate makes 1,032 of one at most, and what
was not compressed a second time is counted once more on its way through the second layer."""

CODINGS: dict[str, type[Inflater]] = {"gzip": Gunzip, "x-gzip": Gunzip, "deflate": Deflate}
"""HTTP's content codings, and what undoes them."""

_BYTE_ORDER_MARK = "\ufeff"
_MOST_BYTES_A_CHARACTER = 8


class LineReader:
    r"""Split blocks of bytes, cut anywhere, into the lines of their text.

    >>> reader = LineReader("words.txt")
    >>> list(reader.feed(b"one\r\ntw")), list(reader.feed(b"o\nthree")), list(reader.end())
    ([['one']], [['two']], [['three']])

    A line ends with LF or CRLF; the last may end with the body. A byte order mark at the
    beginning is dropped, and a body that begins as gzip does is decompressed. Every line before
    a bad one is handed out first; then *SourceError* names *where* and the line.

    What decompresses to more than *MOST_INFLATION* allows, or to more than *max_body_bytes*, is given
    up: no one layer of deflate can do the former, several on top of each other can.

    *codings* are those of HTTP's Content-Encoding, in the order in which they are to be undone.
    """

    def __init__(
        self,
        where: str,
        *,
        encoding: str = "utf-8",
        max_line_bytes: int = MAX_LINE_BYTES,
        max_body_bytes: int | None = None,
        codings: Sequence[str] = (),
    ) -> None:
        self.line = 0
        """How many lines were handed out."""
        self._where = where
        self._encoding = encoding
        self._limit = max_line_bytes
        self._most = max_body_bytes
        self._received = self._inflated = self._length = 0
        self._inflaters = [*(CODINGS[coding]() for coding in codings), GunzipIfGzip()]
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._open: list[str] = []  # the parts of the line that has not ended yet
        self._open_length = 0
        self._begun = False

    def feed(self, block: bytes) -> Iterator[list[str]]:
        """Hand out the lines that *block* completes, as runs of at least one."""
        self._received += len(block)
        yield from self._inflate(block, 0)

    def end(self) -> Iterator[list[str]]:
        """Hand out the last line if no newline ended it; what is cut off raises SourceError."""
        for inflater in self._inflaters:
            try:
                inflater.end()
            except InflateError as error:
                raise self.error(str(error)) from None
        yield from self._split(b"", final=True)
        last = "".join(self._open)
        if last:
            yield from self._checked([last])

    def error(self, problem: str) -> SourceError:
        """Describe *problem* as one of the line that comes next."""
        return SourceError(f"{self._where}, line {self.line + 1}: {problem}")

    def _inflate(self, block: bytes, depth: int) -> Iterator[list[str]]:
        if depth == len(self._inflaters):
            yield from self._split(self._up_to_limit(block))
            if self._most is not None and self._length > self._most:
                raise self._long_body()
            return
        try:
            for piece in self._inflaters[depth].feed(block):
                self._inflated += len(piece)
                if self._inflated > MOST_INFLATION * self._received + PIECE_BYTES:
                    raise self._bomb()
                yield from self._inflate(piece, depth + 1)
        except InflateError as error:
            raise self.error(str(error)) from None

    def _up_to_limit(self, block: bytes) -> bytes:
        """Count the bytes of the body; return those that are within its limit."""
        before, self._length = self._length, self._length + len(block)
        return block if self._most is None else block[: max(0, self._most - before)]

    def _split(self, data: bytes, *, final: bool = False) -> Iterator[list[str]]:
        problem = None
        state = self._decoder.getstate()
        try:
            text = self._decoder.decode(data, final)
        except UnicodeError as error:
            self._decoder.setstate(state)
            text, problem = self._decode_as_far_as_it_goes(data), error
        yield from self._lines(text)
        if problem is not None:
            raise self.error(self._undecodable(problem)) from None

    def _decode_as_far_as_it_goes(self, data: bytes) -> str:
        """Decode byte by byte: not every codec says where it fails, and some say it wrong."""
        text: list[str] = []
        with suppress(UnicodeError):
            for at in range(len(data)):
                text.append(self._decoder.decode(data[at : at + 1]))
        return "".join(text)

    def _lines(self, text: str) -> Iterator[list[str]]:
        if text and not self._begun:
            self._begun = True
            text = text.removeprefix(_BYTE_ORDER_MARK)
        first, newline, rest = text.partition("\n")
        if first:  # escape sequences can go on without any
            self._open.append(first)
            self._open_length += len(first)
        if newline:
            lines = ["".join(self._open), *rest.split("\n")]
            self._open = [lines.pop()]
            self._open_length = len(self._open[0])
            if "\r" in text or lines[0].endswith("\r"):
                lines = [line.removesuffix("\r") for line in lines]
            yield from self._checked(lines)
        if self._open_length > self._limit + 1:  # one more may be the CR of a line end
            raise self._long_line()

    def _checked(self, lines: list[str]) -> Iterator[list[str]]:
        good = len(lines)
        if max(map(len, lines)) * _MOST_BYTES_A_CHARACTER > self._limit:
            good = next((at for at, line in enumerate(lines) if self._too_long(line)), good)
        if good:
            self.line += good
            yield lines[:good]
        if good < len(lines):
            raise self._long_line()

    def _too_long(self, line: str) -> bool:
        # No encoding takes less than a byte for a character; some read what they can't write.
        encoded = line.encode(self._encoding, "replace")
        return len(line) > self._limit or len(encoded) > self._limit

    def _long_line(self) -> SourceError:
        return self.error(
            f"longer than max_line_bytes={self._limit:,}; "
            "is this text, with newlines? A larger max_line_bytes lets it pass."
        )

    def _long_body(self) -> SourceError:
        return self.error(
            f"the body is longer than max_body_bytes={self._most:,}; a larger one lets it pass, "
            "None any"
        )

    def _bomb(self) -> SourceError:
        return self.error(
            f"{self._received:,} bytes hold more than {self._inflated:,} bytes of data, compressed "
            "several times over: a decompression bomb? Undo one layer by other means first"
        )

    def _undecodable(self, error: UnicodeError) -> str:
        if not isinstance(error, UnicodeDecodeError):
            return f"not {self._encoding} ({error}); encoding= names another"
        found = error.object[error.start : error.end].hex(" ")
        return f"bytes {found} are not {self._encoding} ({error.reason}); encoding= names another"


def check_encoding(call: str, encoding: str) -> None:
    """Refuse an *encoding* that Python cannot decode text with, where it is written."""
    try:
        b"a".decode(encoding, "replace")  # an empty text is in every encoding
        codecs.getincrementaldecoder(encoding)
    except UnicodeError:
        pass  # it is one, and this is not in it
    except LookupError:
        raise ValueError(
            f"{call}: encoding must name a text encoding such as 'utf-8' or 'latin-1', "
            f"got {encoding!r}"
        ) from None


def check_max_line_bytes(call: str, max_line_bytes: int) -> None:
    """Refuse a limit that no line can keep, where it is written."""
    if max_line_bytes < 1:
        raise ValueError(f"{call}: max_line_bytes must be at least 1, got {max_line_bytes}")


def check_max_body_bytes(call: str, max_body_bytes: int | None) -> None:
    """Refuse a limit that no body can keep, where it is written."""
    if max_body_bytes is not None and max_body_bytes < 1:
        raise ValueError(f"{call}: max_body_bytes must be at least 1 or None, got {max_body_bytes}")
