"""What settles deliveries past aiormq is what aiormq would have written, in one piece, or an error."""

import asyncio
import socket
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
from pamqp import frame
from pamqp.commands import Basic, Channel

from ackflow.streams.amqp.address import Address
from ackflow.streams.amqp.line import Line
from ackflow.streams.amqp.link import ANSWER_WITHIN, Link
from ackflow.streams.amqp.settling import Writing, encode
from ackflow.streams.amqp.tap import Tap
from ackflow.streams.amqp.wire import Wire
from ackflow.streams.core import Frame, Verb
from ackflow.streams.testing import VirtualClock

CHANNEL = 3
FRAMES = [
    *(Frame(Verb.ACK, tag, multiple) for tag, multiple in product((1, 2**63 - 1), (False, True))),
    Frame(Verb.REJECT, 7),
    Frame(Verb.RETURN_FAILED, 8),
    *(Frame(Verb.RETURN_UNTOUCHED, 9, multiple) for multiple in (False, True)),
]


def method(frame: Frame) -> Any:
    """Return the method that pamqp has for a frame."""
    verb, tag, multiple = frame
    match verb:
        case Verb.ACK:
            return Basic.Ack(tag, multiple)
        case Verb.RETURN_UNTOUCHED:
            return Basic.Nack(tag, multiple, requeue=True)
    return Basic.Reject(tag, requeue=verb is Verb.RETURN_FAILED)


class WiredLink:
    """As much of a link as settling uses; `room` says whether the broker takes in what is written."""

    wired = True

    def __init__(self) -> None:
        self.wire = Wire(lambda: 0.0)
        self.written: list[bytes] = []
        self.room = asyncio.Event()
        self.room.set()

    def tap(self, channel: Any, tap: Tap) -> None:
        self.wire.tap(channel.number, tap, 0)

    def write(self, frames: bytes) -> None:
        self.written.append(frames)

    @property
    def writable(self) -> bool:
        return self.room.is_set()

    async def drain(self) -> None:
        await self.room.wait()


def channel() -> Any:
    closing = asyncio.get_running_loop().create_future()
    return SimpleNamespace(
        number=CHANNEL, is_closed=False, closing=closing, on_consumer_cancel_callbacks=set()
    )


def line(link: WiredLink) -> tuple[Line, Any]:
    on = channel()
    return Line("a line", link, on, lambda raws: None, kept_bytes=9), on  # type: ignore[arg-type]


@pytest.mark.parametrize("settled", FRAMES, ids=repr)
def test_each_frame_has_the_bytes_that_pamqp_makes_of_it(settled: Frame) -> None:
    assert encode(CHANNEL, settled) == frame.marshal(method(settled), CHANNEL)


async def test_frames_are_written_at_once_in_order_and_in_one_piece() -> None:
    link = WiredLink()
    made, _ = line(link)
    await made.send(FRAMES)
    assert link.written == [b"".join(encode(CHANNEL, each) for each in FRAMES)]


@pytest.mark.parametrize("close", [Channel.Close(406, "no", 60, 80), Channel.CloseOk()])
async def test_nothing_is_written_to_a_channel_that_the_broker_was_seen_to_close(
    close: Any,
) -> None:
    """aiormq learns of it later, and its answer may be on the way already."""
    link = WiredLink()
    made, on = line(link)
    link.wire.feed(frame.marshal(close, CHANNEL))
    assert not on.is_closed
    with pytest.raises(ConnectionError, match="the channel is closed"):
        await made.send(FRAMES)
    assert link.written == []


async def test_nothing_is_written_to_a_channel_that_aiormq_has_closed() -> None:
    link, on = WiredLink(), channel()
    on.is_closed = True
    with pytest.raises(ConnectionError, match="the channel is closed"):
        Writing(link, on, Tap(lambda run: None, 9)).write(FRAMES)  # type: ignore[arg-type]
    assert link.written == []


@pytest.mark.parametrize("half", [True, False])
async def test_writing_to_a_connection_that_aiormq_has_closed_is_a_lost_connection(
    half: bool,
) -> None:
    """Anything else would be the end of whoever sends the acks."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        _, writer = await asyncio.open_connection(sock=ours)
        transport: Any = SimpleNamespace(wire=Wire(lambda: 0.0), writer=writer)
        connection: Any = SimpleNamespace(connection_tune=SimpleNamespace(frame_max=0))
        link = Link(connection, Address.parse("amqp://localhost/"), lambda: None, transport)
        link.write(b"before")
        if half:
            writer.write_eof()
        writer.close()
        with pytest.raises(ConnectionError, match="the connection is closed"):
            Writing(link, channel(), Tap(lambda run: None, 9)).write(FRAMES)
        assert theirs.recv(100) == b"before"
        await writer.wait_closed()


async def test_nothing_is_written_once_the_line_is_lost() -> None:
    link = WiredLink()
    made, _ = line(link)
    made.give_up("a gap")
    with pytest.raises(ConnectionError, match="a line: the channel ended: a gap"):
        await made.send(FRAMES)
    assert link.written == []


async def test_sending_waits_for_a_broker_that_takes_in_too_little() -> None:
    link = WiredLink()
    made, _ = line(link)
    link.room.clear()
    sending = asyncio.create_task(made.send(FRAMES[:1]))
    for _ in range(5):
        await asyncio.sleep(0)
    assert (len(link.written), sending.done()) == (1, False)
    link.room.set()
    await sending


async def test_a_broker_that_takes_in_nothing_more_is_given_up(
    virtual_clock: VirtualClock,
) -> None:
    link = WiredLink()
    made, _ = line(link)
    link.room.clear()
    with pytest.raises(ConnectionError, match="the broker takes nothing more"):
        await made.send(FRAMES[:1])
    assert made.lost.done()
    assert virtual_clock.now == ANSWER_WITHIN
