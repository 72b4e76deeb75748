"""The sender: when settlements go out, and which frames they share."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from ackflow.streams.core import Frame, Ledger, Verb
from ackflow.streams.core.sender import ACK_DELAY, STARVED_DELAY, Sender


class Channel:
    """Writes down what it is told and when; raises `error` instead where there is one."""

    def __init__(self) -> None:
        self.sent: list[tuple[float, list[Frame]]] = []
        self.cancelled = 0
        self.error: Exception | None = None

    async def send(self, frames: Sequence[Frame]) -> None:
        if self.error is not None:
            raise self.error
        self.sent.append((round(asyncio.get_running_loop().time(), 6), list(frames)))

    async def cancel(self) -> None:
        self.cancelled += 1
        if self.error is not None:
            raise self.error

    @property
    def tags(self) -> list[tuple[float, list[int]]]:
        return [(time, [frame.tag for frame in frames]) for time, frames in self.sent]


class Feed:
    """As much of a feed, and of its epoch, as a sender needs."""

    name = "queue"

    def __init__(self, deliveries: int = 4, prefetch: int = 100) -> None:
        self.broker = self.epoch = self
        self.prefetch = prefetch
        self.stopped = False
        self.cancelled = False
        self.wakes = 0
        self.ledger: Ledger[int] = Ledger()
        self.ledger.deliver(range(deliveries))
        self.channel: Any = Channel()

    def woken(self) -> None:
        self.wakes += 1

    def credited(self) -> None:
        """The broker has credit again."""

    def settle(self, *tags: int) -> None:
        self.ledger.settle(tags, Verb.ACK)


def started(feed: Feed) -> Sender:
    sender = Sender(feed)
    sender.start()
    return sender


async def test_what_is_asked_for_now_is_sent_at_once_and_wakes_the_feed() -> None:
    feed = Feed()
    sender = started(feed)
    feed.settle(1, 2)
    sender.now()
    await asyncio.sleep(1)
    assert feed.channel.sent == [(0, [Frame(Verb.ACK, 2, multiple=True)])]
    assert feed.wakes == 1
    sender.now()
    await asyncio.sleep(1)
    assert (len(feed.channel.sent), feed.wakes) == (1, 1), "nothing was left to send"
    await sender.stop()


async def test_what_may_wait_shares_a_frame_with_all_that_is_settled_meanwhile() -> None:
    feed = Feed()
    sender = started(feed)
    for tag in (1, 2, 3):
        feed.settle(tag)
        sender.soon()
        await asyncio.sleep(0.015)
    await asyncio.sleep(1)
    assert ACK_DELAY == 0.05
    assert feed.channel.tags == [(0.05, [3])]
    feed.settle(4)
    sender.soon()
    await asyncio.sleep(1)
    assert feed.channel.tags[1:] == [(1.095, [4])]
    await sender.stop()


async def test_sending_now_makes_the_timer_superfluous() -> None:
    feed = Feed()
    sender = started(feed)
    feed.settle(1)
    sender.soon()
    sender.now()
    await asyncio.sleep(0.01)
    feed.settle(3)
    sender.soon()
    await asyncio.sleep(1)
    assert feed.channel.tags == [(0, [1]), (0.06, [3])]
    await sender.stop()


async def test_acks_beyond_a_stuck_message_wait_for_the_timer_and_then_go_singly() -> None:
    feed = Feed()
    sender = started(feed)
    feed.settle(2, 3)
    sender.now()
    await asyncio.sleep(0.01)
    assert feed.channel.sent == []
    assert feed.wakes == 0
    await asyncio.sleep(1)
    assert feed.channel.tags == [(0.05, [2, 3])]
    feed.settle(4)
    sender.now()
    await asyncio.sleep(0.01)
    assert len(feed.channel.sent) == 1, "the timer of before says nothing of these"
    await asyncio.sleep(1)
    assert feed.channel.tags[1:] == [(1.06, [4])]
    await sender.stop()


@pytest.mark.parametrize(("prefetch", "time"), [(3, 0.005), (4, 0.005), (5, 0.05)])
async def test_a_starving_feed_waits_a_tenth_of_the_time(prefetch: int, time: float) -> None:
    feed = Feed(prefetch=prefetch)
    sender = started(feed)
    feed.settle(2, 3)
    sender.now()
    await asyncio.sleep(1)
    assert feed.channel.tags == [(time, [2, 3])]
    await sender.stop()


async def test_what_is_settled_while_a_starving_feed_sends_waits_no_longer_than_the_rest() -> None:
    feed = Feed(prefetch=3)
    sender = started(feed)
    send = feed.channel.send

    async def slow(frames: Sequence[Frame]) -> None:
        await send(frames)
        if len(feed.channel.sent) == 1:
            feed.settle(4)
            sender.soon()

    feed.channel.send = slow
    feed.settle(1, 3)
    sender.now()
    await asyncio.sleep(1)
    assert feed.channel.tags == [(0, [1]), (STARVED_DELAY, [3, 4])]
    await sender.stop()


async def test_a_stopped_feed_cancels_its_consumer_once_and_does_not_wait() -> None:
    feed = Feed()
    sender = started(feed)
    feed.settle(2)
    feed.stopped = True
    sender.now()
    await asyncio.sleep(0.01)
    assert (feed.channel.cancelled, feed.cancelled) == (1, True)
    assert feed.channel.tags == [(0, [2])]
    sender.now()
    await asyncio.sleep(0.01)
    assert feed.channel.cancelled == 1
    await sender.stop()


async def test_a_feed_that_goes_on_keeps_its_consumer() -> None:
    feed = Feed()
    sender = started(feed)
    sender.now()
    await asyncio.sleep(0.01)
    assert (feed.channel.cancelled, feed.cancelled) == (0, False)
    await sender.stop()


@pytest.mark.parametrize("missing", ["epoch", "channel"])
async def test_without_a_channel_nothing_is_sent_and_the_sender_lives_on(missing: str) -> None:
    feed = Feed()
    channel = feed.channel
    sender = started(feed)
    before = getattr(feed, missing)
    setattr(feed, missing, None)
    feed.settle(1)
    sender.now()
    await asyncio.sleep(1)
    assert channel.sent == []
    setattr(feed, missing, before)
    sender.now()
    await asyncio.sleep(1)
    assert channel.tags == [(1, [1])]
    await sender.stop()


async def test_a_channel_that_breaks_is_not_the_senders_affair() -> None:
    feed = Feed()
    sender = started(feed)
    feed.channel.error = ConnectionResetError("gone")
    feed.stopped = True
    feed.settle(1)
    sender.now()
    await asyncio.sleep(1)
    feed.channel.error = None
    feed.settle(2)
    sender.now()
    await asyncio.sleep(1)
    assert feed.channel.tags == [(1, [2])]
    await sender.stop()


async def test_after_stop_nothing_is_sent_any_more() -> None:
    feed = Feed()
    sender = started(feed)
    feed.settle(1)
    sender.soon()
    await sender.stop()
    await asyncio.sleep(1)
    sender.now()
    await asyncio.sleep(1)
    assert feed.channel.sent == []
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await Sender(feed).stop()


async def test_a_timer_that_is_left_at_the_stop_does_not_expire() -> None:
    feed = Feed()
    sender = started(feed)
    sender.soon()
    timer = sender._timer
    assert timer is not None
    await sender.stop()
    assert timer.cancelled()


async def test_a_timer_whose_place_an_earlier_one_took_does_not_expire() -> None:
    feed = Feed()
    sender = started(feed)
    feed.settle(1)
    sender.soon()
    sender.soon(STARVED_DELAY)
    await asyncio.sleep(0.049)
    feed.settle(3)
    sender.soon()
    await asyncio.sleep(1)
    assert feed.channel.tags == [(STARVED_DELAY, [1]), (0.099, [3])]
    await sender.stop()
