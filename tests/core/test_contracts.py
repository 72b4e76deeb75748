"""The contracts, one by one, on queues in memory and in virtual time."""

import asyncio
from collections import Counter
from contextlib import aclosing
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Reject, Requeue, Skip, Unavailable


def closed_queue(values: Any, **settings: Any) -> Any:
    queue = streams.memory.queue(values, **settings)
    queue.close()
    return queue


async def fixed(state: Any = None) -> float:
    return 1.0


def one_second(state: Any) -> float:
    return 1.0


async def test_a_delivery_is_acked_only_after_the_sink_accepted_it() -> None:
    queue = closed_queue(["a"])
    seen: list[list[str]] = []

    async def store(value: str) -> None:
        await asyncio.sleep(1)
        seen.append(list(queue.acked))

    await (queue | sinks.each(store))
    assert seen == [[]]
    assert queue.acked == ["a"]


async def test_raising_chooses_the_outcome() -> None:
    dead = sinks.to_list()
    queue = closed_queue(["skip", "reject", "good", "later"], dead_letter=dead, wait=one_second)
    later = iter([Requeue("not yet", after=5), None])

    def judge(value: str) -> str:
        if value == "skip":
            raise Skip("no need")
        if value == "reject":
            raise Reject("no use")
        if value == "later" and (error := next(later)):
            raise error
        return value

    pipeline = queue | op.map(judge) | sinks.to_list()
    assert await pipeline == ["good", "later"]
    assert pipeline.summary.skipped == 1
    assert pipeline.summary.accepted == 2
    assert [letter.body for letter in dead.values] == ["reject"]
    assert dead.values[0].headers["x-ackflow-error"] == "Reject: no use"
    assert asyncio.get_running_loop().time() == pytest.approx(5, abs=0.2)


async def test_a_failing_message_is_held_and_tried_again_until_its_attempts_are_spent() -> None:
    dead = sinks.to_list()
    queue = closed_queue(["good", "bad"], attempts=3, wait=one_second, dead_letter=dead)
    calls: list[tuple[str, float]] = []

    def work(value: str) -> str:
        calls.append((value, asyncio.get_running_loop().time()))
        if value == "bad":
            raise RuntimeError("broken")
        return value

    pipeline = queue | op.map(work) | sinks.to_list()
    assert await pipeline == ["good"]
    assert [(value, round(time)) for value, time in calls] == [
        ("good", 0),
        ("bad", 0),
        ("bad", 1),
        ("bad", 2),
    ]
    assert dead.values[0].headers["x-ackflow-attempts"] == 3
    assert pipeline.summary.retried == 2
    assert Counter(queue.acked) == Counter(["good", "bad"])
    assert queue.requeued == []


@pytest.mark.parametrize(
    "kind", [ValueError, TypeError, KeyError, AttributeError, ZeroDivisionError]
)
async def test_permanent_errors_spend_no_second_attempt(kind: type[Exception]) -> None:
    dead = sinks.to_list()
    queue = closed_queue([1], dead_letter=dead)
    calls = []

    def work(value: int) -> int:
        calls.append(value)
        raise kind("always")

    await (queue | op.map(work) | sinks.to_list())
    assert calls == [1]
    assert dead.values[0].headers["x-ackflow-error-type"] == kind.__name__


async def test_without_a_dead_letter_nothing_is_dropped_and_one_warning_says_so(
    caplog: Any,
) -> None:
    queue = closed_queue(["x", "y", "1"])
    pipeline = queue | op.map(int) | sinks.to_list()
    assert await pipeline == [1]
    assert sorted(queue.ready) == ["x", "y"]
    assert queue.acked == ["1"]
    assert sum("failed for good" in record.message for record in caplog.records) == 1


@pytest.mark.parametrize(("choice", "rejected"), [("exchange", ["x"]), ("discard", [])])
async def test_dead_letter_by_word(choice: str, rejected: list[str]) -> None:
    queue = closed_queue(["x", "1"], dead_letter=choice)
    pipeline = queue | op.map(int) | sinks.to_list()
    assert await pipeline == [1]
    assert queue.rejected == rejected
    assert pipeline.summary.rejected == 1
    assert queue.ready == []


