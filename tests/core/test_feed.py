"""Feeds: a broker's deliveries in, runs out, whatever becomes of the connection."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Reject, Skip, SourceError, testing
from ackflow.streams.core.ledger import Verb
from tests.core import brokers
from tests.core.frames import record
from tests.queues import assert_all_closed, closed


def now() -> float:
    return asyncio.get_running_loop().time()


def unreachable(
    queue: Any, error: Exception, *, until: float = 1e9, start: float = 0.0
) -> list[float]:
    """Have a queue's broker be away between two points in time; return when it was asked."""
    connect, asked = queue._broker.connect, []

    async def trying(epoch: Any) -> Any:
        asked.append(now())
        if start <= now() < until:
            raise error
        return await connect(epoch)

    queue._broker.connect = trying
    return asked


async def test_a_first_connection_is_tried_for_so_long_and_then_is_an_error() -> None:
    queue = streams.memory.queue([1])
    asked = unreachable(queue, ConnectionRefusedError("no one there"))
    with pytest.raises(SourceError, match=r"memory\.queue: ConnectionRefusedError: no one there"):
        await (queue | sinks.to_list())
    assert 10.0 <= now() < 21.0
    waits = [late - early for early, late in pairwise(asked)]
    assert 0.05 <= waits[0] <= 0.1
    assert all(wait <= 10.0 for wait in waits)
    assert_all_closed(queue)


async def test_an_error_of_the_source_at_the_start_is_raised_as_it_is() -> None:
    queue = streams.memory.queue([1])
    error = SourceError("no such queue")
    unreachable(queue, error)
    with pytest.raises(SourceError) as raised:
        await (queue | sinks.to_list())
    assert raised.value is error


async def test_a_connection_that_comes_in_time_is_no_error() -> None:
    queue = closed([1])
    unreachable(queue, ConnectionRefusedError("not yet"), until=5.0)
    pipeline = queue | sinks.to_list()
    assert await pipeline == [1]
    assert (pipeline.summary.halts, pipeline.summary.reconnects) == (0, 0)


async def test_any_other_error_in_connecting_ends_the_run_at_once() -> None:
    queue = streams.memory.queue([1])
    unreachable(queue, ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError, match="a bug"):
        await (queue | sinks.to_list())
    assert now() == 0


async def test_such_an_error_after_a_lost_connection_ends_the_run_too() -> None:
    queue = streams.memory.queue([1], prefetch=1)
    unreachable(queue, ZeroDivisionError("a bug"), start=1.0)
    handle = (queue | sinks.each(lambda value: asyncio.sleep(10))).start()
    await asyncio.sleep(2)
    queue.disconnect()
    with pytest.raises(ZeroDivisionError, match="a bug"):
        await handle
    assert queue.ready == [1]
    assert_all_closed(queue)


async def test_a_lost_connection_is_shown_and_tried_for_ever() -> None:
    queue = streams.memory.queue([1])
    asked = unreachable(queue, ConnectionRefusedError("away"), start=1.0, until=2000.0)
    handle = (queue | sinks.each(lambda value: asyncio.sleep(1e6))).start()
    await asyncio.sleep(2)
    queue.disconnect()
    await asyncio.sleep(1)
    assert handle.state == "halted: memory.queue: ConnectionRefusedError: away"
    assert handle.oldest_unacked == 0.0
    await asyncio.sleep(2100)
    assert handle.state == "running"
    assert handle.stats().halts == 1
    assert handle.stats().reconnects == 1
    waits = [late - early for early, late in pairwise(asked[1:])]
    assert 4.5 < max(waits) <= 5.0
    await handle.abort()


async def test_a_connection_that_breaks_soon_is_opened_again_more_and_more_slowly() -> None:
    queue = streams.memory.queue()
    opened = unreachable(queue, ConnectionError(), until=0.0)
    handle = (queue | sinks.to_list()).start()
    for _ in range(12):
        await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        while not queue._broker.channels:
            await asyncio.sleep(0.01)
        queue.disconnect()
    waits = [late - early for early, late in pairwise(opened)]
    assert waits[0] < 0.2
    assert 2.5 <= waits[-1] < 5.1  # half of the longest at least, and what the test takes to look
    assert handle.stats().reconnects >= 11
    await handle.abort()


