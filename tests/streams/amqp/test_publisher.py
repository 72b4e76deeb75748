"""A publisher waits with patience and never in a circle."""

import asyncio
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiormq.exceptions import ChannelNotFoundEntity, ConnectionClosed
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.commands import Basic, Channel
from pamqp.header import ContentHeader

from ackflow.streams.amqp import publisher
from ackflow.streams.amqp.outgoing import Outgoing, properties
from ackflow.streams.amqp.outlet import Outlet, PublishRefused
from ackflow.streams.amqp.plain import PlainOutlet
from ackflow.streams.amqp.publisher import Publisher
from ackflow.streams.amqp.server import Server
from ackflow.streams.amqp.tapping import Tapping
from ackflow.streams.amqp.wire import Wire
from ackflow.streams.amqp.wired import WiredOutlet
from ackflow.streams.core import Message, Unavailable
from ackflow.streams.core.outcome import Kind, Outcome


class PlainChannel:
    """Takes publishes as aiormq does, and confirms them when `confirm` is called."""

    def __init__(self) -> None:
        self.closing: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.sent: dict[bytes, Any] = {}

    async def basic_publish(self, body: bytes, *, routing_key: str, **_: Any) -> Any:
        if len(routing_key) > 255:
            raise ValueError("Routing key too long (max 255 bytes)")
        self.sent[body] = asyncio.get_running_loop().create_future()
        try:
            return await self.sent[body]
        except asyncio.CancelledError:
            await asyncio.sleep(0)  # aiormq too needs some turns of the loop to let go
            await asyncio.sleep(0)
            raise

    def confirm(self, *bodies: bytes) -> None:
        for body in bodies:
            self.sent[body].set_result("ack")

    async def close(self) -> None:
        if not self.closing.done():
            self.closing.set_result(None)


class WiredChannel(PlainChannel):
    """Reads what is written to it, and confirms it over a wire."""

    number = 1

    def __init__(self) -> None:
        super().__init__()
        self.wire = Wire(lambda: -1.0)
        self.writes: list[int] = []
        """How many messages came in each write."""
        self.headers: list[ContentHeader] = []

    def read(self, data: bytes) -> None:
        self.writes.append(0)
        while data:
            size, channel, read = frame.unmarshal(data)
            assert channel == self.number
            data = data[size:]
            self.writes[-1] += isinstance(read, Basic.Publish)
            if isinstance(read, ContentHeader):
                self.headers.append(read)
            if isinstance(read, ContentBody):
                self.sent[read.value] = len(self.sent) + 1

    def confirm(self, *bodies: bytes) -> None:
        for body in bodies:
            self.feed(Basic.Ack(self.sent[body]))

    def feed(self, method: Any) -> bytes:
        return self.wire.feed(frame.marshal(method, self.number))


class FakeLink:
    frame_max = 131_072
    writable = True

    def __init__(self, channel: Any) -> None:
        self.stopped = False
        self.channel = channel
        self.drained = asyncio.Event()

    def tap(self, channel: Any, tap: Tapping) -> None:
        channel.wire.tap(channel.number, tap, self.frame_max)

    def write(self, data: bytes) -> None:
        self.channel.read(data)

    async def drain(self) -> None:
        await self.drained.wait()

    async def blocked(self) -> bool:
        return self.stopped

    async def leave(self) -> None:
        pass


