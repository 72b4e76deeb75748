"""A line hands deliveries on in runs, and nothing on it waits for ever."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aiormq.exceptions import ChannelPreconditionFailed, ConnectionClosed

from ackflow.streams.amqp import refusals
from ackflow.streams.amqp.line import Line
from ackflow.streams.core import Frame, Verb


class FakeChannel:
    """As much of aiormq's channel as a line uses; `stuck` writes never end, as on a cut wire."""

    def __init__(self) -> None:
        self.closing: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.on_consumer_cancel_callbacks: set[Callable[..., Any]] = set()
        self.written: list[tuple[Any, ...]] = []
        self.free = asyncio.Event()
        self.free.set()
        self.deliver: Callable[[Any], Awaitable[None]] | None = None

    @property
    def is_closed(self) -> bool:
        return self.closing.done()

    async def basic_consume(self, queue: str, callback: Any, **_: Any) -> None:
        self.deliver = callback

    async def basic_cancel(self, tag: str, timeout: float) -> None:
        self.written.append(("cancel", tag))

    async def _write(self, *frame: Any) -> None:
        await self.free.wait()
        self.written.append(frame)

    async def basic_ack(self, tag: int, multiple: bool, wait: bool) -> None:
        await self._write("ack", tag, multiple)

    async def basic_reject(self, tag: int, requeue: bool, wait: bool) -> None:
        await self._write("reject", tag, requeue)

    async def basic_nack(
        self, tag: int, multiple: bool = False, requeue: bool = True, wait: bool = True
    ) -> None:
        await self._write("nack", tag, multiple)

    async def close(self) -> None:
        if not self.closing.done():
            self.closing.set_exception(asyncio.CancelledError())
            self.closing.exception()


class FakeLink:
    wired = False
    left = 0

    async def leave(self) -> None:
        self.left += 1


def message(tag: int) -> Any:
    method = SimpleNamespace(delivery_tag=tag, redelivered=False)
    return SimpleNamespace(delivery=method, header=None, body=b"%d" % tag)


def line(runs: list[list[Any]]) -> tuple[Line, FakeChannel, FakeLink]:
    channel, link = FakeChannel(), FakeLink()
    made = Line("a line", link, channel, runs.append, kept_bytes=9)  # type: ignore[arg-type]
    return made, channel, link


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_what_arrives_in_one_turn_of_the_loop_is_one_run() -> None:
    runs: list[list[Any]] = []
    made, channel, _ = line(runs)
    await made.consume("words", "tag", {})
    assert channel.deliver is not None
    await channel.deliver(message(1))
    await turns()
    assert runs == [], "handed on before the line had begun"
    made.begin()
    for tag in (2, 3, 4):
        await channel.deliver(message(tag))
    await turns()
    await channel.deliver(message(5))
    await turns()
    assert [[raw.tag for raw in run] for run in runs] == [[1], [2, 3, 4], [5]]


async def test_a_gap_in_the_tags_ends_the_line() -> None:
    runs: list[list[Any]] = []
    made, channel, _ = line(runs)
    await made.consume("words", "tag", {})
    made.begin()
    assert channel.deliver is not None
    await channel.deliver(message(1))
    await channel.deliver(message(3))
    await turns()
    assert made.lost.done()
    assert "tag 3 came where 2 was expected" in made.reason
    await turns()
    assert runs == []


async def test_frames_become_the_methods_of_their_verbs() -> None:
    made, channel, _ = line([])
    frames = [
        Frame(Verb.REJECT, 1),
        Frame(Verb.RETURN_FAILED, 2),
        Frame(Verb.RETURN_UNTOUCHED, 3),
        Frame(Verb.RETURN_UNTOUCHED, 5, multiple=True),
        Frame(Verb.ACK, 6),
        Frame(Verb.ACK, 9, multiple=True),
    ]
    await made.send(frames)
    assert channel.written == [
        ("reject", 1, False),
        ("reject", 2, True),
        ("nack", 3, False),
        ("nack", 5, True),
        ("ack", 6, False),
        ("ack", 9, True),
    ]


async def test_sending_ends_with_the_channel_even_where_the_write_never_would() -> None:
    made, channel, _ = line([])
    channel.free.clear()
    sending = asyncio.create_task(made.send([Frame(Verb.ACK, 1)]))
    await turns()
    channel.closing.set_result(None)
    with pytest.raises(ConnectionError, match="the channel ended"):
        await asyncio.wait_for(sending, 1)


async def test_frames_of_a_cancelled_send_are_written_before_the_next_ones() -> None:
    made, channel, _ = line([])
    channel.free.clear()
    sending = asyncio.create_task(made.send([Frame(Verb.ACK, 1)]))
    await turns()
    sending.cancel()
    await asyncio.wait([sending])
    channel.free.set()
    await asyncio.wait_for(made.send([Frame(Verb.ACK, 2)]), 1)
    assert channel.written == [("ack", 1, False), ("ack", 2, False)]


async def test_cancel_hands_on_what_is_on_its_way_and_goes_on_without_its_caller() -> None:
    runs: list[list[Any]] = []
    made, channel, _ = line(runs)
    await made.consume("words", "tag", {})
    made.begin()
    assert channel.deliver is not None
    await channel.deliver(message(1))
    cancelling = asyncio.create_task(made.cancel())
    await asyncio.sleep(0)
    cancelling.cancel()
    await asyncio.wait([cancelling])
    await asyncio.wait_for(made.cancel(), 1)
    assert channel.written == [("cancel", "tag")]
    assert len(runs) == 1


async def test_close_gives_back_what_is_unacked_and_leaves_the_connection() -> None:
    made, channel, link = line([])
    await made.close()
    assert channel.written == [("nack", 0, True)]
    assert channel.is_closed
    assert made.lost.done()
    assert link.left == 1


async def test_a_channel_is_not_closed_right_behind_many_frames() -> None:
    """A quorum queue would lose them."""
    made, _, _ = line([])
    loop = asyncio.get_running_loop()
    await made.send([Frame(Verb.RETURN_UNTOUCHED, tag) for tag in range(1, 100)])
    began = loop.time()
    await made.close()
    assert loop.time() - began >= 0.1


@pytest.mark.parametrize(
    "end",
    [
        lambda future: future.set_result(None),
        lambda future: future.cancel(),
        lambda future: future.set_exception(asyncio.CancelledError()),
        lambda future: future.set_exception(ConnectionClosed(320, "CONNECTION_FORCED")),
    ],
)
async def test_every_way_to_end_is_a_loss_that_raises_nothing(end: Callable[[Any], Any]) -> None:
    made, channel, _ = line([])
    end(channel.closing)
    await asyncio.wait_for(made.lost, 1)
    assert not made.illegal


async def test_an_illegal_ack_is_an_error_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    made, channel, _ = line([])
    text = "PRECONDITION_FAILED - unknown delivery tag 7"
    channel.closing.set_exception(ChannelPreconditionFailed(text))
    await asyncio.wait_for(made.lost, 1)
    assert made.illegal
    assert [r.levelno for r in caplog.records] == [logging.ERROR]
    assert text in caplog.text


async def test_a_cancellation_that_is_aiormqs_own_is_a_lost_connection() -> None:
    """Its heartbeats cancel the calls of a dead connection: nobody cancelled the caller."""
    with (
        pytest.raises(refusals.Unreachable, match="connection was lost"),
        refusals.answers("declaring"),
    ):
        raise asyncio.CancelledError


async def test_a_cancellation_of_the_caller_stays_one() -> None:
    async def call() -> None:
        with refusals.answers("declaring"):
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(call())
    await turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
