"""A broker that speaks just enough AMQP to hand out messages and to take some, and can speak badly."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from pamqp import frame
from pamqp.body import ContentBody
from pamqp.commands import Basic, Channel, Confirm, Connection, Queue
from pamqp.header import ContentHeader

FRAME_MAX = 131_072

SIMPLE: dict[type, type] = {
    Connection.Open: Connection.OpenOk,
    Connection.Close: Connection.CloseOk,
    Channel.Open: Channel.OpenOk,
    Channel.Close: Channel.CloseOk,
}
"""What is asked, and what is then simply answered."""

Damage = Callable[[str, bytes], tuple[bytes, bool]]
"""Is given the name of an answer and its bytes; returns what to send, and whether to go on then."""


def spotless(name: str, data: bytes) -> tuple[bytes, bool]:
    return data, True


class Speaker:
    """Answers what aiormq asks, hands out every body to whoever consumes, confirms each that comes."""

    def __init__(
        self, bodies: Sequence[bytes], damage: Sequence[Damage], frame_max: int = FRAME_MAX
    ) -> None:
        """`damage`: what befalls the answers of the first connections; later ones are spotless."""
        self.url = ""
        self.connections = 0
        self.acked: list[int] = []
        self.published: list[bytes] = []
        self.consumed: list[str] = []
        """The queues that anybody consumed from, in order."""
        self.prefetches: list[int] = []
        """How many unacked messages consumers asked for, in order."""
        self.silent = False
        """Whether it stays on the line without a word where it would hang up."""
        self.piece = 0
        """Bytes that are sent at a time; 0 for all there is."""
        self._bodies = bodies
        self._damage = [*damage]
        self._frame_max = frame_max

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak to one client until either hangs up."""
        self.connections += 1
        damage = self._damage.pop(0) if self._damage else spotless
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.readexactly(8)
            await self._talk(reader, writer, damage)
            while self.silent and await reader.read(2**16):
                pass
        writer.close()

    async def _talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, damage: Damage
    ) -> None:
        answers = [(0, self._greeting())]
        self._confirmed = 0
        while True:
            for channel, answer in answers:
                data, goes_on = damage(answer.name, frame.marshal(answer, channel))
                await self._send(writer, data)
                if not goes_on:
                    return
            channel, asked = await _frame(reader)
            if isinstance(asked, Connection.CloseOk):
                return
            answers = [(channel, answer) for answer in self._answers(asked)]

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        size = self.piece or len(data)
        for at in range(0, len(data), max(1, size)):
            writer.write(data[at : at + size])
            await writer.drain()

    def _greeting(self) -> Any:
        able = dict.fromkeys(("basic.nack", "publisher_confirms", "consumer_cancel_notify"), True)
        return Connection.Start(0, 9, {"capabilities": able}, "PLAIN", "en_US")

    def _answers(self, asked: Any) -> Iterator[Any]:
        match asked:
            case Connection.StartOk():
                yield Connection.Tune(2_047, self._frame_max, 0)
            case Queue.Declare():
                yield Queue.DeclareOk(asked.queue, len(self._bodies), 0)
            case Basic.Consume():
                self.consumed.append(asked.queue)
                yield Basic.ConsumeOk(asked.consumer_tag)
                yield from self._deliveries(asked.consumer_tag)
            case Basic.Cancel():
                yield Basic.CancelOk(asked.consumer_tag)
            case Basic.Qos():
                self.prefetches.append(asked.prefetch_count)
                yield Basic.QosOk()
            case Confirm.Select():
                yield Confirm.SelectOk()
            case ContentBody():
                self._confirmed += 1
                self.published.append(asked.value)
                yield Basic.Ack(self._confirmed)
            case Basic.Ack():
                self.acked.append(asked.delivery_tag)
            case _ if type(asked) in SIMPLE:
                yield SIMPLE[type(asked)]()

    def _deliveries(self, tag: str) -> Iterator[Any]:
        for number, body in enumerate(self._bodies, 1):
            yield Basic.Deliver(tag, number, False, "", "words")
            yield ContentHeader(0, len(body), Basic.Properties(headers={"n": number}))
            if body:
                yield ContentBody(body)


async def _frame(reader: asyncio.StreamReader) -> tuple[int, Any]:
    head = await reader.readexactly(7)
    _, channel, size = frame.frame_parts(head)
    data = head + await reader.readexactly((size or 0) + 1)
    _, _, found = frame.unmarshal(data)
    return channel or 0, found


@asynccontextmanager
async def speaking(
    bodies: Sequence[bytes], *damage: Damage, frame_max: int = FRAME_MAX
) -> AsyncIterator[Speaker]:
    """Listen on a port of this machine."""
    speaker = Speaker(bodies, damage, frame_max)
    server = await asyncio.start_server(speaker.serve, "127.0.0.1", 0)
    async with server:
        speaker.url = f"amqp://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        yield speaker