class Account:
    """Notes what becomes of one message."""

    closed = False

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def settle(self, tags: Sequence[int], outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    def judge(self, error: Exception) -> Outcome:
        return Outcome(Kind.REJECT, error)


class FakeMessage(Message[bytes]):
    """A message of which one can see what became of it."""

    def __init__(self, value: bytes) -> None:
        self.account: Any = Account()
        session: Any = SimpleNamespace(record=lambda *_: None, observer=None)
        super().__init__(value, (self.account, 0), session)

    @property
    def error(self) -> Exception | None:
        [outcome] = self.account.outcomes
        cause: Exception | None = outcome.cause
        return cause


def encode(value: bytes) -> Outgoing:
    return Outgoing(value, "x", "key", properties({"message_id": value.decode()}))


class Bench:
    """A publisher whose outlets are fakes, opened one after the other, `proven` ones or new ones."""

    def __init__(self, way: str, window: int, *, proven: bool = True) -> None:
        self.way, self.proven = way, proven
        self.encode: Callable[[Any], Outgoing] = encode
        self.channels: list[Any] = []
        self.links: list[FakeLink] = []
        self.publisher = Publisher("publish", Server.of(), window)
        self.publisher._open = self._open  # type: ignore[method-assign]

    @property
    def link(self) -> FakeLink:
        return self.links[-1]

    async def _open(self) -> Outlet:
        wired = self.way == "wire"
        channel = WiredChannel() if wired else PlainChannel()
        self.channels.append(channel)
        self.links.append(FakeLink(channel))
        kind = WiredOutlet if wired else PlainOutlet
        outlet = kind(self.links[-1], channel)  # type: ignore[arg-type]
        outlet.proven = self.proven
        return outlet

    def start(self, *messages: Any) -> "asyncio.Task[None]":
        publishing = self.publisher.publish(list[Message[Any]](messages), self.encode)
        return asyncio.create_task(publishing)


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_no_more_than_the_window_is_unconfirmed(way: str) -> None:
    bench = Bench(way, window=3)
    messages = [FakeMessage(b"%d" % number) for number in range(5)]
    publishing = bench.start(*messages)
    await turns()
    [channel] = bench.channels
    assert list(channel.sent) == [b"0", b"1", b"2"]
    channel.confirm(b"1")
    await turns()
    assert list(channel.sent) == [b"0", b"1", b"2", b"3"]
    assert [message.settled for message in messages] == [False, True, False, False, False]
    channel.confirm(b"0", b"2", b"3")
    await turns()
    channel.confirm(b"4")
    await asyncio.wait_for(publishing, 1)


async def test_a_channel_begins_with_one_message(way: str) -> None:
    bench = Bench(way, window=3, proven=False)
    publishing = bench.start(*(FakeMessage(b"%d" % number) for number in range(4)))
    await turns()
    [channel] = bench.channels
    assert list(channel.sent) == [b"0"]
    channel.confirm(b"0")
    await turns()
    assert list(channel.sent) == [b"0", b"1", b"2", b"3"]
    channel.confirm(b"1", b"2", b"3")
    await asyncio.wait_for(publishing, 1)


async def test_a_channel_that_does_not_confirm_its_first_message_is_replaced_ever_more_patiently(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "PATIENCE", 0.001)
    monkeypatch.setattr(publisher, "FIRST_WITHIN", 0.01)
    bench = Bench(way, window=3, proven=False)
    messages = [FakeMessage(b"0"), FakeMessage(b"1")]
    for within in ("0.01 s", "0.02 s", "0.04 s"):
        with pytest.raises(Unavailable, match=f"no confirm for {within}"):
            await asyncio.wait_for(bench.start(*messages), 1)
    publishing = bench.start(*messages)
    await turns()
    assert [list(channel.sent) for channel in bench.channels] == [[b"0"]] * 4
    bench.channels[-1].confirm(b"0")
    await turns()
    bench.channels[-1].confirm(b"1")
    await asyncio.wait_for(publishing, 1)
    bench.channels[-1].closing.set_result(None)
    with pytest.raises(Unavailable, match=r"no confirm for 0\.01 s"):
        await asyncio.wait_for(bench.start(FakeMessage(b"2")), 1)


async def test_a_full_window_lets_go_when_the_channel_is_lost(way: str) -> None:
    bench = Bench(way, window=2)
    messages = [FakeMessage(b"%d" % number) for number in range(4)]
    publishing = bench.start(*messages)
    await turns()
    bench.channels[0].closing.set_exception(ConnectionClosed(320, "CONNECTION_FORCED"))
    with pytest.raises(Unavailable, match="CONNECTION_FORCED"):
        await asyncio.wait_for(publishing, 2)
    assert not any(message.settled for message in messages)


async def test_only_what_is_unconfirmed_is_sent_again(way: str) -> None:
    bench = Bench(way, window=10)
    messages = [FakeMessage(b"%d" % number) for number in range(4)]
    publishing = bench.start(*messages)
    await turns()
    bench.channels[0].confirm(b"0", b"2")
    await turns()
    bench.channels[0].closing.set_result(None)
    with pytest.raises(Unavailable):
        await asyncio.wait_for(publishing, 2)
    publishing = bench.start(*messages)
    await turns()
    assert list(bench.channels[1].sent) == [b"1", b"3"]
    bench.channels[1].confirm(b"1", b"3")
    await asyncio.wait_for(publishing, 1)


async def test_what_is_under_way_while_blocked_is_not_sent_twice(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "PATIENCE", 0.01)
    bench = Bench(way, window=10)
    messages = [FakeMessage(b"0"), FakeMessage(b"1")]
    publishing = bench.start(*messages)
    await turns()
    bench.link.stopped = True
    with pytest.raises(Unavailable, match="blocks publishers"):
        await asyncio.wait_for(publishing, 1)
    more = FakeMessage(b"2")
    with pytest.raises(Unavailable, match="blocks publishers"):
        await asyncio.wait_for(bench.start(*messages, more), 1)
    [channel] = bench.channels
    assert list(channel.sent) == [b"0", b"1"]

    bench.link.stopped = False
    publishing = bench.start(*messages, more)
    await turns()
    assert list(channel.sent) == [b"0", b"1", b"2"]
    channel.confirm(b"0", b"1", b"2")
    await asyncio.wait_for(publishing, 1)


async def test_a_broker_that_confirms_nothing_for_long_is_away(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "PATIENCE", 0.01)
    monkeypatch.setattr(publisher, "CONFIRM_WITHIN", 0.02)
    bench = Bench(way, window=10)
    message = FakeMessage(b"0")
    with pytest.raises(Unavailable, match="no confirm"):
        await asyncio.wait_for(bench.start(message), 1)
    bench.channels[0].confirm(b"0")
    await asyncio.wait_for(bench.start(message), 1)
    assert len(bench.channels) == 1


async def test_a_channel_that_never_confirms_is_given_up_at_the_second_time(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "PATIENCE", 0.01)
    monkeypatch.setattr(publisher, "CONFIRM_WITHIN", 0.2)
    bench = Bench(way, window=10)
    messages = [FakeMessage(b"0"), FakeMessage(b"1")]
    together = [bench.start(message) for message in messages]
    for publishing in together:
        with pytest.raises(Unavailable, match="no confirm"):
            await asyncio.wait_for(publishing, 1)
    # Both waited at the same time: that is once.
    with pytest.raises(Unavailable):
        await asyncio.wait_for(bench.start(*messages), 1)
    assert len(bench.channels) == 1
    publishing = bench.start(*messages)
    await turns()
    assert list(bench.channels[1].sent) == [b"0", b"1"]
    bench.channels[1].confirm(b"0", b"1")
    await asyncio.wait_for(publishing, 1)
    assert all(message.settled and message.error is None for message in messages)


async def test_a_channel_that_confirms_slowly_is_kept(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "PATIENCE", 0.01)
    monkeypatch.setattr(publisher, "CONFIRM_WITHIN", 0.05)
    bench = Bench(way, window=10)
    messages = [FakeMessage(b"%d" % number) for number in range(4)]
    for message in messages:
        with pytest.raises(Unavailable, match="no confirm"):
            await asyncio.wait_for(bench.start(*messages), 1)
        bench.channels[0].confirm(message.value)
    await asyncio.wait_for(bench.start(*messages), 1)
    assert len(bench.channels) == 1


async def test_after_a_refusal_the_suspects_go_one_by_one(way: str) -> None:
    bench = Bench(way, window=10)
    good, bad = FakeMessage(b"good"), FakeMessage(b"bad")
    publishing = bench.start(good, bad)
    await turns()
    bench.channels[0].closing.set_exception(ChannelNotFoundEntity("NOT_FOUND - no exchange 'x'"))
    await turns(30)
    assert list(bench.channels[1].sent) == [b"good"]
    bench.channels[1].confirm(b"good")
    await turns()
    assert list(bench.channels[1].sent) == [b"good", b"bad"]
    bench.channels[1].closing.set_exception(ChannelNotFoundEntity("NOT_FOUND - no exchange 'x'"))
    await asyncio.wait_for(publishing, 1)
    assert good.error is None
    assert isinstance(bad.error, PublishRefused)
    assert "no exchange 'x'" in str(bad.error)


async def test_no_more_bytes_are_under_way_than_fit_into_memory(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "MOST_BYTES", encode(b"x" * 10).size)
    bench = Bench(way, window=100)
    bodies = [b"1" * 9, b"2" * 90, b"3", b"4" * 11, b"5"]
    publishing = bench.start(*map(FakeMessage, bodies))
    await turns()
    [channel] = bench.channels
    assert list(channel.sent) == bodies[:2]
    channel.confirm(bodies[0])
    await turns()
    assert list(channel.sent) == bodies[:2]
    channel.confirm(bodies[1])
    await turns()
    assert list(channel.sent) == bodies[:4]
    channel.confirm(*bodies[2:4])
    await turns()
    channel.confirm(bodies[4])
    await asyncio.wait_for(publishing, 1)


async def test_a_message_that_somebody_else_has_settled_costs_nothing(way: str) -> None:
    """As when the write it was in has failed: it is confirmed all the same."""
    bench = Bench(way, window=10)
    messages = [FakeMessage(b"%d" % number) for number in range(3)]
    publishing = bench.start(*messages)
    await turns()
    messages[1].reject("its write has failed")
    bench.channels[0].confirm(b"0", b"1", b"2")
    await asyncio.wait_for(publishing, 1)
    assert [len(message.account.outcomes) for message in messages] == [1, 1, 1]
    assert bench.channels[0].closing.done() is False


async def test_what_can_not_be_encoded_fails_alone(way: str) -> None:
    bench = Bench(way, window=10)

    def encode_all_but_one(value: bytes) -> Outgoing:
        key = "x" * 256 if value == b"bad" else "key"
        return Outgoing(value, "", key, properties({}))

    good, bad, better = FakeMessage(b"good"), FakeMessage(b"bad"), FakeMessage(b"better")
    bench.encode = encode_all_but_one
    publishing = bench.start(good, bad, better)
    await turns()
    sent = bench.channels[0].sent
    bench.channels[0].confirm(*(body for body in sent if body != b"bad"))
    await asyncio.wait_for(publishing, 1)
    assert (good.error, better.error) == (None, None)
    assert "x" * 50 in str(bad.error) or "too long" in str(bad.error)


async def test_two_messages_with_the_same_id_are_not_under_way_at_once(way: str) -> None:
    """What comes back is known by its id alone."""
    bench = Bench(way, window=10)
    bench.encode = lambda value: Outgoing(value, "", "key", properties({"message_id": "twin"}))
    messages = [FakeMessage(b"0"), FakeMessage(b"1")]
    publishing = bench.start(*messages)
    await turns()
    [channel] = bench.channels
    assert list(channel.sent) == [b"0"]
    channel.confirm(b"0")
    await turns()
    assert list(channel.sent) == [b"0", b"1"]
    channel.confirm(b"1")
    await asyncio.wait_for(publishing, 1)


# -- on the wire ------------------------------------------------------------------------------------


async def test_a_run_is_one_write_and_what_one_read_confirms_is_settled_together() -> None:
    bench = Bench("wire", window=100)
    messages = [FakeMessage(b"%d" % number) for number in range(30)]
    publishing = bench.start(*messages)
    await turns()
    [channel] = bench.channels
    assert channel.writes == [30]
    channel.feed(Basic.Ack(20, multiple=True))
    assert [message.settled for message in messages] == [True] * 20 + [False] * 10
    channel.feed(Basic.Nack(30, multiple=True))
    await asyncio.wait_for(publishing, 1)
    assert [message.error is None for message in messages] == [True] * 20 + [False] * 10
    assert "basic.nack" in str(messages[29].error)


async def test_a_long_run_is_written_in_parts_and_the_loop_turns_between_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publisher, "MOST_UNSENT", 2 * encode(b"x" * 10).size)
    bench = Bench("wire", window=100)
    publishing = bench.start(*(FakeMessage(b"%010d" % number) for number in range(5)))
    await asyncio.sleep(0)
    assert bench.channels[0].writes == [2]
    await turns()
    assert bench.channels[0].writes == [2, 2, 1]
    bench.channels[0].feed(Basic.Ack(0, multiple=True))
    await asyncio.wait_for(publishing, 1)