async def test_a_connection_that_has_held_for_a_while_is_opened_again_at_once() -> None:
    queue = streams.memory.queue()
    opened = unreachable(queue, ConnectionError(), until=0.0)
    handle = (queue | sinks.to_list()).start()
    for _ in range(5):
        await asyncio.sleep(6)
        queue.disconnect()
    await asyncio.sleep(1)
    assert opened == [0, 6, 12, 18, 24, 30]
    await handle.drain()


async def test_a_drain_while_the_broker_is_away_ends_at_once() -> None:
    queue = streams.memory.queue([1])
    unreachable(queue, ConnectionRefusedError("away"), start=1.0)
    handle = (queue | op.chunk(5, timeout=None) | sinks.to_list()).start()
    await asyncio.sleep(2)
    queue.disconnect()
    await asyncio.sleep(30)
    await handle.drain()
    assert now() < 33
    assert queue.ready == [1]
    assert_all_closed(queue)


async def test_a_paused_source_hands_out_neither_fresh_nor_held_messages() -> None:
    failed: list[int] = []

    def work(value: int) -> int:
        if not failed:
            failed.append(value)
            raise RuntimeError("broken")
        return value

    queue = streams.memory.queue([1], wait=lambda state: 5.0)
    seen: list[int] = []
    handle = (queue | op.map(work) | sinks.each(seen.append)).start()
    await asyncio.sleep(1)
    handle.pause()
    queue.put(2)
    await asyncio.sleep(20)
    assert (seen, handle.stats().held) == ([], 1)
    handle.resume()
    await asyncio.sleep(1)
    assert seen == [1, 2]
    await handle.drain()


async def test_a_pause_is_not_idleness() -> None:
    queue = streams.memory.queue([1], until_idle=5.0)
    handle = (queue | sinks.to_list()).start()
    await asyncio.sleep(1)
    handle.pause()
    await asyncio.sleep(100)
    assert not handle.done
    handle.resume()
    assert await handle == [1]


async def test_idleness_counts_from_the_last_message() -> None:
    queue = streams.memory.queue([1], until_idle=5.0)
    handle = (queue | sinks.to_list()).start()
    await asyncio.sleep(4)
    queue.put(2)
    await asyncio.sleep(4)
    assert not handle.done
    assert await handle == [1, 2]
    assert now() == pytest.approx(9, abs=0.2)


async def test_a_sink_slower_than_idleness_does_not_end_a_queue_whose_prefetch_it_holds() -> None:
    queue = streams.memory.queue(range(20), prefetch=8, until_idle=2.0)
    seconds = iter([50.0])

    async def store(values: list[int]) -> None:
        await asyncio.sleep(next(seconds, 0.0))

    await (queue | op.chunk(8) | sinks.each(store))
    assert queue.acked == list(range(20))
    assert now() == pytest.approx(52, abs=0.2)


async def test_an_idle_queue_ends_only_when_what_it_handed_out_is_settled() -> None:
    queue = streams.memory.queue([1], until_idle=2.0)
    handle = (queue | sinks.each(lambda value: asyncio.sleep(50))).start()
    await asyncio.sleep(30)
    assert not handle.done
    await handle
    assert queue.acked == [1]
    assert now() == pytest.approx(50, abs=0.2)


async def test_an_ended_queue_goes_on_until_the_broker_has_heard_of_what_goes_back() -> None:
    queue = closed(["a"], wait=lambda state: 5.0)
    queue._broker.patience = 1.0  # so that what failed is not held

    def work(value: str) -> str:
        if not queue.requeued:
            raise RuntimeError("broken")
        return value

    assert await (queue | op.map(work) | sinks.to_list()) == ["a"]


async def test_an_error_in_sending_acks_that_nobody_expected_ends_the_run() -> None:
    """Without acks it would stand still once prefetch is used up."""
    queue = streams.memory.queue(range(20), prefetch=4)
    connect = queue._broker.connect

    async def connect_odd(epoch: Any) -> Any:
        async def send(frames: Any) -> None:
            raise RuntimeError("cannot write after the end")

        channel: Any = await connect(epoch)
        channel.send = send
        return channel

    queue._broker.connect = connect_odd  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="cannot write after the end"):
        await (queue | sinks.to_list())
    assert queue.acked == []