async def test_a_dead_letter_sink_that_fails_keeps_the_message() -> None:
    class Broken:
        async def write(self, items: Any) -> None:
            raise RuntimeError("no room")

    queue = streams.memory.queue(["x"], dead_letter=sinks.each(Broken().write))
    pipeline = queue | op.map(int) | sinks.to_list()
    await pipeline.start(timeout=30)
    assert queue.acked == []
    assert queue.rejected == []
    assert queue.ready == ["x"]


async def test_an_outage_halts_spends_no_attempt_and_resumes_by_itself() -> None:
    queue = closed_queue(range(100), attempts=1, dead_letter=(dead := sinks.to_list()))
    away_until = 60.0
    calls = 0

    async def store(value: int) -> None:
        nonlocal calls
        calls += 1
        if asyncio.get_running_loop().time() < away_until:
            raise Unavailable("the store is away")

    pipeline = queue | sinks.each(store, concurrency=4)
    handle = pipeline.start()
    await asyncio.sleep(30)
    assert handle.state.startswith("halted: each: Unavailable: the store is away")
    during = calls
    summary = await handle
    assert during < 20
    assert summary.accepted == 100
    assert summary.halts == 1
    assert dead.values == []
    assert asyncio.get_running_loop().time() < away_until + 6


@pytest.mark.parametrize("error", [ConnectionError("gone"), TimeoutError("late")])
async def test_connection_errors_and_timeouts_are_outages(error: Exception) -> None:
    failures = iter([error, None])
    queue = closed_queue([1], attempts=1, dead_letter=(dead := sinks.to_list()))

    def work(value: int) -> int:
        if failure := next(failures):
            raise failure
        return value

    assert await (queue | op.map(work) | sinks.to_list()) == [1]
    assert dead.values == []


async def test_an_outage_at_start_waits_for_the_sink_to_open() -> None:
    class Late:
        async def open(self) -> None:
            if asyncio.get_running_loop().time() < 20:
                raise ConnectionRefusedError("not yet")

        async def write(self, items: Any) -> None:
            return None

    queue = closed_queue([1, 2])
    pipeline = queue | Late()
    handle = pipeline.start()
    await asyncio.sleep(10)
    assert handle.state.startswith("halted")
    assert (await handle).accepted == 2


async def test_drain_while_the_sink_is_away_at_start_ends_at_once() -> None:
    class Never:
        async def open(self) -> None:
            raise ConnectionRefusedError("never")

        async def write(self, items: Any) -> None:
            return None

    queue = streams.memory.queue([1, 2])
    handle = (queue | Never()).start()
    await asyncio.sleep(10)
    await handle.drain()
    assert queue.ready == [1, 2]
    assert queue.acked == []


async def test_drain_finishes_what_is_under_way_and_gives_back_the_rest() -> None:
    queue = streams.memory.queue(range(100), prefetch=20)
    done: list[int] = []

    async def store(value: int) -> None:
        await asyncio.sleep(1)
        done.append(value)

    handle = (queue | sinks.each(store, concurrency=2)).start()
    await asyncio.sleep(4.5)
    summary = await handle.drain()
    assert Counter(queue.acked) == Counter(done) == Counter(range(10))
    assert summary.accepted == len(done)
    assert asyncio.get_running_loop().time() < 6
    assert queue.unsettled == []
    assert sorted(queue.acked + queue.ready) == list(range(100))


async def test_drain_flushes_partial_chunks() -> None:
    queue = streams.memory.queue(range(10), prefetch=50)
    chunks: list[list[int]] = []
    handle = (queue | op.chunk(50, timeout=None) | sinks.each(chunks.append)).start()
    await asyncio.sleep(1)
    assert chunks == []
    await handle.drain()
    assert chunks == [list(range(10))]
    assert sorted(queue.acked) == list(range(10))


async def test_drain_leaves_unacked_what_does_not_end_before_the_deadline() -> None:
    queue = streams.memory.queue([1])
    handle = (queue | sinks.each(lambda value: asyncio.sleep(10_000))).start()
    await asyncio.sleep(1)
    await handle.drain(deadline=5)
    assert handle.done
    assert asyncio.get_running_loop().time() == pytest.approx(6, abs=1.1)
    assert queue.ready == [1]