async def test_nothing_is_written_to_a_channel_that_the_broker_has_closed() -> None:
    """aiormq tells of it only later, and one more publish would be the whole connection's end."""
    bench = Bench("wire", window=2)
    messages = [FakeMessage(b"%d" % number) for number in range(4)]
    publishing = bench.start(*messages)
    await turns()
    first = bench.channels[0]
    first.feed(Channel.Close(404, "NOT_FOUND - no exchange 'x'", 60, 40))
    await turns()
    assert first.writes == [2]
    assert len(bench.channels) == 1
    first.closing.set_exception(ChannelNotFoundEntity("NOT_FOUND - no exchange 'x'"))
    await turns(30)
    assert first.writes == [2]
    assert list(bench.channels[1].sent) == [b"0"]
    publishing.cancel()
    await asyncio.wait([publishing])


async def test_a_confirm_that_comes_after_all_was_given_up_settles_nothing() -> None:
    bench = Bench("wire", window=10)
    messages = [FakeMessage(b"0"), FakeMessage(b"1")]
    publishing = bench.start(*messages)
    await turns()
    [channel] = bench.channels
    channel.closing.set_exception(ConnectionClosed(320, "CONNECTION_FORCED"))
    with pytest.raises(Unavailable):
        await asyncio.wait_for(publishing, 1)
    channel.confirm(b"0", b"1")
    assert not any(message.settled for message in messages)
    assert channel.wire.error == ""