async def test_a_queue_without_credit_is_not_idle_so_what_waits_goes_out_for_want_of_credit() -> (
    None
):
    queue = streams.memory.queue([0, 1, 2, 3], prefetch=4, until_idle=1.0)

    async def call(value: int) -> int:
        await asyncio.sleep(5 if value == 0 else 0)
        return value

    calls = op.map_async(call, concurrency=4, ordered=False)
    chunks = op.chunk(2, timeout=None, key=lambda value: value)
    handle = (queue | calls | chunks | sinks.to_list()).start()
    assert sorted(await handle) == [[0], [1], [2], [3]]
    assert handle.stats().flushes == {"window": 4}


def refuse(queue: Any, error: Exception) -> None:
    """Have a queue refuse the second of its deliveries."""
    connect = queue._broker.connect

    async def refusing(epoch: Any) -> Any:
        deliver = epoch.deliver
        epoch.deliver = lambda raws: deliver(raws, {1: error})
        return await connect(epoch)

    queue._broker.connect = refusing


async def test_refused_deliveries_fail_by_the_policy_and_the_others_are_handed_out() -> None:
    queue = closed([1, 2, 3], dead_letter=(dead := sinks.to_list()))
    refuse(queue, ValueError("unreadable"))
    pipeline = queue | sinks.to_list()
    assert await pipeline == [1, 3]
    assert [letter.body for letter in dead.values] == [2]
    assert pipeline.summary.delivered == 3
    assert pipeline.summary.failures["ValueError"].stage == "memory.queue"


async def test_a_refused_delivery_that_nobody_takes_is_held_and_never_handed_out() -> None:
    queue = streams.memory.queue([1, 2, 3], wait=lambda state: 10)
    refuse(queue, ValueError("unreadable"))
    handle = (queue | (sink := sinks.to_list())).start()
    await asyncio.sleep(1000)
    assert sink.values == [1, 3]
    assert (handle.stats().held, handle.stats().retried) == (1, 0)
    summary = await handle.drain()
    assert (queue.acked, queue.requeued, summary.requeued) == ([1, 3], [2], 1)


async def test_a_refused_delivery_meets_its_dead_letter_again_once_that_takes_it() -> None:
    dead = testing.FlakySink([Reject("full"), None])
    queue = streams.memory.queue([1, 2, 3], wait=lambda state: 10, dead_letter=dead)
    refuse(queue, Reject("too large"))
    handle = (queue | (sink := sinks.to_list())).start()
    await asyncio.sleep(9)
    assert (dead.accepted, queue.acked) == ([], [1, 3])
    await asyncio.sleep(2)
    await handle.drain()
    assert [letter.body for letter in dead.accepted] == [2]
    assert (queue.acked, sink.values) == ([1, 3, 2], [1, 3])


async def test_a_refused_delivery_spends_its_attempts_without_being_handed_out() -> None:
    queue = closed([1, 2, 3], attempts=2, wait=lambda state: 10, dead_letter="discard")
    refuse(queue, RuntimeError("unreadable for now"))
    pipeline = queue | sinks.to_list()
    assert await pipeline == [1, 3]
    assert now() == pytest.approx(10, abs=0.2)
    assert pipeline.summary.rejected == 1


async def test_what_a_drain_finds_unread_goes_back_untouched() -> None:
    queue = streams.memory.queue(range(50), prefetch=50)
    handle = (queue | sinks.each(lambda value: asyncio.sleep(1))).start()
    await asyncio.sleep(0.5)
    summary = await handle.drain()
    assert queue.acked == [0]
    assert sorted(queue.ready) == list(range(1, 50))
    assert (summary.requeued, summary.accepted, summary.delivered) == (49, 1, 50)


async def test_acks_share_a_frame_and_do_not_wait_long() -> None:
    queue = streams.memory.queue(range(10), prefetch=100)
    frames: list[Any] = []
    times: list[float] = []

    async def store(value: int) -> None:
        if not frames:
            record(queue, frames, times)

    handle = (queue | sinks.each(store)).start()
    await asyncio.sleep(10)
    assert queue.acked == list(range(10))
    assert [(frame.tag, frame.multiple) for frame in frames] == [(10, True)]
    assert times == [pytest.approx(0.05)]
    await handle.drain()


