"""What a connection reads goes through the wire first; all else about it is asyncio's own."""

import asyncio

import pytest
from aiormq.exceptions import AMQPConnectionError, InvalidFrameError
from yarl import URL

from ackflow.streams.amqp.frames import Frames
from ackflow.streams.amqp.peeled import Peeled
from ackflow.streams.amqp.tap import Tap
from ackflow.streams.amqp.transport import Protocol, Transport
from ackflow.streams.amqp.wire import HEARTBEAT, Wire
from tests.servers.processes import free_port
from tests.streams.amqp.test_wire import BAD, FRAME_MAX, LIMIT, NEVER, delivery


def connected(run: list[Peeled]) -> tuple[Protocol, asyncio.StreamReader]:
    loop = asyncio.get_running_loop()
    reader, wire = asyncio.StreamReader(), Wire(lambda: NEVER)
    wire.tap(1, Tap(run.extend, LIMIT), FRAME_MAX)
    return Protocol(reader, wire, loop), reader


async def test_deliveries_come_at_once_and_other_frames_are_read() -> None:
    run: list[Peeled] = []
    protocol, reader = connected(run)
    protocol.data_received(HEARTBEAT + b"".join(delivery(1, b"body")) + HEARTBEAT)
    assert [each.body for each in run] == [b"body"]
    assert await reader.readexactly(16) == HEARTBEAT * 2


@pytest.mark.parametrize("name", BAD)
async def test_what_no_broker_may_send_is_an_error_for_whoever_reads(name: str) -> None:
    data, said = BAD[name]
    protocol, reader = connected([])
    reading = asyncio.create_task(Frames(reader).get_frame())
    await asyncio.sleep(0)
    protocol.data_received(data)
    protocol.data_received(HEARTBEAT)
    with pytest.raises(InvalidFrameError, match=said):
        await reading
    with pytest.raises(InvalidFrameError, match=said):
        await Frames(reader).get_frame()


async def test_a_connection_that_can_not_be_made_is_aiormqs_own_error() -> None:
    url = URL(f"amqp://127.0.0.1:{free_port()}/")
    with pytest.raises(AMQPConnectionError) as caught:
        await Transport(Wire(lambda: NEVER)).create(url, ssl_context_provider=None)
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