async def test_while_the_broker_reads_nothing_nothing_more_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publisher, "MOST_UNSENT", 1)
    bench = Bench("wire", window=100)
    await bench.publisher.open()
    bench.link.writable = False
    publishing = bench.start(*(FakeMessage(b"%d" % number) for number in range(3)))
    await turns()
    [channel] = bench.channels
    assert channel.writes == [1]
    bench.link.writable = True
    bench.link.drained.set()
    await turns()
    assert channel.writes == [1, 1, 1]
    channel.confirm(b"0", b"1", b"2")
    await asyncio.wait_for(publishing, 1)


async def test_a_connection_that_is_lost_while_it_takes_nothing_is_waited_for_no_longer() -> None:
    bench = Bench("wire", window=100)
    await bench.publisher.open()
    bench.link.writable = False
    publishing = bench.start(FakeMessage(b"0"))
    await turns()
    bench.channels[0].closing.set_exception(ConnectionClosed(320, "CONNECTION_FORCED"))
    with pytest.raises(Unavailable, match="CONNECTION_FORCED"):
        await asyncio.wait_for(publishing, 1)


async def test_each_mandatory_message_is_known_when_it_comes_back() -> None:
    bench = Bench("wire", window=10)
    bench.encode = lambda value: Outgoing(value, "", "key", properties({}))
    messages = [FakeMessage(b"%d" % number) for number in range(3)]
    publishing = bench.start(*messages)
    await turns()
    [channel] = bench.channels
    ids = [header.properties.message_id for header in channel.headers]
    assert len(set(ids)) == 3
    assert all(len(each) == 32 for each in ids)
    channel.feed(Basic.Return(312, "NO_ROUTE", "", "key"))
    channel.feed(channel.headers[1])
    channel.feed(ContentBody(b"1"))
    channel.feed(Basic.Ack(0, multiple=True))
    await asyncio.wait_for(publishing, 1)
    assert [message.error is None for message in messages] == [True, False, True]
    assert "routing key 'key': no queue takes it, the broker returned it (NO_ROUTE)" in str(
        messages[1].error
    )


async def test_what_is_not_mandatory_keeps_its_properties_as_they_are() -> None:
    bench = Bench("wire", window=10)
    bench.encode = lambda value: Outgoing(value, "", "key", properties({}), mandatory=False)
    publishing = bench.start(FakeMessage(b"0"))
    await turns()
    [channel] = bench.channels
    assert channel.headers[0].properties.message_id is None
    channel.confirm(b"0")
    await asyncio.wait_for(publishing, 1)


async def test_a_source_that_fails_to_take_a_confirm_costs_the_channel_and_no_more() -> None:
    bench = Bench("wire", window=10)
    message = FakeMessage(b"0")

    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    message.account.settle = fail
    publishing = bench.start(message)
    await turns()
    bench.channels[0].confirm(b"0")
    with pytest.raises(Unavailable, match="a bug"):
        await asyncio.wait_for(publishing, 1)


async def test_what_was_put_together_when_the_channel_ended_is_not_written() -> None:
    bench = Bench("wire", window=10)
    outlet = await bench._open()
    message = FakeMessage(b"0")
    outlet.add(message, encode(b"0"))
    bench.channels[0].feed(Channel.CloseOk())
    outlet.flush()
    assert bench.channels[0].writes == []
    assert outlet.victims == {message}
