"""Settling: tells a broker what became of deliveries, by aiormq's calls or in bytes of our own.

aiormq writes each frame by itself, through a queue and a task, which took an eighth of the processor
time of a pipeline. Methods: AMQP 0-9-1, section 1.8.3; basic.nack: https://www.rabbitmq.com/docs/nack
"""

import struct
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ackflow.streams.amqp.link import Link
from ackflow.streams.amqp.tapping import END, METHOD, Tapping
from ackflow.streams.core import Frame, Verb

if TYPE_CHECKING:
    from aiormq.channel import Channel

_FRAME = struct.Struct(">BHIHHQBB")
_PAYLOAD = struct.calcsize(">HHQB")
_BASIC = 60
_MULTIPLE = 1
_METHODS = {
    Verb.ACK: (80, 0),
    Verb.REJECT: (90, 0),
    Verb.RETURN_FAILED: (90, 1),
    Verb.RETURN_UNTOUCHED: (120, 2),
}
"""The number of each verb's method, and its bits, of which one asks for the message to come again."""


class Settling(Protocol):
    """How the frames of one channel are written."""

    def write(self, frames: Sequence[Frame]) -> Coroutine[Any, Any, None] | None:
        """Write frames in order; return what to wait for, None where that is done.

        Raises ConnectionError, at once or when waited for, where the channel has ended.
        """


class Calling:
    """Calls aiormq."""

    def __init__(self, channel: "Channel") -> None:
        self._channel = channel

    async def write(self, frames: Sequence[Frame]) -> None:
        """Write frames in order."""
        channel = self._channel
        for verb, tag, multiple in frames:
            match verb:
                case Verb.ACK:
                    await channel.basic_ack(tag, multiple=multiple, wait=False)
                case Verb.REJECT:
                    await channel.basic_reject(tag, requeue=False, wait=False)
                case Verb.RETURN_FAILED:
                    await channel.basic_reject(tag, requeue=True, wait=False)
                case Verb.RETURN_UNTOUCHED:
                    await channel.basic_nack(tag, multiple=multiple, wait=False)


class Writing:
    """Writes past aiormq, all frames at once.

    Nothing more once the broker was seen to close the channel: after aiormq's answer to that it would
    cost the whole connection (504).
    """

    def __init__(self, link: Link, channel: "Channel", tap: Tapping) -> None:
        """`tap`: what sees the channel's frames before aiormq does."""
        self._link = link
        self._channel = channel
        self._tap = tap

    def write(self, frames: Sequence[Frame]) -> Coroutine[Any, Any, None] | None:
        """Write frames in order; return what to wait for where the broker takes in too little."""
        if self._tap.closed or self._channel.is_closed:
            raise ConnectionError("the channel is closed")
        number = self._channel.number
        self._link.write(b"".join([encode(number, frame) for frame in frames]))
        return None if self._link.writable else self._link.drain()


def encode(channel: int, frame: Frame) -> bytes:
    """Return the bytes of a frame.

    >>> encode(1, Frame(Verb.ACK, 5)).hex()
    '0100010000000d003c0050000000000000000500ce'
    """
    verb, tag, multiple = frame
    method, bits = _METHODS[verb]
    if multiple:
        bits |= _MULTIPLE
    return _FRAME.pack(METHOD, channel, _PAYLOAD, _BASIC, method, tag, bits, END)
