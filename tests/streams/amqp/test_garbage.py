"""Whatever a broker sends: the same messages, or one clear error; never a hang, never all memory."""

import asyncio
import re
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp import frame
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from ackflow import sinks, streams
from ackflow.streams.core import SourceError
from tests.security.certificates import mute
from tests.streams.amqp.speaking import Damage, Speaker, speaking

BODIES = [b"um", b"", b"tr\xc3\xaas" * 20]
ANSWERS = ["Connection.Start", "Connection.Tune", "Connection.OpenOk", "Channel.OpenOk",
           "Basic.QosOk", "Queue.DeclareOk", "Basic.ConsumeOk",
           "Basic.Deliver", "ContentHeader", "ContentBody"]  # fmt: skip
WITHIN = 60.0


async def taken(speaker: Speaker, **settings: Any) -> list[bytes]:
    """Take as many messages as there are; more than that is for the caller to see."""
    settings = {"until_idle": 0.5, "start_timeout": 20.0, **settings}
    async with asyncio.timeout(WITHIN):
        queue = streams.amqp.queue("words", url=speaker.url, **settings)
        found: list[bytes] = await (queue | sinks.to_list())
    return found


def at(name: str, garbage: bytes) -> Damage:
    """Send garbage in the place of an answer, and be done."""
    return lambda answer, data: (garbage, False) if answer == name else (data, True)


def cut_short(name: str, length: int) -> Damage:
    """Send so many bytes of an answer, and be done."""
    return lambda answer, data: (
        (data[: length % len(data)], False) if answer == name else (data, True)
    )


async def test_the_broker_of_these_tests_hands_out_messages() -> None:
    async with speaking(BODIES) as speaker:
        assert await taken(speaker) == BODIES
        assert speaker.acked
        assert speaker.connections == 1


@pytest.mark.parametrize("piece", [1, 2, 7, 100])
async def test_messages_are_the_same_however_they_are_cut(piece: int) -> None:
    async with speaking(BODIES) as speaker:
        speaker.piece = piece
        assert await taken(speaker) == BODIES
        assert speaker.connections == 1


async def reconnects(*damage: Damage) -> None:
    """Take messages from brokers whose first connection is damaged, all at once."""

    async def one(each: Damage) -> None:
        async with speaking(BODIES, each) as speaker:
            # What was handed out before the damage comes again.
            assert (await taken(speaker))[-len(BODIES) :] == BODIES
            assert speaker.connections == 2

    async with asyncio.TaskGroup() as group:
        for each in damage:
            group.create_task(one(each))


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\xce" * 9,
        b"AMQP\x00\x01\x00\x00",
        struct.pack(">BHI", 1, 0, 2**32 - 1) + bytes(999),
        b"\x01\0\0\0\0\0\x04\0\x63\0\x63\xce",
    ],
    ids=["zero", "HTTP", "ends", "another version", "4 GiB", "no such method"],
)
async def test_garbage_in_the_place_of_any_answer_is_a_reconnect(garbage: bytes) -> None:
    await reconnects(*(at(name, garbage) for name in ANSWERS))


@given(st.lists(st.integers(0, 2**32), min_size=len(ANSWERS), max_size=len(ANSWERS)))
@settings(max_examples=10, deadline=None)
async def test_an_answer_cut_short_anywhere_is_a_reconnect(lengths: list[int]) -> None:
    await reconnects(*map(cut_short, ANSWERS, lengths))


# Without the byte that ends a frame, none of it can be one.
GARBAGE = st.binary(max_size=80).map(lambda data: data.replace(b"\xce", b""))


@given(st.lists(GARBAGE, min_size=len(ANSWERS), max_size=len(ANSWERS)))
@settings(max_examples=10, deadline=None)
async def test_any_garbage_is_a_reconnect(garbage: list[bytes]) -> None:
    await reconnects(*map(at, ANSWERS, garbage))