async def test_many_acks_are_sent_at_once_and_those_beyond_a_stuck_message_singly() -> None:
    queue = streams.memory.queue(range(20), prefetch=20)
    frames: list[Any] = []
    times: list[float] = []

    async def store(value: int) -> None:
        record(queue, frames, times)
        if value == 2:
            await asyncio.sleep(100)

    handle = (queue | sinks.each(store, concurrency=2)).start()
    await asyncio.sleep(10)
    assert sorted(queue.acked) == [value for value in range(20) if value != 2]
    assert times[0] == 0, "a quarter of prefetch is sent at once"
    assert times[-1] == pytest.approx(0.05)
    assert max(frame.tag for frame in frames) == 20
    await handle.drain(deadline=1)
    assert queue.ready == [2]


async def test_frames_that_cannot_be_sent_end_nothing_but_the_connection() -> None:
    queue = closed(range(3), prefetch=1)
    broken: list[int] = []

    async def store(value: int) -> None:
        if value == 1 and not broken:
            broken.append(value)
            (channel,) = queue._broker.channels

            async def failing(frames: Any) -> None:
                channel.lose()
                raise ConnectionResetError("gone")

            channel.send = failing  # type: ignore[method-assign]

    pipeline = queue | sinks.each(store)
    summary = await pipeline
    assert sorted(queue.acked) == [0, 1, 2]
    assert summary.reconnects == 1


async def test_until_idle_waits_without_spinning_while_a_connection_is_made() -> None:
    queue = streams.memory.queue([1], until_idle=2.0)
    connect = queue._broker.connect

    async def slow(epoch: Any) -> Any:
        await asyncio.sleep(20.0 if queue.acked else 0)
        return await connect(epoch)

    queue._broker.connect = slow  # type: ignore[method-assign]
    handle = (queue | sinks.to_list()).start()
    await asyncio.sleep(1)
    queue.disconnect()
    queue.put(2)
    assert await handle == [1, 2]
    assert now() == pytest.approx(23, abs=0.5)


async def test_a_feed_without_a_connection_has_nothing_in_flight() -> None:
    stream, source = brokers.queue([1], open_ended=True)
    seen: list[Any] = []

    async def look(value: int) -> None:
        (feed,) = source.feeds
        if not seen:
            seen.append((feed.in_flight, feed.oldest, feed.owns(feed.epoch)))
            source.broker.channels[0].lose()
            await asyncio.sleep(0.01)
            seen.append((feed.in_flight, feed.oldest, feed.epoch))

    handle = (stream | sinks.each(look)).start()
    await asyncio.sleep(5)
    assert seen == [(1, 0.0, True), (0, 0.0, None)]
    await handle.drain()


@pytest.mark.parametrize(("held", "at_once"), [(4.9, False), (5.0, True)])
async def test_a_connection_that_held_for_five_seconds_was_no_failure(
    held: float, at_once: bool
) -> None:
    queue = streams.memory.queue()
    opened = unreachable(queue, ConnectionError(), until=0.0)
    handle = (queue | sinks.to_list()).start()
    await asyncio.sleep(held)
    queue.disconnect()
    await asyncio.sleep(0.001)
    assert handle.state == ("running" if at_once else "halted: memory.queue: connection lost")
    await asyncio.sleep(1)
    assert len(opened) == 2
    assert (opened[1] == held) is at_once
    await handle.drain()


async def test_the_time_to_a_first_connection_counts_from_the_start_of_the_run() -> None:
    await asyncio.sleep(100)
    unreachable(queue := streams.memory.queue([1]), ConnectionRefusedError("no one there"))
    with pytest.raises(SourceError, match="no one there"):
        await (queue | sinks.to_list())
    assert 110.0 <= now() < 121.0