async def test_a_held_message_goes_back_as_failed_on_drain() -> None:
    queue = streams.memory.queue([1], wait=lambda state: 100.0)

    def work(value: int) -> int:
        raise RuntimeError("broken")

    handle = (queue | op.map(work) | sinks.to_list()).start()
    await asyncio.sleep(1)
    assert handle.stats().held == 1
    summary = await handle.drain()
    assert queue.ready == [1]
    assert summary.requeued == 1
    assert asyncio.get_running_loop().time() < 2


async def test_a_lost_connection_loses_nothing_and_stale_settlements_reach_nobody() -> None:
    queue = closed_queue(range(50), prefetch=10)
    calls: Counter[int] = Counter()

    async def store(value: int) -> None:
        calls[value] += 1
        await asyncio.sleep(0.1)
        if value == 20 and calls[value] == 1:
            queue.disconnect()
        await asyncio.sleep(0.1)

    pipeline = queue | sinks.each(store, concurrency=3)
    summary = await pipeline
    assert Counter(queue.acked) == Counter(range(50))
    assert sum(calls.values()) - 50 <= 10
    assert summary.reconnects == 1
    assert summary.stale >= 1


async def test_stale_messages_leave_chunks_before_they_are_written() -> None:
    queue = streams.memory.queue(range(10), prefetch=100)
    written: list[int] = []
    pipeline = queue | op.chunk(100, timeout=5.0) | sinks.each(written.extend)
    handle = pipeline.start()
    await asyncio.sleep(1)
    queue.disconnect()
    await asyncio.sleep(20)
    queue.close()
    await handle
    assert Counter(written) == Counter(range(10))


async def test_many_held_messages_pause_intake_and_say_so(caplog: Any) -> None:
    queue = streams.memory.queue(range(100), prefetch=16, wait=lambda state: 1000.0)
    seen: list[int] = []

    def work(value: int) -> int:
        seen.append(value)
        raise RuntimeError("broken")

    handle = (queue | op.map(work) | sinks.to_list()).start()
    await asyncio.sleep(100)
    assert len(seen) <= 16
    assert any("intake pauses" in record.message for record in caplog.records)
    await handle.drain()
    assert sorted(queue.ready) == list(range(100))


async def test_until_idle_waits_for_held_messages() -> None:
    failures = iter([True, True, False])
    queue = streams.memory.queue([1], until_idle=2.0, wait=lambda state: 10.0)

    def work(value: int) -> int:
        if next(failures):
            raise RuntimeError("broken")
        return value

    assert await (queue | op.map(work) | sinks.to_list()) == [1]
    assert asyncio.get_running_loop().time() == pytest.approx(22, abs=1)


async def test_until_idle_flushes_what_waits_in_chunks_without_a_timeout() -> None:
    queue = streams.memory.queue(range(5), until_idle=2.0)
    chunks = await (queue | op.chunk(100, timeout=None) | sinks.to_list())
    assert chunks == [[0, 1, 2, 3, 4]]
    assert sorted(queue.acked) == [0, 1, 2, 3, 4]


async def test_limit_ends_the_run_after_so_many_messages() -> None:
    queue = streams.memory.queue(range(100), prefetch=50)
    values = await (queue | sinks.to_list()).start(limit=7)
    assert values == list(range(7))
    assert queue.acked == values
    assert queue.ready == list(range(7, 100))


async def test_timeout_drains() -> None:
    queue = streams.memory.queue([1, 2, 3])
    assert await (queue | sinks.to_list()).start(timeout=3.0) == [1, 2, 3]
    assert asyncio.get_running_loop().time() == pytest.approx(3, abs=0.1)


async def test_pause_and_resume() -> None:
    queue: streams.memory.MemoryQueue[int] = streams.memory.queue(until_idle=50)
    seen: list[int] = []
    handle = (queue | sinks.each(seen.append)).start()
    await asyncio.sleep(1)
    handle.pause()
    queue.put(1, 2)
    await asyncio.sleep(10)
    assert seen == []
    handle.resume()
    await asyncio.sleep(1)
    assert seen == [1, 2]
    await handle.drain()


