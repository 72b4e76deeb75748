"""Alike: takes deliveries that differ in no more than their tag, size and body, all in one step.

What comes out of a queue mostly does: so its bytes are compared with those of the one before instead
of being read, for half of the time. Pure: no I/O and no task. Frames: AMQP 0-9-1, section 2.3.5.
"""

import struct

from ackflow.streams.amqp.peeled import Envelope, Peeled
from ackflow.streams.amqp.tapping import AROUND, BASIC, END, HEAD, SIZE

DELIVER = struct.pack(">HH", 60, 60)
TAG, BODY_SIZE = 8, 4
"""Bytes of a delivery tag, and of the size of a body's frame."""


class Alike:
    """Takes deliveries that are like one that was looked at, but for tag, size and body.

    All other bytes have to be the same: those of one consumer, with one routing key and the same
    properties.
    """

    def __init__(self, data: bytes, start: int) -> None:
        """`start`: where the three frames of that delivery begin in `data`."""
        method = HEAD.size + len(DELIVER)
        method_end = HEAD.size + HEAD.unpack_from(data, start)[2]
        header = method_end + AROUND
        header_end = header + HEAD.unpack_from(data, start + method_end + 1)[2]
        self._envelope = Envelope(
            data[start + method : start + method_end], data[start + header : start + header_end]
        )
        tag = start + method + 1 + data[start + method]
        size = start + header + len(BASIC)
        body_size = start + header_end + AROUND - BODY_SIZE
        self._parts = data[start:tag], data[tag + TAG : size], data[size + SIZE.size : body_size]
        before, between, behind = map(len, self._parts)
        self._layout = struct.Struct(f">{before}sQ{between}sQ{behind}sI")

    def take(self, data: bytes, position: int, most: int, run: list[Peeled]) -> int:
        """Put deliveries whose bodies have at most `most` bytes into a run; return where they end."""
        unpack, add, width = self._layout.unpack_from, run.append, self._layout.size
        first, second, third = self._parts
        envelope = self._envelope
        try:
            while True:
                before, tag, between, size, behind, body_size = unpack(data, position)
                body = position + width
                end = body + body_size
                if (
                    before != first
                    or between != second
                    or behind != third
                    or not 0 < size == body_size <= most
                    or data[end] != END
                ):
                    return position
                add(Peeled(data[body:end], size, tag, envelope))
                position = end + 1
        except (struct.error, IndexError):
            return position
