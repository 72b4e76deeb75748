"""The ladder: what becomes of failed messages, rung by rung."""

import asyncio
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Requeue
from tests.core.brokers import Properties, RetryQueue, queue
from tests.queues import assert_all_closed, closed


def broken(value: Any) -> Any:
    raise RuntimeError("broken")


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_each_attempt_waits_what_the_policy_says_of_it() -> None:
    times: list[float] = []

    def work(value: str) -> str:
        times.append(round(now(), 6))
        raise RuntimeError("broken")

    dead = sinks.to_list()
    queued = closed(
        ["a"], attempts=4, wait=lambda state: 10.0**state.attempt_number, dead_letter=dead
    )
    pipeline = queued | op.map(work) | sinks.to_list()
    await pipeline
    assert times == [0, 10, 110, 1110]
    assert pipeline.summary.retried == 3
    assert dead.values[0].headers["x-ackflow-attempts"] == 4


async def test_messages_come_again_in_the_order_in_which_their_waits_end() -> None:
    seen: list[tuple[int, float]] = []

    def work(value: int) -> int:
        seen.append((value, now()))
        if len(seen) <= 3:
            raise Requeue("later", after=10.0 - value)
        return value

    queued = closed([1, 2, 3], prefetch=64)
    await (queued | op.map(work) | sinks.to_list())
    assert seen == [(1, 0), (2, 0), (3, 0), (3, 7), (2, 8), (1, 9)]


async def test_those_whose_waits_end_together_come_again_in_the_order_they_failed() -> None:
    seen: list[int] = []

    def work(value: int) -> int:
        seen.append(value)
        if len(seen) <= 3:
            raise Requeue("later", after=5.0)
        return value

    assert await (closed([3, 1, 2]) | op.map(work) | sinks.to_list()) == [3, 1, 2]
    assert seen == [3, 1, 2, 3, 1, 2]


async def test_requeue_without_a_time_waits_as_after_a_first_attempt_and_spends_none() -> None:
    times: list[float] = []

    def work(value: str) -> str:
        times.append(now())
        if len(times) < 4:
            raise Requeue("not yet")
        return value

    queued = closed(["a"], attempts=1, wait=lambda state: 3.0 * state.attempt_number)
    assert await (queued | op.map(work) | sinks.to_list()) == ["a"]
    assert times == [0, 3, 6, 9]


async def test_requeue_after_0_comes_again_at_once() -> None:
    def work(value: str) -> str:
        if not failed:
            failed.append(value)
            raise Requeue("again", after=0)
        return value

    failed: list[str] = []
    assert await (closed(["a"]) | op.map(work) | sinks.to_list()) == ["a"]
    assert now() < 1


@pytest.mark.parametrize(("prefetch", "most"), [(1, 1), (3, 1), (4, 1), (7, 1), (8, 2), (16, 4)])
async def test_a_quarter_of_prefetch_is_held_before_intake_pauses(
    prefetch: int, most: int, caplog: Any
) -> None:
    seen: list[int] = []

    def work(value: int) -> int:
        seen.append(value)
        if len(seen) > most:
            return value
        raise RuntimeError("broken")

    queued = streams.memory.queue(range(100), prefetch=prefetch, wait=lambda state: 1000.0)
    handle = (queued | op.map(work) | sinks.each(ack_slowly, concurrency=1)).start()
    await asyncio.sleep(100)
    assert handle.stats().held == most
    assert len(seen) <= prefetch, "what came after that waits"
    assert sum("intake pauses" in record.message for record in caplog.records) == 1
    await handle.drain()
    assert_all_closed(queued)


async def ack_slowly(value: int) -> None:
    await asyncio.sleep(0.01)


async def test_below_a_quarter_intake_goes_on(caplog: Any) -> None:
    def work(value: int) -> int:
        if value == 0:
            raise RuntimeError("broken")
        return value

    queued = streams.memory.queue(range(100), prefetch=8, wait=lambda state: 1000.0)
    seen: list[int] = []
    handle = (queued | op.map(work) | sinks.each(seen.append)).start()
    await asyncio.sleep(100)
    assert seen == list(range(1, 100))
    assert not any("intake pauses" in record.message for record in caplog.records)
    await handle.drain()