async def test_a_plain_source_raises_the_original_error_with_stage_and_value() -> None:
    error = ValueError("no such thing")

    def work(value: int) -> int:
        if value == 2:
            raise error
        return value

    with pytest.raises(ValueError, match="no such thing") as raised:
        await (streams.of(1, 2, 3) | op.map(work) | sinks.to_list())
    assert raised.value is error
    assert any("map(f=work)" in note and "2" in note for note in raised.value.__notes__)


async def test_a_plain_source_skips_or_dead_letters_on_request() -> None:
    kept = streams.from_iterable(["1", "x", "2"], on_error="skip")
    assert await (kept | op.map(int) | sinks.to_list()) == [1, 2]
    dead = sinks.to_list()
    lettered = streams.from_iterable(["1", "x", "2"], on_error=dead)
    assert await (lettered | op.map(int) | sinks.to_list()) == [1, 2]
    assert [letter.body for letter in dead.values] == ["x"]


async def test_a_failing_iterable_ends_the_run_with_its_error_and_flushes_chunks() -> None:
    def numbers() -> Any:
        yield from range(3)
        raise OSError("disk")

    collected: list[list[int]] = []
    pipeline = streams.from_iterable(numbers()) | op.chunk(10) | sinks.each(collected.append)
    with pytest.raises(OSError, match="disk"):
        await pipeline
    assert collected == [[0, 1, 2]]


async def test_looking_gives_everything_back() -> None:
    queue = streams.memory.queue(range(10))
    assert await queue.peek(3) == [0, 1, 2]
    assert queue.ready == list(range(10))
    assert queue.acked == []
    async with queue.open() as values:
        async for _ in values:
            break
    assert queue.ready == list(range(10))


async def test_peek_takes_exactly_so_many() -> None:
    queue = streams.memory.queue(range(100))
    await queue.peek(4)
    assert queue.requeued == [0, 1, 2, 3]


async def test_looking_beyond_prefetch_is_an_error_that_says_what_to_do() -> None:
    queue = streams.memory.queue(range(10), prefetch=4)
    seen = []
    with pytest.raises(streams.PrefetchExhausted, match="raise prefetch="):
        async for value in queue:
            seen.append(value)
    assert seen == [0, 1, 2, 3]
    assert queue.ready == list(range(10))


async def test_messages_by_hand() -> None:
    queue = closed_queue(["ack", "reject", "with", "raise", "later"], dead_letter="exchange")
    seen = []
    async for message in queue.messages():
        seen.append(message.value)
        if message.value == "ack":
            message.ack()
        elif message.value == "reject":
            message.reject("no")
        elif message.value == "later" and seen.count("later") == 1:
            message.requeue(after=3)
        else:
            with message as value:
                if value == "raise":
                    raise ValueError("bad")
    assert sorted(queue.acked) == ["ack", "later", "with"]
    assert sorted(queue.rejected) == ["raise", "reject"]


async def test_messages_left_unsettled_are_requeued_and_warned_about() -> None:
    queue = closed_queue([1, 2])
    with pytest.warns(ResourceWarning, match="2 messages were not settled"):
        async with aclosing(queue.messages()) as messages:
            async for message in messages:
                if message.value == 2:
                    break
    assert queue.ready == [1, 2]


async def test_settling_by_hand_twice_raises() -> None:
    async for message in closed_queue([1]).messages():
        message.ack()
        with pytest.raises(streams.AckflowError, match="settled twice"):
            message.ack()


async def test_awaiting_a_stream_says_what_to_write() -> None:
    with pytest.raises(TypeError, match=r"await \(stream \| sinks.to_list\(\)\)"):
        await streams.of(1)


async def test_a_pipeline_can_be_awaited_twice_but_not_while_it_runs() -> None:
    pipeline = streams.of(1, 2) | sinks.to_list()
    assert await pipeline == [1, 2]
    assert await pipeline == [1, 2]
    handle = pipeline.start()
    with pytest.raises(RuntimeError, match="is running"):
        await pipeline
    await handle


