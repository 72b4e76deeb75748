"""Peeled: a delivery as the bytes that came, decoded when somebody asks."""

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ackflow.streams.amqp.texts import texts

if TYPE_CHECKING:
    from pamqp.commands import Basic

_NUMBER = struct.Struct(">Q")


class Envelope:
    """What came with a body, as bytes: deliveries that differ in tag and size alone share one."""

    __slots__ = ("header", "method", "redelivered")

    def __init__(self, method: bytes, header: bytes) -> None:
        """`method` is the payload of basic.deliver behind its number, `header` the next frame's."""
        self.method = method
        self.header = header
        self.redelivered = bool(method[9 + method[0]] & 1)

    @property
    def tag(self) -> int:
        """The tag of the delivery that it came with."""
        tag: int = _NUMBER.unpack_from(self.method, 1 + self.method[0])[0]
        return tag


class Peeled:
    """A raw delivery, taken off the wire: see `Raw`."""

    __slots__ = ("_decoded", "_envelope", "body", "redelivered", "size", "tag")

    def __init__(self, body: bytes, size: int, tag: int, envelope: Envelope) -> None:
        """`size`: bytes of the body, of which `body` may be no more than the beginning."""
        self.body = body
        self.size = size
        self.tag = tag
        self.redelivered = envelope.redelivered
        self._envelope = envelope
        self._decoded: Any = None

    def texts(self, names: Sequence[str]) -> dict[str, str]:
        """Return those of the named headers whose value is a text, without decoding the others."""
        return texts(self._envelope.header, tuple(names))

    @property
    def method(self) -> "Basic.Deliver":
        from ackflow.streams.amqp import frames

        method = frames.deliver(self._envelope.method)
        method.delivery_tag = self.tag
        return method

    @property
    def header(self) -> Any:
        if self._decoded is None:
            from ackflow.streams.amqp import frames

            self._decoded = frames.header(self._envelope.header)
            self._decoded.body_size = self.size
        return self._decoded