async def test_what_came_over_a_connection_that_failed_to_open_comes_again() -> None:
    queue = closed([1, 2])
    connect, errors = queue._broker.connect, [ConnectionResetError("half open")]

    async def halfway(epoch: Any) -> Any:
        channel = await connect(epoch)
        await asyncio.sleep(0.01)
        if errors:
            channel.lose()
            raise errors.pop()
        return channel

    queue._broker.connect = halfway  # type: ignore[method-assign]
    assert await (queue | sinks.to_list()) == [1, 2]
    assert (queue.requeued, queue.acked) == ([1, 2], [1, 2])


async def test_a_lost_channel_is_closed_and_stages_that_wait_look_what_is_left() -> None:
    queue = streams.memory.queue([1])
    handle = (queue | sinks.each(lambda value: asyncio.sleep(10))).start()
    await asyncio.sleep(1)
    closings: list[float] = []
    (channel,) = queue._broker.channels

    async def close() -> None:
        closings.append(now())

    channel.close = close  # type: ignore[method-assign]
    handle._session.sleepers.add(bell := asyncio.Event())
    queue.disconnect()
    await asyncio.sleep(1)
    assert closings == [1]
    assert bell.is_set()
    await handle.abort()


async def test_a_connection_lost_during_a_drain_is_not_waited_for() -> None:
    queue = streams.memory.queue([1, 2])
    handle = (queue | sinks.each(lambda value: asyncio.sleep(10))).start()
    await asyncio.sleep(1)
    draining = asyncio.create_task(handle.drain())
    await asyncio.sleep(1)
    queue.disconnect()
    await asyncio.sleep(1)
    assert handle.state == "draining"
    summary = await draining
    assert (summary.accepted, summary.stale, summary.reconnects) == (0, 2, 0)
    assert (queue.acked, queue.ready, now()) == ([], [1, 2], 10)


async def test_a_drain_returns_what_was_held_as_failed_and_the_rest_as_untouched() -> None:
    def work(value: int) -> int:
        raise RuntimeError("broken")

    queue = streams.memory.queue([0], prefetch=8, wait=lambda state: 100.0)
    handle = (queue | op.map(work) | sinks.to_list()).start()
    await asyncio.sleep(1)
    handle.pause()
    queue.put(1, 2)
    await asyncio.sleep(1)
    record(queue, frames := [], [])
    await handle.drain()
    assert [(frame.verb, frame.tag, frame.multiple) for frame in frames] == [
        (Verb.RETURN_FAILED, 1, False),
        (Verb.RETURN_UNTOUCHED, 3, True),
    ]


async def test_an_abort_settles_nothing() -> None:
    queue = streams.memory.queue([1, 2])
    handle = (queue | sinks.each(lambda value: asyncio.sleep(100))).start()
    await asyncio.sleep(1)
    record(queue, frames := [], [])
    await handle.abort()
    assert frames == []
    assert queue.ready == [1, 2]


async def test_what_came_while_the_broker_took_note_of_a_drain_goes_back_untouched() -> None:
    queue = streams.memory.queue(prefetch=4)
    handle = (queue | sinks.to_list()).start()
    await asyncio.sleep(1)
    record(queue, frames := [], [])
    (channel,) = queue._broker.channels
    cancel = channel.cancel

    async def slowly() -> None:
        await asyncio.sleep(0.5)
        queue.put(1)
        await asyncio.sleep(0.01)
        await cancel()

    channel.cancel = slowly  # type: ignore[method-assign]
    await handle.drain()
    assert [frame.verb for frame in frames] == [Verb.RETURN_UNTOUCHED]
    assert_all_closed(queue)


async def test_a_source_that_is_starved_no_more_has_no_chunk_flushed() -> None:
    queue = streams.memory.queue(range(5), prefetch=3)
    seen: list[list[int]] = []
    chunks = op.chunk(2, key=lambda value: value, timeout=50.0)
    handle = (queue | chunks | sinks.each(seen.append)).start()
    await asyncio.sleep(40)
    assert seen == [[0], [1], [2]], "they took all of prefetch"
    await asyncio.sleep(20)
    assert seen == [[0], [1], [2], [3], [4]]
    await handle.drain()


async def test_a_message_that_nobody_takes_keeps_an_idle_queue_from_ending() -> None:
    queue = streams.memory.queue(["x"], until_idle=5.0)
    handle = (queue | op.map(int) | sinks.to_list()).start()
    await asyncio.sleep(20)
    handle.pause()
    handle.resume()
    await asyncio.sleep(500)
    assert not handle.done
    await handle.abort()


