"""Tap: puts the deliveries of one channel together, frame by frame."""

import struct
from collections.abc import Callable

from ackflow.streams.amqp.peeled import Peeled

METHOD, HEADER, BODY = 1, 2, 3
END = 0xCE
DELIVER = struct.pack(">HH", 60, 60)
CLOSES = (struct.pack(">HH", 20, 40), struct.pack(">HH", 20, 41))
"""channel.close and channel.close-ok: no more deliveries come behind them."""
BASIC = struct.pack(">HH", 60, 0)

_SIZE = struct.Struct(">Q")
_BEFORE_FLAGS = 12


class BadFrame(Exception):
    """What came is no frame that a broker may send here."""


class Tap:
    """Takes the frames of deliveries, and hands on all that are complete as one run.

    Of a body above `kept_bytes` it keeps no more than these; the rest is let go as it comes.
    """

    def __init__(self, deliver: Callable[[list[Peeled]], None], kept_bytes: int) -> None:
        self.closed = False
        """Whether the channel was closed, by either side."""
        self._deliver = deliver
        self._kept_bytes = kept_bytes
        self._run: list[Peeled] = []
        self._method = self._header = b""
        self._parts: list[bytes] = []
        self._missing = self._room = 0

    def hand_on(self) -> None:
        """Hand on what is complete."""
        if self._run:
            run, self._run = self._run, []
            self._deliver(run)

    def take(self, kind: int, data: bytes, start: int, end: int) -> bool:
        """Take the frame whose payload is `data[start:end]`; False where it is not of a delivery."""
        if data[end] != END:
            raise BadFrame("a frame came that does not end where its length says")
        if kind == BODY:
            self._take_body(data, start, end)
        elif kind == HEADER:
            self._take_header(data[start:end])
        elif kind == METHOD and data.startswith(DELIVER, start):
            self._begin(data[start + len(DELIVER) : end])
        else:
            self.closed = kind == METHOD and data.startswith(CLOSES, start)
            return False
        return True

    def _begin(self, method: bytes) -> None:
        if self._method:
            raise BadFrame("a delivery began before the one before it had ended")
        if not _is_whole(method):
            raise BadFrame("a basic.deliver came that is shorter or longer than it says")
        self._method = method

    def _take_header(self, header: bytes) -> None:
        if not self._method or self._header:
            raise BadFrame("the header of a message came where none was expected")
        if len(header) < _BEFORE_FLAGS + 2 or not header.startswith(BASIC):
            raise BadFrame("the header of a message came that is none of class basic")
        (size,) = _SIZE.unpack_from(header, len(BASIC))
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
        self._run.append(Peeled(b"".join(self._parts), self._method, self._header))
        self._method = self._header = b""
        self._parts.clear()


def _is_whole(method: bytes) -> bool:
    """Say whether the texts of a basic.deliver end where it ends (AMQP 0-9-1, section 1.8.3.9)."""
    try:
        exchange = method[0] + 10
        routing_key = exchange + 1 + method[exchange]
        return routing_key + 1 + method[routing_key] == len(method)
    except IndexError:
        return False
