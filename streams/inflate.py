"""Decompress a body block by block; pure, no I/O, and never more than a piece in memory."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress

PIECE_BYTES = 256 * 1024
"""The most that one piece of decompressed text takes, however well a block is compressed."""

SLICE_BYTES = 16 * 1024
"""The most compressed data that is looked at at a time."""

GZIP_MAGIC = b"\x1f\x8b\x08"
"""How a gzip body begins (RFC 1952); no text does: two of the three are control characters."""

_GZIP, _ZLIB, _RAW = 31, 15, -15  # what zlib calls wbits


class InflateError(ValueError):
    """The compressed data is damaged or cut off; the text says which."""


class Inflater(ABC):
    """Takes compressed blocks, cut anywhere, and hands out pieces of what they hold."""

    @abstractmethod
    def feed(self, block: bytes) -> Iterator[bytes]:
        """Hand out what the block holds; damaged data raises InflateError."""

    @abstractmethod
    def end(self) -> None:
        """Raise InflateError if the data is cut off."""


class Gunzip(Inflater):
    """Decompress gzip, one member or several in a row, zero padding between and after them."""

    def __init__(self) -> None:
        self._member: zlib._Decompress | None = None  # None between members

    def feed(self, block: bytes) -> Iterator[bytes]:
        """Hand out what the members hold."""
        # In slices: what follows a member is copied, and a block can hold thousands of empty ones.
        for start in range(0, len(block), SLICE_BYTES):
            yield from self._members(block[start : start + SLICE_BYTES])

    def _members(self, block: bytes) -> Iterator[bytes]:
        while block:
            if self._member is None:
                block = block.lstrip(b"\0")
                if not block:
                    return
                self._member = zlib.decompressobj(_GZIP)
            yield from _pieces(self._member, block)
            if not self._member.eof:
                return
            block = self._member.unused_data
            self._member = None

    def end(self) -> None:
        """Raise InflateError inside a member."""
        if self._member is not None:
            raise InflateError("the gzip data is cut off")


class Deflate(Inflater):
    """Decompress what HTTP calls deflate: zlib data, or raw deflate as some servers send it."""

    def __init__(self) -> None:
        self._stream: zlib._Decompress | None = None

    def feed(self, block: bytes) -> Iterator[bytes]:
        """Hand out what the block holds."""
        if self._stream is None and block:
            # The low four bits of a zlib header are 8; a raw stream does not begin so.
            self._stream = zlib.decompressobj(_ZLIB if block[0] & 0x0F == 8 else _RAW)
        # What follows the end is nobody's; zlib would keep all of it.
        if self._stream is not None and not self._stream.eof:
            yield from _pieces(self._stream, block)

    def end(self) -> None:
        """Raise InflateError before the stream's own end."""
        if self._stream is not None and not self._stream.eof:
            raise InflateError("the deflate data is cut off")


class GunzipIfGzip(Inflater):
    """Decompress what begins as gzip does, and hand on anything else as it is."""

    def __init__(self) -> None:
        self._start = b""
        self._gunzip: Gunzip | None = None
        self._plain = False

    def feed(self, block: bytes) -> Iterator[bytes]:
        """Hand out what the block holds, once enough has come to know."""
        if self._gunzip is None and not self._plain:
            block = self._start = self._start + block
            if len(block) < len(GZIP_MAGIC) and GZIP_MAGIC.startswith(block):
                return
            if block.startswith(GZIP_MAGIC):
                self._gunzip = Gunzip()
            else:
                self._plain = True
        if self._gunzip is None:
            yield block
        else:
            yield from self._gunzip.feed(block)

    def end(self) -> None:
        """Raise InflateError inside a member, or inside the first three bytes of one."""
        if self._gunzip is not None:
            self._gunzip.end()
        elif self._start and not self._plain:
            raise InflateError("the gzip data is cut off")


def _pieces(stream: zlib._Decompress, block: bytes) -> Iterator[bytes]:
    while True:
        before = stream.copy()
        try:
            piece = stream.decompress(block, PIECE_BYTES)
        except zlib.error as error:
            yield from _undamaged(before, block)
            raise InflateError(f"the compressed data is damaged ({error})") from None
        if piece:
            yield piece
        block = stream.unconsumed_tail
        if not block and len(piece) < PIECE_BYTES:
            return


def _undamaged(stream: zlib._Decompress, block: bytes) -> Iterator[bytes]:
    """Hand out what comes before the damage in a block: zlib gives nothing of it."""
    with suppress(zlib.error):
        for at in range(len(block)):
            if piece := stream.decompress(block[at : at + 1]):
                yield piece
