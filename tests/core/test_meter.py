"""Meters: what each stage did, and which one the run waited for."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Pipeline, Summary
from ackflow.streams.core import NOBODY, Run, StageCount, fused
from ackflow.streams.core.meter import Meter, Metered
from ackflow.streams.testing import VirtualClock


async def measured(pipeline: Pipeline[Any]) -> dict[str, StageCount]:
    """Return what the stages of a run did, by the names of their functions."""
    handle = pipeline.start(measure=True)
    await asyncio.gather(handle._result(), return_exceptions=True)
    return {stage.name.partition("(")[0]: stage for stage in handle.stages}


async def pause(value: int) -> int:
    await asyncio.sleep(1)
    return value


async def at_once(value: int) -> int:
    return value


async def slow_source(count: int) -> AsyncIterator[int]:
    for number in range(count):
        await asyncio.sleep(1)
        yield number


async def test_each_stage_counts_what_came_and_what_left() -> None:
    stages = await measured(
        streams.of(*range(10))
        | op.map(str)
        | op.filter(lambda text: text != "3")
        | op.chunk(2)
        | sinks.to_list()
    )
    counts = {name: (stage.taken, stage.given) for name, stage in stages.items()}
    assert counts == {
        "of": (10, 10),
        "map": (10, 10),
        "filter": (10, 9),
        "chunk": (9, 5),
        "to_list": (5, 9),
    }


async def test_a_run_that_nobody_looks_at_measures_nothing() -> None:
    handle = (streams.of(1) | op.map(str) | sinks.to_list()).start()
    await handle
    assert handle.stages == ()
    assert handle.stats().stages == ()


async def test_whoever_shows_runs_can_have_all_of_them_measured(monkeypatch: Any) -> None:
    monkeypatch.setattr(Pipeline, "measure", True)
    handle = (streams.of(1) | sinks.to_list()).start()
    await handle
    assert [stage.name for stage in handle.stages] == ["of(values=1)", "to_list()"]


async def test_what_a_step_has_made_of_a_run_before_one_of_it_fails_is_counted() -> None:
    lists = streams.from_lists(lambda: iter([["1", "2", "x", "3"]]), name="lists", on_error="skip")
    stages = await measured(lists | op.map(int) | sinks.to_list())
    assert (stages["map"].taken, stages["map"].failed, stages["map"].given) == (4, 1, 3)
    assert stages["to_list"].taken == 3


async def test_stages_can_be_looked_at_in_every_turn_from_the_first_on() -> None:
    handle = (streams.of(1) | op.map(str) | op.chunk(2) | sinks.to_list()).start(measure=True)
    seen = [[stage.given for stage in handle.stages]]
    while not handle.done:
        await asyncio.sleep(0)
        seen.append([stage.given for stage in handle.stages])
    assert (seen[0], seen[-1]) == ([0, 0, 0, 0], [1, 1, 1, 1])
    await handle


async def test_the_summary_of_a_measured_run_names_its_slowest_stage(
    virtual_clock: VirtualClock,
) -> None:
    handle = (streams.of(1, 2) | op.map_async(pause) | sinks.to_list()).start(measure=True)
    await handle
    assert handle.stats().stages == handle.stages
    assert "slowest: map_async(f=pause" in str(handle.stats())


async def test_failures_are_those_of_their_stage_and_what_a_catch_makes_of_them_goes_on() -> None:
    queue = streams.from_iterable(["1", "x", "2"], on_error="skip")
    stages = await measured(queue | op.map(int) | sinks.to_list())
    assert (stages["map"].failed, stages["map"].given) == (1, 2)
    source = streams.of("1", "x", "2")
    stages = await measured(source | op.map(int) | op.catch(lambda error: 0) | sinks.to_list())
    assert (stages["map"].given, stages["catch"].given, stages["to_list"].given) == (2, 3, 3)


async def test_two_stages_of_one_name_do_not_count_a_failure_twice() -> None:
    queue = streams.from_iterable(["x"], on_error="skip")
    handle = (queue | op.map(int) | op.map(int) | sinks.to_list()).start(measure=True)
    await handle
    assert [stage.failed for stage in handle.stages] == [0, 1, 0, 0]


SLOW = {
    "the source": (streams.from_iterable(slow_source(9)) | op.map(str) | sinks.to_list(), "from_"),
    "a call": (streams.of(*range(9)) | op.map_async(pause) | sinks.each(at_once), "map_async"),
    "a source before several steps": (
        streams.from_iterable(slow_source(9)) | op.map(str) | op.map(int) | sinks.to_list(),
        "from_",
    ),
    "the sink": (streams.of(*range(9)) | op.map_async(at_once) | sinks.each(pause), "each"),
    "a stage behind a chunk": (
        streams.of(*range(9)) | op.chunk(3) | op.map_async(pause, 1) | sinks.to_list(),
        "map_async",
    ),
    "a source that a chunk waits for": (
        streams.from_iterable(slow_source(9)) | op.chunk(4, timeout=2) | sinks.to_list(),
        "from_",
    ),
}


@pytest.mark.parametrize("name", SLOW)
async def test_what_the_run_waited_for_is_the_slow_part(
    name: str, virtual_clock: VirtualClock
) -> None:
    await asyncio.sleep(100)
    pipeline, slow = SLOW[name]
    handle = pipeline.start(measure=True)
    await handle
    slowest = max(handle.stages, key=lambda stage: stage.waited)
    assert slowest.name.startswith(slow)
    assert slowest.waited == pytest.approx(handle.stats().seconds, abs=0.01)


async def test_shares_of_what_flows_together_do_not_exceed_the_time(
    virtual_clock: VirtualClock,
) -> None:
    merged = streams.from_iterable(slow_source(3)) | op.merge(streams.from_iterable(slow_source(9)))
    handle = (merged | sinks.to_list()).start(measure=True)
    await handle
    assert sum(stage.waited for stage in handle.stages) <= handle.stats().seconds + 0.01
    assert max(handle.stages, key=lambda stage: stage.waited).kind == "source"


async def test_a_step_that_takes_long_is_told_from_its_neighbours(monkeypatch: Any) -> None:
    now = [0.0]
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now[0])

    def work(value: int) -> int:
        now[0] += 0.1
        return value

    stages = await measured(
        streams.of(*range(9)) | op.map(str) | op.map(int) | op.tap(work) | sinks.to_list()
    )
    assert stages["tap"].waited == pytest.approx(0.9)
    assert stages["map"].waited == 0


async def test_what_goes_by_between_steps_is_nobodys(monkeypatch: Any) -> None:
    now = [0.0]
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now[0])

    def look() -> float:
        now[0] += 0.1
        return 0.0

    def work(value: int) -> int:
        now[0] += 0.1
        return value

    monkeypatch.setattr(fused, "perf_counter", look)
    stages = await measured(streams.of(*range(9)) | op.tap(work) | sinks.to_list())
    assert stages["tap"].waited == pytest.approx(0.9)


async def test_a_step_in_one_of_several_streams_has_its_part_of_what_they_share(
    monkeypatch: Any,
) -> None:
    now = [0.0]
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now[0])

    def work(value: int) -> int:
        now[0] += 0.1
        return value

    merged = streams.of(*range(9)) | op.tap(work) | op.merge(streams.of(1))
    stages = await measured(merged | sinks.to_list())
    assert stages["tap"].waited == pytest.approx(0.45)


async def test_what_is_inside_a_stage_is_told_while_it_runs(virtual_clock: VirtualClock) -> None:
    queue = streams.memory.queue(range(20), prefetch=20)
    pipeline = queue | op.map_async(pause, concurrency=4) | op.chunk(9, None) | sinks.to_list()
    handle = pipeline.start(measure=True)
    await asyncio.sleep(1.5)
    source, calls, chunk, sink = handle.stages
    assert (source.held, source.oldest) == (20, pytest.approx(1.5))
    assert (calls.held, chunk.held, sink.held) == (16, 4, 0)
    assert (calls.oldest, chunk.oldest, sink.oldest) == (0.0, 0.0, 0.0)
    await handle.abort()


async def test_writes_that_are_under_way_are_inside_the_sink(virtual_clock: VirtualClock) -> None:
    queue = streams.memory.queue(range(20))
    pipeline = queue | op.map(abs) | op.take(10) | sinks.each(pause, concurrency=3)
    handle = pipeline.start(measure=True)
    await asyncio.sleep(0.5)
    assert [stage.held for stage in handle.stages] == [10, 0, None, 3]
    with pytest.raises(FrozenInstanceError):
        handle.stages[0].held = 0  # type: ignore[misc]
    await handle.abort()


async def test_a_write_that_is_the_only_one_at_a_time_is_inside_the_sink(
    virtual_clock: VirtualClock,
) -> None:
    handle = (streams.of(1, 2) | sinks.each(pause, concurrency=1)).start(measure=True)
    await asyncio.sleep(0.5)
    assert handle.stages[-1].held == 1
    await handle
    assert handle.stages[-1].held == 0


async def test_a_delivery_that_was_refused_is_a_failure_of_its_source() -> None:
    queue = streams.memory.queue(["a", "b"], dead_letter="discard")
    queue.close()
    connect = queue._broker.connect

    async def refusing(epoch: Any) -> Any:
        deliver = epoch.deliver
        epoch.deliver = lambda raws: deliver(raws, {1: ValueError("unreadable")})
        return await connect(epoch)

    queue._broker.connect = refusing  # type: ignore[method-assign]
    handle = (queue | op.map(str) | sinks.to_list()).start(measure=True)
    assert await handle == ["a"]
    assert [stage.failed for stage in handle.stages] == [1, 0, 0]


async def test_what_is_counted_is_closed_with_its_counter() -> None:
    events: list[str] = []

    async def runs() -> AsyncIterator[Run[int]]:
        try:
            yield Run([1], [(NOBODY, 0)])
        finally:
            events.append("closed")

    source = runs()
    metered = Metered(source, Meter(streams.of(1).stage, [], asyncio.get_running_loop().time))
    assert (await anext(metered)).values == [1]
    await metered.aclose()
    assert events == ["closed"]


async def test_stages_inside_a_stage_are_part_of_it() -> None:
    stages = await measured(
        streams.of(*range(4)) | op.partition(lambda n: n % 2, op.map(str)) | sinks.to_list()
    )
    assert list(stages) == ["of", "partition.key", "partition", "to_list"]
    assert (stages["partition"].taken, stages["partition"].given) == (4, 4)


@pytest.mark.parametrize(
    ("limit", "total"), [(None, 10), (3, 3), (30, 10)], ids=["all", "fewer", "more"]
)
async def test_the_total_is_known_of_what_has_a_size(limit: int | None, total: int) -> None:
    handle = (streams.from_iterable(range(10)) | sinks.to_list()).start(limit=limit)
    assert handle.total == total
    await handle


async def test_the_total_of_a_queue_is_its_limit() -> None:
    pipeline = streams.memory.queue([1, 2], until_idle=1) | sinks.to_list()
    handle = pipeline.start()
    assert handle.total is None
    await handle
    handle = pipeline.start(limit=1)
    assert handle.total == 1
    await handle.drain()
    generator = streams.from_iterable(n for n in range(3)) | sinks.to_list()
    handle_of_generator = generator.start()
    assert handle_of_generator.total is None
    await handle_of_generator


def test_a_summary_names_what_was_slowest_and_behind_a_source_what_came_next() -> None:
    summary = Summary(delivered=100, accepted=100, seconds=10)
    source = StageCount("queue('a\n')", "source", 100, 100, 0, 0, 6.0)
    calls = StageCount("map_async(f=fetch)", "operator", 100, 100, 0, 0, 3.0)
    summary.stages = (source, calls)
    assert str(summary).splitlines()[1] == (
        "  10 a second; slowest: queue('a\\n'), waited for 60% of the time, then "
        "map_async(f=fetch), waited for 30% of the time"
    )
    summary.stages = (calls,)
    assert str(summary).endswith("slowest: map_async(f=fetch), waited for 30% of the time")


async def test_before_all_is_open_nobody_has_waited(virtual_clock: VirtualClock) -> None:
    handle = (streams.from_iterable(slow_source(2)) | sinks.to_list()).start(measure=True)
    assert [stage.waited for stage in handle.stages] == [0.0, 0.0]
    await handle
    ended = handle.stages
    await asyncio.sleep(100)
    assert handle.stages == ended, "nothing is waited for after the end"


@pytest.mark.parametrize(
    ("step", "held"),
    [
        (op.delay(10.0), 3),
        (op.debounce(10.0), 1),
        (op.window(every=10.0, max_items=10), 3),
        (op.buffer(5), 2),
    ],
    ids=str,
)
async def test_what_an_operator_keeps_back_is_inside(
    step: Any, held: int, virtual_clock: VirtualClock
) -> None:
    queue = streams.memory.queue([1, 2, 3], prefetch=20)

    async def store(_: object) -> None:
        await asyncio.sleep(60)

    handle = (queue | step | sinks.each(store)).start(measure=True)
    await virtual_clock.advance(1)
    assert handle.stages[1].held == held
    await handle.abort()