async def test_the_retry_queue_takes_what_is_beyond_a_quarter_and_intake_goes_on(
    caplog: Any,
) -> None:
    retry = RetryQueue()
    stream, source = queue(range(50), retry, prefetch=8, wait=lambda state: 1000.0)
    handle = (stream | op.map(broken) | sinks.to_list()).start()
    await asyncio.sleep(10)
    assert handle.stats().held == 2
    assert len(retry.letters) == 48
    assert not any("intake pauses" in record.message for record in caplog.records)
    await handle.drain()
    assert source.broker.ready == [0, 1]


async def test_a_message_that_fails_while_draining_goes_back_and_not_to_the_retry_queue() -> None:
    retry = RetryQueue()

    async def work(value: int) -> int:
        await asyncio.sleep(1)
        raise RuntimeError("broken")

    stream, source = queue(range(4), retry, wait=lambda state: 1000.0)
    handle = (stream | op.map_async(work, 4) | sinks.to_list()).start()
    await asyncio.sleep(0.5)
    summary = await handle.drain()
    assert retry.letters == []
    assert sorted(source.broker.ready) == [0, 1, 2, 3]
    assert (summary.requeued, summary.held) == (4, 0)


@pytest.mark.parametrize(
    ("header", "attempts"), [(0, 3), (1, 2), (2, 1), (7, 1), (-1, 3), ("2", 3), (None, 3)]
)
async def test_attempts_of_earlier_rounds_count_where_the_header_makes_sense(
    header: Any, attempts: int
) -> None:
    seen: list[Any] = []

    def work(value: Any) -> Any:
        seen.append(value)
        raise RuntimeError("broken")

    dead = sinks.to_list()
    told = Properties(headers={"x-ackflow-attempts": header})
    stream, _ = queue(["a"], told=told, attempts=3, wait=lambda state: 1.0, dead_letter=dead)
    await (stream | op.map(work) | sinks.to_list())
    assert len(seen) == attempts
    assert dead.values[0].headers["x-ackflow-attempts"] == max(3, header if header == 7 else 0) + (
        header == 7
    )


async def test_a_rejected_message_has_had_one_attempt() -> None:
    dead = sinks.to_list()
    await (closed(["x"], dead_letter=dead) | op.map(int) | sinks.to_list())
    assert dead.values[0].headers["x-ackflow-attempts"] == 1


async def test_a_message_that_is_kept_waits_at_the_longest_pace_and_never_ends_the_stream_early(
    caplog: Any,
) -> None:
    seen: list[float] = []

    def work(value: str) -> str:
        seen.append(now())
        raise ValueError("no use")

    queued = streams.memory.queue(["x"], wait=lambda state: 1.0 * state.attempt_number)
    handle = (queued | op.map(work) | sinks.to_list()).start()
    await asyncio.sleep(150)
    assert seen == [0, 64, 128]
    assert handle.stats().held == 1
    warnings = [record.message for record in caplog.records if "failed for good" in record.message]
    assert warnings == [
        "memory.queue: a message has failed for good (ValueError) and is kept, since nothing "
        'is dropped unasked; give dead_letter=a sink, "exchange" or "discard"'
    ]
    await handle.drain()
    assert queued.ready == ["x"]


@pytest.mark.parametrize(("patience", "held"), [(5.0, 1), (4.9, 0), (None, 1)])
async def test_what_would_be_held_beyond_the_brokers_patience_goes_back(
    patience: float | None, held: int
) -> None:
    queued = streams.memory.queue(["a"], wait=lambda state: 5.0)
    queued._broker.patience = patience

    def work(value: str) -> str:
        if not queued.requeued:
            raise RuntimeError("broken")
        return value

    handle = (queued | op.map(work) | sinks.to_list()).start()
    await asyncio.sleep(1)
    assert handle.stats().held == held
    assert queued.requeued == [] if held else ["a"]
    await handle.drain()


async def test_a_lost_connection_forgets_what_was_held() -> None:
    queued = streams.memory.queue(["a"], wait=lambda state: 1000.0)
    calls: list[float] = []

    def work(value: str) -> str:
        calls.append(now())
        if len(calls) == 1:
            raise RuntimeError("broken")
        return value

    handle = (queued | op.map(work) | sinks.to_list()).start()
    await asyncio.sleep(1)
    assert handle.stats().held == 1
    queued.disconnect()
    await asyncio.sleep(20)
    assert handle.stats().held == 0
    assert queued.acked == ["a"]
    assert len(calls) == 2
    queued.close()
    await handle


