"""Frames: reading what a broker sends, where no single message may cost the connection.

aiormq gives a connection up over a frame that pamqp can't decode; the broker then hands the same
message out again, for ever. But properties, headers and routing keys are bytes of whoever publishes:
RabbitMQ passes them on unseen. Imported when first used, for aiormq takes its time.
"""

import asyncio
import struct
from typing import Any

import pamqp.frame
from aiormq import connection
from aiormq.exceptions import AMQPConnectionError, InvalidFrameError
from pamqp.commands import Basic
from pamqp.constants import FRAME_HEADER, FRAME_METHOD
from pamqp.header import ContentHeader

from ackflow.streams.amqp.wire import LARGEST_FRAME

UNREADABLE = "x-ackflow-unreadable-properties"
"""The header that carries properties which can't be decoded, as the bytes they are."""
LONGEST_KEPT = 65_536
"""Bytes of them that are kept: they have to fit into a frame, with the headers of a dead letter."""
DEEPEST = 100
"""Tables and lists within each other in headers: what can just be read could not be written again."""
FIRST_FRAMES = 131_072
"""Bytes of a frame at most before both sides agree upon a size: a broker greets with a few hundred."""
SURELY_FLAT = 5 * DEEPEST
"""Bytes of a frame that are too few for more of them, each of which takes five."""

_HEAD = struct.Struct(">BHI")
_FIXED = struct.Struct(">HHQ")
_TAG = struct.Struct(">QB")
_AROUND = _HEAD.size + 1
_DELIVER = struct.pack(">HH", 60, 60)


class Unreadable(ContentHeader):
    """The header of a message whose properties can't be decoded: its body can still be read."""

    def __init__(self, payload: bytes, error: BaseException) -> None:
        self.class_id, weight, size = _FIXED.unpack_from(payload)
        kept = payload[_FIXED.size :][:LONGEST_KEPT]
        super().__init__(weight, size, Basic.Properties(headers={UNREADABLE: bytearray(kept)}))
        self.error = error.__cause__ or error


class Connection(connection.Connection):
    """aiormq's connection, reading frames by `Frames` once the handshake is over."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._transport_factory = _Transport(self._transport_factory)

    # The same mangled name as in the class above: its `connect` starts this one.
    async def __reader(self, frame_receiver: connection.FrameReceiver) -> None:
        greeting: Any = frame_receiver.reader
        frames = Frames(greeting.reader, self.connection_tune.frame_max or 0)
        await super().__reader(frames)


class _Transport(connection.TransportFactory):
    """Connects as another does, and lets the handshake, which aiormq reads, take no endless frame."""

    def __init__(self, inner: connection.TransportFactory) -> None:
        self._inner = inner

    async def create(self, url: Any, **settings: Any) -> Any:
        """Connect; return what reads and what writes."""
        reader, writer = await self._inner.create(url, **settings)
        return _Greeting(reader), writer


class _Greeting:
    """Reads a handshake."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self.reader = reader
        self.at_eof = reader.at_eof

    async def readexactly(self, count: int) -> bytes:
        if count > FIRST_FRAMES:
            raise _too_large(count, FIRST_FRAMES)
        return await self.reader.readexactly(count)


class Frames(connection.FrameReceiver):
    """Hands out frames one by one; those of a message that can't be decoded in a form of their own."""

    def __init__(self, reader: asyncio.StreamReader, frame_max: int = 0) -> None:
        """`frame_max`: bytes of a frame at most, as was agreed; 0 where nothing was."""
        super().__init__(reader)
        self._most = min(frame_max or LARGEST_FRAME, LARGEST_FRAME)

    async def get_frame(self) -> Any:
        """Return the next frame with its size and channel; raise AMQPError where there is none."""
        if self.reader.at_eof():
            raise StopAsyncIteration
        data = await self._read()
        try:
            found = pamqp.frame.unmarshal(data)
            if data[0] == FRAME_HEADER:
                _check_depth(found[2], len(data))
            return found
        except Exception as error:  # RecursionError for headers within headers, among others
            kind, channel, _ = _HEAD.unpack_from(data)
            frame = _mended(kind, data[_HEAD.size : -1], error)
            if frame is None:
                raise InvalidFrameError(str(error)) from error
            return len(data), channel, frame

    async def _read(self) -> bytes:
        try:
            head = await self.reader.readexactly(_HEAD.size)
            *_, size = _HEAD.unpack(head)
            if size + _AROUND > self._most:
                raise _too_large(size, self._most)
            return head + await self.reader.readexactly(size + 1)
        except asyncio.IncompleteReadError as error:
            raise AMQPConnectionError(
                f"the broker closed the connection: {len(error.partial)} of {error.expected} bytes "
                "came of a frame"
            ) from error
        except OSError as error:
            raise AMQPConnectionError(f"the connection was lost: {error!r}") from error


def _too_large(size: int, most: int) -> InvalidFrameError:
    return InvalidFrameError(f"a frame of {size:,} bytes came, {most:,} are the most agreed upon")


def header(payload: bytes) -> ContentHeader:
    """Read the header of a message (AMQP 0-9-1, section 4.2.6.1), `Unreadable` where that can't be."""
    found = ContentHeader()
    try:
        found.unmarshal(payload)
        _check_depth(found, len(payload))
    except Exception as error:
        return Unreadable(payload, error)
    return found


def _check_depth(header: Any, size: int) -> None:
    """Raise ValueError where headers nest too deep; `size`: bytes of all of them."""
    if size <= SURELY_FLAT:
        return
    level: list[Any] = [header.properties.headers or {}]
    for _ in range(DEEPEST):
        entries = (each.values() if isinstance(each, dict) else each for each in level)
        level = [one for some in entries for one in some if isinstance(one, dict | list)]
        if not level:
            return
    raise ValueError(f"tables and lists are nested more than {DEEPEST} deep in headers")


def _mended(kind: int, payload: bytes, error: Exception) -> Any:
    """Return a frame that says what can be said of one that is about a message, or None."""
    try:
        if kind == FRAME_HEADER:
            return Unreadable(payload, error)
        if kind == FRAME_METHOD and payload.startswith(_DELIVER):
            return deliver(payload[len(_DELIVER) :])
    except (struct.error, IndexError):
        pass
    return None


def deliver(data: bytes) -> Basic.Deliver:
    """Read basic.deliver (AMQP 0-9-1, section 1.8.3.9), whatever bytes its routing key has.

    `data` is its payload, behind the numbers of class and method.
    """
    found = Basic.Deliver()  # whose arguments would be checked, the exchange's characters too
    found.consumer_tag, data = _short(data)
    found.delivery_tag, bits = _TAG.unpack_from(data)
    found.redelivered = bool(bits & 1)
    found.exchange, data = _short(data[_TAG.size :])
    found.routing_key, _ = _short(data)
    return found


def _short(data: bytes) -> tuple[str, bytes]:
    end = 1 + data[0]
    return data[1:end].decode(errors="backslashreplace"), data[end:]
