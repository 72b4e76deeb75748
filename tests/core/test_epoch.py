"""Epochs: one channel's lifetime, and the age of what is open in it."""

import asyncio
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks
from ackflow.streams.core import Epoch, Session, Verb
from ackflow.streams.core.epoch import MANY
from tests.core.brokers import queue


class Feed:
    """As much of a feed as an epoch needs."""

    def __init__(self) -> None:
        self.session = Session()
        self.arrivals: list[Any] = []

    def arrived(self, epoch: Any, tags: Any, refused: Any) -> None:
        self.arrivals.append((list(tags), refused))


def epoch() -> tuple[Any, Feed]:
    feed: Any = Feed()
    return Epoch(feed), feed


async def test_deliveries_get_the_next_tags_and_are_handed_to_the_feed() -> None:
    made, feed = epoch()
    made.deliver(["a", "b"])
    error = ValueError("bad")
    made.deliver(["c"], {0: error})
    assert feed.arrivals == [([1, 2], {}), ([3], {0: error})]
    assert list(made.roots(2)) == [(made, 2)]


async def test_the_age_of_a_delivery_counts_from_its_own_arrival() -> None:
    made, _ = epoch()
    assert made.oldest == 0.0
    made.deliver(["a", "b"])
    await asyncio.sleep(10)
    made.deliver(["c"])
    await asyncio.sleep(5)
    assert [made.age(tag) for tag in (1, 2, 3)] == [15, 15, 5]
    assert made.oldest == 15


async def test_the_oldest_is_the_oldest_that_is_open() -> None:
    made, _ = epoch()
    for value in "abc":
        made.deliver([value, value])
        await asyncio.sleep(10)
    made.ledger.settle([1, 3], Verb.ACK)
    assert made.oldest == 30
    made.ledger.settle([2], Verb.ACK)
    assert made.oldest == 20
    made.ledger.settle([4, 5, 6], Verb.ACK)
    assert made.oldest == 0.0
    assert made._arrivals == {}


async def test_the_arrivals_of_what_is_settled_are_forgotten_before_there_are_many() -> None:
    made, _ = epoch()
    for number in range(10 * MANY):
        made.deliver([number])
        made.ledger.settle([number + 1], Verb.ACK)
        assert len(made._arrivals) <= MANY
    for number in range(2 * MANY):
        made.deliver([number])
    assert len(made._arrivals) >= 2 * MANY, "what is open is not forgotten"
    assert made.age(10 * MANY + 1) == 0.0
    made.ledger.settle(range(10 * MANY + 1, 12 * MANY + 1), Verb.ACK)
    made.deliver([0])
    assert len(made._arrivals) == 1


async def test_who_watches_a_delivery_hears_of_its_end_or_of_the_channels() -> None:
    made, _ = epoch()
    made.deliver(["a", "b", "c"])
    heard: list[int] = []
    for tag in (1, 2, 3):
        made.watch(tag, lambda tag=tag: heard.append(tag))
    made.tell([2])
    assert heard == [2]
    made.end()
    assert made.closed
    assert sorted(heard) == [1, 2, 3]


async def test_a_closed_epoch_has_no_deliveries() -> None:
    stream, source = queue(["a"], open_ended=True)
    seen: list[Any] = []

    async def look(value: str) -> None:
        (feed,) = source.feeds
        current = feed.epoch
        assert current is not None
        delivery = current.delivery(1)
        assert delivery is not None
        seen.append(delivery.body)
        if len(seen) == 1:
            source.broker.channels[0].lose()
            await asyncio.sleep(1)
            seen.extend([current.closed, current.delivery(1)])

    handle = (stream | sinks.each(look)).start()
    await asyncio.sleep(5)
    assert seen == ["a", True, None, "a"]
    await handle.drain()


@pytest.mark.parametrize("size", [1, 5])
async def test_a_handle_asks_for_the_age_of_the_oldest(size: int) -> None:
    stream, _ = queue(range(size), prefetch=8, open_ended=True)
    handle = (stream | op.chunk(8, timeout=60.0) | sinks.to_list()).start()
    await asyncio.sleep(7)
    assert handle.oldest_unacked == pytest.approx(7, abs=0.1)
    await handle.drain()


async def test_what_is_held_against_a_delivery_is_forgotten_when_it_is_settled() -> None:
    made, _ = epoch()
    made.deliver(["a", "b"])
    made.refused.update({1: ValueError("bad"), 2: ValueError("bad")})
    made.tell([1])
    assert list(made.refused) == [2]