async def published(*bodies: bytes, damage: Damage) -> list[bytes]:
    """Publish to a broker whose first connection is damaged; return what it got, once."""
    async with speaking([], damage) as speaker:
        source = streams.memory.queue(bodies, prefetch=10)
        source.close()
        async with asyncio.timeout(WITHIN):
            await (source | sinks.amqp.publish(speaker.url, routing_key="words", heartbeat=1))
        assert source.acked == list(bodies)
        assert speaker.connections == 2
    return list(dict.fromkeys(speaker.published))


@pytest.mark.parametrize(
    "garbage",
    [
        frame.marshal(Basic.Ack(9), 1),
        frame.marshal(Basic.Nack(2, multiple=True), 1),
        frame.marshal(Basic.Return(312, "NO_ROUTE", "", "x"), 1)
        + frame.marshal(ContentHeader(), 1),
        frame.marshal(Basic.Ack(1), 1)[:-1] + b"\0",
        b"\xce" * 30,
        b"",
    ],
    ids=["another's", "too many", "a return of another", "no end", "ends", "nothing"],
)
async def test_a_confirm_that_can_not_be_is_a_reconnect_and_confirms_nothing(
    garbage: bytes,
) -> None:
    bodies = [b"1", b"2", b"3"]
    assert await published(*bodies, damage=at("Basic.Ack", garbage)) == bodies


@pytest.mark.parametrize("name", ["Channel.OpenOk", "ContentBody"])
async def test_silence_in_the_middle_of_a_frame_is_noticed_by_heartbeats(name: str) -> None:
    async with speaking(BODIES, cut_short(name, 5)) as speaker:
        speaker.silent = True
        pipeline = streams.amqp.queue("words", url=speaker.url, heartbeat=1) | sinks.to_list()
        async with asyncio.timeout(WITHIN):
            assert await pipeline.start(limit=len(BODIES)) == BODIES
        assert speaker.connections == 2


@pytest.mark.parametrize(
    ("greeting", "said"),
    [
        (b"", "no broker answers there in time"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "speaks no AMQP"),
        (b"\x15\x03\x03\x00\x02\x02\x46", "speaks no AMQP"),
        (b"\x01\0\0\0\0\0\x04", "no broker answers there in time"),
    ],
    ids=["silence", "SSH", "TLS", "half a frame"],
)
async def test_a_port_that_speaks_something_else_is_one_clear_error(
    greeting: bytes, said: str
) -> None:
    async with mute(greeting=greeting) as port:
        queue = streams.amqp.queue("words", url=f"amqp://127.0.0.1:{port}/", start_timeout=0.2)
        async with asyncio.timeout(WITHIN):
            with pytest.raises(SourceError) as caught:
                await (queue | sinks.to_list())
    assert re.match(rf"amqp://guest@127.0.0.1:{port}/: ", str(caught.value))
    assert said in str(caught.value)
    assert len(str(caught.value)) < 500


async def endless(frame_max: int, name: str) -> int:
    """Promise a frame of 2 GiB in the place of an answer, and send it; return how much was taken."""
    sent = 0
    gone = asyncio.Event()
    head = struct.pack(">BHI", 1, 0, 2**31)

    class Endless(Speaker):
        async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
            nonlocal sent
            await super()._send(writer, data)
            if data != head:
                return
            try:
                while sent < 2**27:
                    writer.write(bytes(2**16))
                    await writer.drain()
                    sent += 2**16
            finally:
                gone.set()

    speaker = Endless(BODIES, [at(name, head)], frame_max)
    server = await asyncio.start_server(speaker.serve, "127.0.0.1", 0)
    async with server:
        speaker.url = f"amqp://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        assert (await taken(speaker))[-len(BODIES) :] == BODIES
        await gone.wait()
    return sent


@pytest.mark.parametrize("frame_max", [0, 131_072, 2**32 - 1])
@pytest.mark.parametrize("name", ["Connection.Start", "Connection.Tune", "Basic.ConsumeOk"])
async def test_a_frame_without_end_is_given_up_at_once(frame_max: int, name: str) -> None:
    """Whatever size the broker says that its frames have, and before it says any."""
    assert await endless(frame_max, name) < 2**24