async def test_acks_that_prefetch_needs_are_sent_at_once() -> None:
    queue = streams.memory.queue(range(21), prefetch=20)
    times: dict[int, float] = {}

    async def store(value: int) -> None:
        times[value] = now()
        await asyncio.sleep(10 if value else 0)

    handle = (queue | sinks.each(store, concurrency=20)).start()
    await asyncio.sleep(1)
    assert times[20] == 0
    await handle.drain()


async def slowly(values: list[int]) -> None:
    await asyncio.sleep(1.0)


@pytest.mark.parametrize("end", ["drain", "abort"])
async def test_after_the_end_nothing_is_in_flight_though_more_had_come_than_was_handed_out(
    end: str,
) -> None:
    queue = streams.memory.queue(range(100), prefetch=50)
    handle = (queue | op.chunk(10) | sinks.each(slowly)).start(measure=True)
    await asyncio.sleep(2.5)
    await getattr(handle, end)()
    assert (handle.in_flight, handle.oldest_unacked) == (0, 0.0)
    assert handle.stages[0].held == 0


def starving(*settled_at: float) -> tuple[Any, list[float]]:
    """Start a queue all of whose prefetch waits in chunks; parts of it are settled at these times."""

    async def skip(part: tuple[int, float]) -> int:
        message, time = part
        await asyncio.sleep(time)
        if time:
            raise Skip
        return message

    let_go: list[float] = []
    messages = [[(0, 0.0), *((0, time) for time in settled_at)], *([(n, 0.0)] for n in range(1, 6))]
    queue = streams.memory.queue(messages, prefetch=6)
    parts = queue | op.flatten() | op.map_async(skip, concurrency=4, ordered=False)
    chunks = parts | op.chunk(2, key=lambda message: message, timeout=1000.0)
    return (chunks | sinks.each(lambda _: let_go.append(now()))).start(), let_go


async def test_what_is_left_of_a_message_is_let_go_a_moment_after_its_other_parts_are_settled() -> (
    None
):
    handle, let_go = starving(5.0)
    await asyncio.sleep(10)
    assert let_go == [5.05] * 6
    await handle.drain()


async def test_a_source_that_waits_looks_again_as_often_as_something_is_settled() -> None:
    handle, let_go = starving(5.0, 5.01, 8.0)
    await asyncio.sleep(10)
    assert let_go == [8.05] * 6
    await handle.drain()


async def test_a_source_that_has_ended_looks_no_more() -> None:
    handle, let_go = starving(5.0)
    await asyncio.sleep(5.02)
    loop: Any = asyncio.get_running_loop()
    (looking,) = [timer for timer in loop._scheduled if timer.when() == 5.05]
    await handle.drain()
    assert (now(), looking.cancelled(), let_go) == (5.02, True, [5.02] * 6)


async def test_a_source_that_has_credit_left_does_not_look_when_something_is_settled() -> None:
    async def store(value: int) -> None:
        await asyncio.sleep(value)

    queue = streams.memory.queue([[1, 1000]], prefetch=2)
    handle = (queue | op.flatten() | sinks.each(store, concurrency=2)).start()
    loop: Any = asyncio.get_running_loop()
    await asyncio.sleep(1)
    assert [timer for timer in loop._scheduled if now() < timer.when() < 900] == []
    await handle.abort()


@pytest.mark.parametrize(
    ("values", "taken"),
    [([2], False), ([2], True), ([], False)],
    ids=["with something in the window", "taken from no more", "with nothing"],
)
async def test_a_source_that_is_over_hears_of_another_ones_end(
    values: list[int], taken: bool
) -> None:
    """One window holds the message of the first, which ends when that is settled."""
    queue, other = closed([1]), streams.memory.queue(values)
    second = other | op.take(1) if taken else other
    windows = queue | op.merge(second) | op.window(every=1000.0, max_items=50)
    handle = (windows | sinks.to_list()).start()
    await asyncio.sleep(5)
    other.close()
    assert [sorted(window) for window in await handle] == [[1, *values]]
    assert now() == 5
