"""Encoder: messages as the bytes that publish them on one channel.

Frames: AMQP 0-9-1, sections 1.8.3.7, 2.3.5 and 4.2.6.1. Pure: no I/O.
"""

import struct
from functools import lru_cache

from ackflow.streams.amqp.outgoing import Outgoing
from ackflow.streams.amqp.wire import LARGEST_FRAME

KEPT_METHODS = 256
"""Pairs of exchange and routing key whose basic.publish is kept encoded."""
LONGEST_TEXT = 255
"""Bytes of a short string at most."""

_FRAME = struct.Struct(">BHI")
_PUBLISH = struct.Struct(">HHH")
_HEADER = struct.Struct(">BHIHHQ")
_BODY_AFTER_HEADER = struct.Struct(">BBHI")
_END = b"\xce"
_AROUND = _FRAME.size + len(_END)
_BEFORE_PROPERTIES = struct.calcsize(">HHQ")
_METHOD, _CONTENT, _BODY = 1, 2, 3
_BASIC, _NUMBER = 60, 40
_MANDATORY = 1


class Encoder:
    """Encodes messages for one channel; what is the same for many of them is encoded once.

    Example:
        data = b"".join(encoder.encode(outgoing, b""))

    """

    def __init__(self, channel: int, frame_max: int) -> None:
        """`frame_max`: bytes of a frame at most, as was agreed; 0 where nothing was."""
        self._channel = channel
        self._most = (frame_max or LARGEST_FRAME) - _AROUND
        self._method = lru_cache(KEPT_METHODS)(self._encode_method)

    def encode(self, outgoing: Outgoing, message_id: bytes) -> tuple[bytes, ...]:
        """Return the parts of basic.publish, header and body; raise ValueError where that can't be.

        `message_id`: one for a message that has none itself; empty where it needs none.
        """
        body, exchange, routing_key, given, mandatory = outgoing
        method = self._method(exchange, routing_key, mandatory)
        properties = given.identified(message_id) if message_id else given.encoded
        channel, size = self._channel, len(body)
        header = _HEADER.pack(
            _CONTENT, channel, _BEFORE_PROPERTIES + len(properties), _BASIC, 0, size
        )
        if not size:
            return method, header, properties, _END
        if size > self._most:
            return method, header, properties, _END, *self._split(body)
        between = _BODY_AFTER_HEADER.pack(_END[0], _BODY, channel, size)
        return method, header, properties, between, body, _END

    def _split(self, body: bytes) -> list[bytes]:
        """Return the frames of a body that is too large for one."""
        frames: list[bytes] = []
        for start in range(0, len(body), self._most):
            part = body[start : start + self._most]
            frames += (_FRAME.pack(_BODY, self._channel, len(part)), part, _END)
        return frames

    def _encode_method(self, exchange: str, routing_key: str, mandatory: bool) -> bytes:
        bits = bytes([_MANDATORY if mandatory else 0])
        texts = _short(exchange, "an exchange") + _short(routing_key, "a routing key")
        payload = _PUBLISH.pack(_BASIC, _NUMBER, 0) + texts + bits
        return _FRAME.pack(_METHOD, self._channel, len(payload)) + payload + _END


def _short(text: str, what: str) -> bytes:
    data = text.encode()
    if len(data) > LONGEST_TEXT:
        raise ValueError(f"{what} has at most {LONGEST_TEXT} bytes, got {text!r:.60}…")
    return bytes([len(data)]) + data
