"""Pipelines and the handles of their runs."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Pipeline, Sink, SourceError, Summary
from ackflow.streams.core import Figure
from tests.core.frames import record
from tests.queues import assert_all_closed, closed


class Opening(Sink[Any, Summary]):
    """A sink that takes so many seconds to open."""

    name = "opening"

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.events: list[str] = []

    async def open(self) -> None:
        self.events.append("opening")
        await asyncio.sleep(self.seconds)
        self.events.append("open")

    async def write(self, items: Sequence[Any]) -> None:
        self.events.append("write")

    async def close(self) -> None:
        self.events.append("close")


class Bulk(Opening):
    """A sink that takes chunks only."""

    name = "bulk"
    chunks = True


def test_a_sink_of_chunks_behind_single_values_says_what_to_put_before_it() -> None:
    with pytest.raises(TypeError, match=r"bulk.* takes chunks.*hands out single values.*op\.chunk"):
        streams.of(1) | Bulk()
    assert repr(streams.of(1) | op.chunk(2) | Bulk()).endswith(" | bulk()")


@pytest.mark.parametrize("options", [{"limit": 0}, {"limit": 1.5}, {"timeout": 0}, {"timeout": -1}])
async def test_a_limit_or_timeout_that_cannot_be_meant_is_refused(options: Any) -> None:
    (name,) = options
    with pytest.raises(ValueError, match=rf"{name}.* must be"):
        (streams.of(1) | sinks.to_list()).start(**options)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_source_that_waits_ends_when_another_hands_out_the_last_of_a_limit() -> None:
    first, second = streams.memory.queue([1]), streams.memory.queue(list[int]())
    plain = streams.from_queue(asyncio.Queue[int]())
    merged = first | op.merge(second, plain)
    handle = (merged | sinks.to_list()).start(limit=2)
    await asyncio.sleep(1)
    second.put(2)
    assert await asyncio.wait_for(handle._result(), 10) == [1, 2]


async def test_a_limit_of_one_hands_out_one() -> None:
    assert await (streams.of(1, 2, 3) | sinks.to_list()).start(limit=1) == [1]
    queue = closed(range(3))
    assert await (queue | sinks.to_list()).start(limit=1) == [0]
    assert queue.ready == [1, 2]


def test_a_script_without_a_runner_says_what_to_import(monkeypatch: Any) -> None:
    monkeypatch.setattr(Pipeline, "runner", None)
    with pytest.raises(RuntimeError, match=r"pipeline\.run\(\): import ackflow\.streams first"):
        (streams.of(1) | sinks.to_list()).run()


def test_a_script_hands_its_options_to_the_runner(monkeypatch: Any) -> None:
    told: list[Any] = []
    pipeline = streams.of(1) | sinks.to_list()

    def runner(this: Any, **options: Any) -> str:
        told.append((this, options))
        return "result"

    monkeypatch.setattr(Pipeline, "runner", staticmethod(runner))
    result: Any = pipeline.run(limit=3)
    assert result == "result"
    assert told == [(pipeline, {"limit": 3})]


async def test_a_handle_shows_the_state_and_the_counts_of_its_run() -> None:
    async def store(value: int) -> None:
        await asyncio.sleep(1)

    queue = closed(range(3))
    pipeline = queue | sinks.each(store)
    handle = pipeline.start()
    assert (handle.state, handle.done, handle.oldest_unacked) == ("running", False, 0.0)
    await asyncio.sleep(1.5)
    assert handle.oldest_unacked == pytest.approx(1.5, abs=0.1)
    assert handle.stats() is pipeline.summary
    assert (handle.stats().accepted, handle.stats().seconds) == (1, 1.5)
    await handle
    assert (handle.state, handle.done, handle.oldest_unacked) == ("done", True, 0.0)
    assert pipeline.summary.seconds == pytest.approx(3, abs=0.1)
    seconds = pipeline.summary.seconds
    await asyncio.sleep(10)
    assert handle.stats().seconds == seconds, "the clock stands when the run has ended"


async def test_a_handle_shows_what_is_open_in_flight_and_draining() -> None:
    first, second = streams.memory.queue([1, 2]), streams.memory.queue([3])
    handle = (first | op.merge(second) | sinks.each(lambda value: asyncio.sleep(100))).start()
    assert handle.loop is asyncio.get_running_loop()
    assert (handle.opened, handle.in_flight, handle.draining) == (False, 0, False)
    await asyncio.sleep(1)
    assert (handle.opened, handle.in_flight, handle.draining) == (True, 3, False)
    handle.stop()
    assert (handle.opened, handle.draining) == (True, True)
    await handle.abort()


async def test_a_handle_is_not_open_while_its_sink_is_away() -> None:
    handle = (streams.memory.queue([1]) | Opening(seconds=5)).start()
    await asyncio.sleep(4)
    assert not handle.opened
    await asyncio.sleep(2)
    assert handle.opened
    await handle.abort()


async def test_a_handle_shows_what_is_halted_since_when_and_whether_it_is_a_source() -> None:
    async def away(value: int) -> None:
        raise ConnectionError("nobody there")

    queue = streams.memory.queue([1])
    handle = (queue | sinks.each(away)).start()
    await asyncio.sleep(3)
    queue.fail(SourceError("away"), times=1000)
    queue.disconnect()
    await asyncio.sleep(2)
    sink, source = handle.halts
    assert (sink.part, sink.reason, sink.source) == ("each", "ConnectionError: nobody there", False)
    assert sink.seconds == pytest.approx(5, abs=0.1)
    assert (source.part, source.reason, source.source) == (
        "memory.queue",
        "SourceError: away",
        True,
    )
    assert source.seconds == pytest.approx(2, abs=0.1)
    await handle.abort()


async def test_a_handle_shows_what_the_sink_counts() -> None:
    class Counting(Opening):
        def figures(self) -> list[Figure]:
            return [Figure("writes_total", "counter", "Writes.", [({}, len(self.events))])]

    class Own:
        async def write(self, items: Sequence[Any]) -> None:
            """Takes all."""

    for sink, names in ((Counting(), ["writes_total"]), (Opening(), []), (Own(), [])):
        handle = (streams.of(1) | sink).start()  # type: ignore[operator]
        await handle
        assert [figure.name for figure in handle.figures()] == names
    own: Any = Own()
    own.figures = Counting().figures
    handle = (streams.of(1) | own).start()
    assert [figure.name for figure in handle.figures()] == ["writes_total"]
    await handle


async def test_the_oldest_unacked_is_that_of_all_sources() -> None:
    first, second = streams.memory.queue([1]), streams.memory.queue()
    merged = first | op.merge(second) | sinks.each(lambda value: asyncio.sleep(100))
    handle = merged.start()
    await asyncio.sleep(5)
    assert handle.oldest_unacked == pytest.approx(5, abs=0.1)
    second.put(2)
    await asyncio.sleep(5)
    assert handle.oldest_unacked == pytest.approx(10, abs=0.1)
    await handle.abort()


async def test_pause_and_resume_reach_every_source() -> None:
    first, second = streams.memory.queue(until_idle=50), streams.memory.queue(until_idle=50)
    seen: list[int] = []
    handle = (first | op.merge(second) | sinks.each(seen.append)).start()
    await asyncio.sleep(1)
    handle.pause()
    first.put(1)
    second.put(2)
    await asyncio.sleep(5)
    assert seen == []
    handle.resume()
    await asyncio.sleep(1)
    assert sorted(seen) == [1, 2]
    await handle.drain()


async def test_stop_begins_a_drain_and_does_not_wait() -> None:
    queue = streams.memory.queue(range(10))
    handle = (queue | sinks.each(lambda value: asyncio.sleep(1))).start()
    await asyncio.sleep(0.5)
    handle.stop()
    assert (handle.state, handle.done) == ("draining", False)
    await handle
    assert (queue.acked, sorted(queue.ready)) == ([0], list(range(1, 10)))


async def test_a_drain_while_the_sink_opens_ends_the_run_before_it_began() -> None:
    sink = Opening(100)
    queue = streams.memory.queue([1])
    handle = (queue | sink).start()
    await asyncio.sleep(1)
    summary = await handle.drain()
    assert handle.done
    assert (summary.delivered, summary.accepted, queue.ready) == (0, 0, [1])
    assert sink.events == ["opening", "close"]
    assert asyncio.get_running_loop().time() == 1


async def test_aborting_while_the_sink_opens_is_a_cancelled_run() -> None:
    queue = streams.memory.queue([1])
    handle = (queue | Opening(100)).start()
    await asyncio.sleep(1)
    await handle.abort()
    assert handle.done
    with pytest.raises(asyncio.CancelledError):
        await handle
    assert queue.ready == [1]
    assert_all_closed(queue)


async def test_a_drain_right_after_the_start_runs_nothing() -> None:
    for queue in (streams.memory.queue([1]), streams.of(1)):
        handle = (queue | sinks.to_list()).start()
        handle.stop()
        assert await handle == []
        assert handle.stats().accepted == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_drain_right_after_the_start_does_not_wait_for_what_is_away() -> None:
    sink = Opening(1e9)
    queue = streams.memory.queue([1])
    summary = await (queue | sink).start().drain()
    assert (summary.delivered, queue.ready) == (0, [1])
    assert sink.events[-1] == "close"
    assert asyncio.get_running_loop().time() < 1


async def test_who_waits_for_a_run_and_is_cancelled_ends_it() -> None:
    queue = streams.memory.queue([1])
    handle = (queue | sinks.each(lambda value: asyncio.sleep(100))).start()

    async def wait() -> Any:
        return await handle

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert handle.done
    assert queue.ready == [1]
    assert_all_closed(queue)


async def test_a_timeout_drains_and_its_timer_is_gone_with_the_run() -> None:
    queue = streams.memory.queue([1])
    handle = (queue | sinks.to_list()).start(timeout=3)
    assert await handle == [1]
    assert asyncio.get_running_loop().time() == pytest.approx(3, abs=0.1)
    early = (closed([1]) | sinks.to_list()).start(timeout=1000)
    assert await early == [1]
    assert early._course._timer is not None
    assert early._course._timer.cancelled()


async def test_a_timeout_ends_a_run_whose_sink_is_away_and_says_so() -> None:
    def away(value: Any) -> None:
        raise ConnectionError("no server")

    queue = streams.memory.queue([1, 2])
    pipeline = queue | op.chunk(2) | sinks.each(away)
    with pytest.raises(TimeoutError, match=r"not done after 25 s \(halted: each.*no server\)"):
        await pipeline.start(timeout=3)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert asyncio.get_running_loop().time() == pytest.approx(28, abs=0.1)
    assert queue.ready == [1, 2]
    assert_all_closed(queue)


async def test_the_sources_are_closed_even_where_the_sink_cannot_be() -> None:
    class Stuck(Opening):
        async def close(self) -> None:
            raise OSError("no such file")

    queue = closed([1])
    with pytest.raises(OSError, match="no such file"):
        await (queue | Stuck())
    assert queue.acked == [1]
    assert_all_closed(queue)


async def test_a_drain_takes_25_seconds_at_most_and_then_gives_up() -> None:
    queue = streams.memory.queue([1])
    handle = (queue | sinks.each(lambda value: asyncio.sleep(1000))).start()
    await asyncio.sleep(1)
    summary = await handle.drain()
    assert asyncio.get_running_loop().time() == pytest.approx(26, abs=0.1)
    assert (summary.accepted, queue.ready) == (0, [1])


async def test_the_seconds_of_a_run_are_those_it_took() -> None:
    await asyncio.sleep(100)
    pipeline = streams.of(1) | sinks.each(lambda value: asyncio.sleep(2))
    assert (await pipeline).seconds == 2.0


@pytest.mark.parametrize(("seconds", "left"), [(3.9, False), (10.0, True)])
async def test_who_swallows_a_cancellation_is_left_behind_after_four_seconds(
    seconds: float, left: bool, caplog: Any
) -> None:
    async def stubborn(value: int) -> None:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            await asyncio.sleep(seconds)
            raise

    queue = streams.memory.queue([1, 2])
    handle = (queue | sinks.each(stubborn)).start()
    await asyncio.sleep(1)
    record(queue, frames := [], [])
    await handle.abort()
    assert asyncio.get_running_loop().time() == 1 + min(seconds, 4)
    assert bool(caplog.records) is left
    assert (frames, queue.ready) == ([], [1, 2]), "an abort settles nothing"
    await asyncio.sleep(10)