async def test_cancelling_leaves_nothing_settled_that_was_not_done() -> None:
    queue = streams.memory.queue(range(10))

    async def store(value: int) -> None:
        if value == 3:
            await asyncio.sleep(1000)

    task = asyncio.ensure_future(_await(queue | sinks.each(store)))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert queue.acked == [0, 1, 2]
    assert queue.ready == list(range(3, 10))


async def _await(pipeline: Any) -> Any:
    return await pipeline


async def test_no_task_is_left_over() -> None:
    queue = closed_queue(range(100), dead_letter=sinks.to_list())
    pipeline = queue | op.map_async(fixed) | op.chunk(7) | sinks.tee(sinks.to_list(), sinks.count())
    await pipeline
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_acks_are_coalesced_and_sent_within_50_ms() -> None:
    queue = streams.memory.queue(range(3), prefetch=100)
    sent: list[int] = []
    handle = (queue | sinks.to_list()).start()
    await asyncio.sleep(0.04)
    sent.append(len(queue.acked))
    await asyncio.sleep(0.02)
    sent.append(len(queue.acked))
    await handle.drain()
    assert sent == [0, 3]


async def test_a_stuck_message_does_not_starve_the_others() -> None:
    queue = streams.memory.queue(range(100), prefetch=4)
    release = asyncio.Event()
    done: list[int] = []

    async def store(value: int) -> None:
        if value == 0:
            await release.wait()
        done.append(value)

    handle = (queue | sinks.each(store, concurrency=2)).start()
    await asyncio.sleep(60)
    assert len(done) == 99
    release.set()
    queue.close()
    await handle
    assert Counter(queue.acked) == Counter(range(100))


async def test_an_illegal_ack_is_an_error_in_memory_too() -> None:
    from ackflow.streams.core import Frame, IllegalAcknowledgement, Verb

    queue = streams.memory.queue([1, 2])
    handle = (queue | sinks.each(lambda value: asyncio.sleep(10))).start()
    await asyncio.sleep(1)
    (channel,) = queue._broker.channels
    with pytest.raises(IllegalAcknowledgement, match="406"):
        await channel.send([Frame(Verb.ACK, 7)])
    assert channel.lost.done()
    await handle.drain()


async def test_secrets_and_bodies_stay_out_of_reprs_of_messages() -> None:
    queue = streams.memory.queue(["x" * 10_000])
    async for message in queue.messages():
        assert len(repr(message)) < 200
        message.ack()
        break


async def test_a_connection_that_keeps_breaking_is_tried_at_a_growing_pace() -> None:
    queue = streams.memory.queue([1])
    connected: list[float] = []
    connect = queue._broker.connect

    async def breaking(epoch: Any) -> Any:
        connected.append(asyncio.get_running_loop().time())
        channel = await connect(epoch)
        asyncio.get_running_loop().call_later(0.01, channel.lose)
        return channel

    queue._broker.connect = breaking  # type: ignore[method-assign]
    handle = (queue | sinks.each(lambda value: asyncio.sleep(1))).start()
    await asyncio.sleep(120)
    assert len(connected) < 45
    await handle.drain()
    assert queue.acked == []


async def test_an_operator_without_a_bound_needs_an_explicit_prefetch() -> None:
    @op.operator()
    async def unknown(messages: Any) -> Any:
        async for message in messages:
            yield message

    with pytest.raises(ValueError, match="prefetch can't be derived behind unknown"):
        streams.memory.queue([1]) | unknown() | sinks.to_list()
    queue = closed_queue([1], prefetch=10)
    assert await (queue | unknown() | sinks.to_list()) == [1]


async def test_prefetch_is_derived_from_what_the_stages_hold() -> None:
    queue = streams.memory.queue(range(10_000))
    pipeline = queue | op.map_async(fixed, 8) | op.chunk(100) | sinks.each(print, concurrency=3)
    handle = pipeline.start()
    await asyncio.sleep(0.1)
    assert queue._broker.prefetch == 2 * (8 + 100 + 3 * 100)
    await handle.abort()