async def test_attempts_are_counted_per_delivery_and_forgotten_when_it_is_settled() -> None:
    stream, source = queue(range(3), attempts=2, wait=lambda state: 1.0, dead_letter="discard")
    seen: list[int] = []

    def work(value: int) -> int:
        seen.append(value)
        if value != 1:
            raise RuntimeError("broken")
        return value

    handle = (stream | op.map(work) | sinks.to_list()).start()
    await asyncio.sleep(0.5)
    (feed,) = source.feeds
    assert feed.epoch is not None
    assert feed.epoch.attempts == {1: 1, 3: 1}
    attempts = feed.epoch.attempts
    assert await handle == [1]
    assert (seen, attempts) == ([0, 1, 2, 0, 2], {})


async def test_what_is_handed_out_again_is_held_no_longer() -> None:
    calls: list[float] = []

    async def work(value: str) -> str:
        calls.append(now())
        if len(calls) == 1:
            raise RuntimeError("broken")
        await asyncio.sleep(10)
        return value

    handle = (closed(["a"], wait=lambda state: 5.0) | op.map_async(work) | sinks.to_list()).start()
    await asyncio.sleep(3)
    assert (handle.stats().held, handle.stats().retried) == (1, 0)
    await asyncio.sleep(3)
    assert (handle.stats().held, handle.stats().retried) == (0, 1)
    assert await handle == ["a"]


async def test_a_drain_waits_for_what_is_on_its_way_to_the_retry_queue() -> None:
    retry = RetryQueue()
    write = retry.write

    async def slow(items: Any) -> None:
        await asyncio.sleep(3)
        await write(items)

    retry.write = slow  # type: ignore[method-assign]
    stream, source = queue(range(2), retry, open_ended=True, wait=lambda state: 1000.0)
    handle = (stream | op.map(broken) | sinks.to_list()).start()
    await asyncio.sleep(1)
    await handle.drain()
    assert [letter.body for letter in retry.letters] == [1]
    assert (source.broker.acked, source.broker.ready) == ([1], [0])
    assert retry.events == ["open", "close"]


async def test_intake_pauses_however_much_more_than_a_quarter_is_held() -> None:
    seen: list[int] = []

    def work(value: int) -> int:
        seen.append(value)
        if value < 4:
            raise RuntimeError("broken")
        return value

    queued = streams.memory.queue(range(100), prefetch=8, wait=lambda state: 1000.0)
    handle = (queued | op.map(work) | sinks.to_list()).start()
    await asyncio.sleep(100)
    assert (handle.stats().held, seen) == (4, list(range(8)))
    summary = await handle.drain()
    assert (summary.held, summary.requeued) == (0, 8)


async def test_of_those_whose_waits_end_together_the_first_that_failed_comes_first() -> None:
    seen: list[int] = []

    async def work(value: int) -> int:
        seen.append(value)
        if len(seen) <= 2:
            await asyncio.sleep(2 - value)
            raise Requeue("later", after=3.0 + value)
        return value

    queued = closed([1, 2])
    await (queued | op.map_async(work, 2, ordered=False) | sinks.to_list())
    assert seen == [1, 2, 2, 1]
    assert now() == 5


async def test_what_fails_during_a_pause_is_held_at_once() -> None:
    async def work(value: str) -> str:
        await asyncio.sleep(1)
        raise RuntimeError("broken")

    queued = streams.memory.queue(["a"], wait=lambda state: 1000.0)
    handle = (queued | op.map_async(work) | sinks.to_list()).start()
    await asyncio.sleep(0.5)
    handle.pause()
    await asyncio.sleep(1)
    assert handle.stats().held == 1
    await handle.drain()


@pytest.mark.parametrize(("size", "when"), [(4, 0.05), (5, 0.0), (6, 0.0)])
async def test_acks_of_a_quarter_of_prefetch_are_sent_at_once(size: int, when: float) -> None:
    queued = streams.memory.queue(range(size), prefetch=20)
    handle = (queued | op.chunk(size, timeout=None) | sinks.to_list()).start()
    while not queued.acked:
        await asyncio.sleep(0.001)
    assert now() == pytest.approx(when, abs=0.004)
    assert queued.acked == list(range(size))
    await handle.drain()
