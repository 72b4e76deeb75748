"""Peeled: a delivery as the bytes that came, decoded when somebody asks."""

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ackflow.streams.amqp.texts import texts

if TYPE_CHECKING:
    from pamqp.commands import Basic

_NUMBER = struct.Struct(">Q")


class Peeled:
    """A raw delivery, taken off the wire: see `Raw`."""

    __slots__ = ("_decoded", "_header", "_method", "body", "redelivered", "size")

    def __init__(
        self, body: bytes, method: bytes, header: bytes, size: int, redelivered: bool
    ) -> None:
        """`method` is the payload of basic.deliver behind its number, `header` the next frame's.

        `size`: bytes of the body, of which `body` may be no more than the beginning; `redelivered`:
        what the method says of that, which is asked of every delivery.
        """
        self.body = body
        self.size = size
        self.redelivered = redelivered
        self._method = method
        self._header = header
        self._decoded: Any = None

    def texts(self, names: Sequence[str]) -> dict[str, str]:
        """Return those of the named headers whose value is a text, without decoding the others."""
        return texts(self._header, tuple(names))

    @property
    def tag(self) -> int:
        tag: int = _NUMBER.unpack_from(self._method, 1 + self._method[0])[0]
        return tag

    @property
    def method(self) -> "Basic.Deliver":
        from ackflow.streams.amqp import frames

        return frames.deliver(self._method)

    @property
    def header(self) -> Any:
        if self._decoded is None:
            from ackflow.streams.amqp import frames

            self._decoded = frames.header(self._header)
        return self._decoded


def is_redelivered(method: bytes) -> bool:
    """Say whether a basic.deliver is of a message that was handed out before."""
    return bool(method[9 + method[0]] & 1)
