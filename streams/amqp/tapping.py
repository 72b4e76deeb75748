"""Tapping: takes the frames of one channel that have a reader of our own, content put together."""

import struct
from abc import ABC, abstractmethod

HEAD = struct.Struct(">BHI")
"""Kind, channel and size of a frame."""
AROUND = HEAD.size + 1
METHOD, HEADER, BODY = 1, 2, 3
END = 0xCE
CLOSE = struct.pack(">HH", 20, 40)
CLOSES = (CLOSE, struct.pack(">HH", 20, 41))
"""channel.close and channel.close-ok: nothing more comes behind them."""
BASIC = struct.pack(">HH", 60, 0)

SIZE = struct.Struct(">Q")
BEFORE_FLAGS = 12


class BadFrame(Exception):
    """What came is no frame that a broker may send here."""


class Tapping(ABC):
    """Takes what a subclass knows out of the frames of a channel; `Wire` shows it each of them.

    Of the body of a content above `kept_bytes` it keeps no more than these; the rest is let go as it
    comes.
    """

    def __init__(self, kept_bytes: int) -> None:
        self.closed = b""
        """The payload of channel.close, from either side, once it was seen."""
        self._kept_bytes = kept_bytes
        self._method = self._header = b""
        self._parts: list[bytes] = []
        self._missing = self._room = 0

    @abstractmethod
    def hand_on(self) -> None:
        """Hand on what is complete."""

    @abstractmethod
    def _take_method(self, data: bytes, start: int, end: int) -> bool:
        """Take the method with this payload, `_begin` its content; False where it is not for us."""

    @abstractmethod
    def _take_content(self, method: bytes, header: bytes, body: bytes) -> None:
        """Take a method of which all the content has come."""

    def take_whole(self, data: bytes, position: int, channel: int, largest: int) -> int:
        """Take what is quicker to take at once than frame by frame; return where it ends."""
        return position

    def take(self, kind: int, data: bytes, start: int, end: int) -> bool:
        """Take the frame whose payload is `data[start:end]`; False where it is not for us."""
        if data[end] != END:
            raise BadFrame("a frame came that does not end where its length says")
        if kind == BODY:
            self._take_body(data, start, end)
        elif kind == HEADER:
            self._take_header(data[start:end])
        elif kind != METHOD:
            return False
        elif not self._take_method(data, start, end):
            if data.startswith(CLOSES, start):
                self.closed = data[start:end]
            return False
        return True

    def _begin(self, method: bytes) -> None:
        if self._method:
            raise BadFrame("a message began before the one before it had ended")
        self._method = method

    def _take_header(self, header: bytes) -> None:
        if not self._method or self._header:
            raise BadFrame("the header of a message came where none was expected")
        if len(header) < BEFORE_FLAGS + 2 or not header.startswith(BASIC):
            raise BadFrame("the header of a message came that is none of class basic")
        (size,) = SIZE.unpack_from(header, len(BASIC))
        self._header = header
        self._missing, self._room = size, min(size, self._kept_bytes)
        if not size:
            self._complete()

    def _take_body(self, data: bytes, start: int, end: int) -> None:
        size = end - start
        if not self._missing or size > self._missing:
            raise BadFrame("more of a body came than was announced")
        self._missing -= size
        if self._room:
            kept = min(size, self._room)
            self._room -= kept
            self._parts.append(data[start : start + kept])
        if not self._missing:
            self._complete()

    def _complete(self) -> None:
        method, header, body = self._method, self._header, b"".join(self._parts)
        self._method = self._header = b""
        self._parts.clear()
        self._take_content(method, header, body)