async def test_chunks_within_chunks_give_every_member_its_own_delivery_back() -> None:
    def work(value: int) -> int:
        if value == 3:
            raise ValueError("three")
        return value

    queue = closed_queue(range(8), prefetch=20, dead_letter=(dead := sinks.to_list()))
    nested = op.chunk(2) | op.chunk(2) | op.flatten() | op.flatten()
    values = await (queue | nested | op.map(work) | sinks.to_list())
    assert values == [0, 1, 2, 4, 5, 6, 7]
    assert [letter.body for letter in dead.values] == [3]


async def test_a_list_that_is_one_unit_fails_by_the_first_error_among_its_entries() -> None:
    class Picky:
        async def write(self, items: Any) -> list[Exception | None]:
            return [ValueError("odd") if value % 2 else None for value in items[0]]

    queue = closed_queue(range(6), prefetch=10, dead_letter=(dead := sinks.to_list()))
    as_a_unit = op.map(lambda chunk: [value * 1 for value in chunk])
    await (queue | op.chunk(3) | as_a_unit | Picky())
    assert sorted(letter.body for letter in dead.values) == list(range(6))
    picked = closed_queue(range(6), prefetch=10, dead_letter=(dead := sinks.to_list()))
    await (picked | op.chunk(3) | Picky())
    assert sorted(letter.body for letter in dead.values) == [1, 3, 5]


async def test_until_idle_does_not_end_the_stream_while_the_connection_is_away() -> None:
    queue = streams.memory.queue(range(10), prefetch=2, until_idle=1.0)
    connect, away_until = queue._broker.connect, 0.0

    async def unreachable(epoch: Any) -> Any:
        if asyncio.get_running_loop().time() < away_until:
            raise ConnectionRefusedError("away")
        return await connect(epoch)

    queue._broker.connect = unreachable  # type: ignore[method-assign]
    handle = (queue | sinks.each(lambda value: asyncio.sleep(1))).start()
    await asyncio.sleep(2.5)
    away_until = 30.0
    queue.disconnect()
    summary = await handle
    assert Counter(queue.acked) == Counter(range(10))
    assert summary.reconnects == 1


async def test_a_message_held_for_half_of_consumer_timeout_is_returned() -> None:
    queue = streams.memory.queue([1], wait=lambda state: 10.0, attempts=100)
    queue._broker.patience = 35.0

    def work(value: int) -> int:
        raise RuntimeError("broken")

    handle = (queue | op.map(work) | sinks.to_list()).start()
    await asyncio.sleep(29)
    assert queue.requeued == []
    await asyncio.sleep(10)
    assert queue.requeued == [1]
    await handle.drain()


async def test_a_dead_letter_of_a_plain_source_that_nobody_takes_ends_the_run() -> None:
    async def broken(letter: Any) -> None:
        raise RuntimeError("no room")

    stream = streams.from_iterable(["x"], on_error=sinks.each(broken))
    pipeline = stream | op.map(int) | sinks.to_list()
    with pytest.raises(RuntimeError, match="no room"):
        await pipeline
    assert pipeline.summary.dead_lettered == 0


async def test_a_pause_over_the_time_of_a_held_message_does_not_spin() -> None:
    calls: list[float] = []

    async def store(value: int) -> None:
        calls.append(asyncio.get_running_loop().time())
        if len(calls) == 1:
            raise Requeue(after=1.0)

    handle = (closed_queue([7]) | sinks.each(store)).start()
    await asyncio.sleep(0.5)
    handle.pause()
    loop: Any = asyncio.get_running_loop()
    before = loop.turns
    await asyncio.sleep(10)
    assert loop.turns - before < 50
    handle.resume()
    await handle
    assert calls == [0.0, 10.5]


@pytest.mark.parametrize("until_idle", [None, 3.0])
async def test_an_empty_source_ends_after_a_reconnect_too(until_idle: float | None) -> None:
    queue = streams.memory.queue([1], until_idle=until_idle)
    handle = (queue | sinks.count()).start()
    await asyncio.sleep(1)
    queue.disconnect()
    await asyncio.sleep(0)
    if until_idle is None:
        queue.close()
    async with asyncio.timeout(100):
        assert await handle == 1
