"""What the laws do not say about switch_map: when it switches, and what becomes of which message."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from itertools import count
from typing import Any

import aiostream
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams.testing import run
from tests.queues import assert_all_closed, closed, ticks

Timed = AsyncIterator[Any]


def now() -> float:
    return asyncio.get_running_loop().time()


async def timed(waits: Sequence[float], values: Sequence[Any]) -> Timed:
    for wait, value in zip(waits, values, strict=True):
        await asyncio.sleep(wait)
        yield value


class Ticking:
    """Makes `name0`, `name1`, … of a name, one a second, and keeps which of them were closed."""

    def __init__(self, seconds: float = 1.0, most: int | None = None) -> None:
        self.seconds = seconds
        self.most = most
        self.opened: list[str] = []
        self.closed: list[str] = []

    async def __call__(self, name: str) -> AsyncIterator[str]:
        self.opened.append(name)
        try:
            for number in count() if self.most is None else range(self.most):
                await asyncio.sleep(self.seconds)
                yield f"{name}{number}"
        finally:
            self.closed.append(name)


arrivals = st.lists(
    st.tuples(st.integers(1, 4), st.lists(st.integers(0, 3), max_size=5)), max_size=6
)


@settings(max_examples=100, deadline=None, database=None)
@given(arrivals)
def test_it_hands_on_what_aiostreams_switchmap_does(arrivals: list[tuple[int, list[int]]]) -> None:
    """No part comes at the same moment as a value: there the two may differ."""
    waits = [wait for wait, _ in arrivals]

    def parts(number: int) -> Timed:
        pauses = arrivals[number][1]
        return timed([pause + 0.01 for pause in pauses], [(number, i) for i in range(len(pauses))])

    async def ours() -> list[Any]:
        stream = streams.from_iterable(timed(waits, range(len(waits))))
        result = stream | op.switch_map(parts) | op.map(lambda part: (now(), part))
        return await (result | sinks.to_list())

    async def theirs() -> list[Any]:
        source = aiostream.stream.iterate(timed(waits, range(len(waits))))
        async with aiostream.stream.switchmap(source, parts).stream() as streamer:
            return [(now(), part) async for part in streamer]

    assert run(ours()) == run(theirs())


async def test_what_was_made_for_the_value_before_is_closed_and_its_message_skipped() -> None:
    ticking = Ticking(most=4)
    queue = streams.memory.queue(["a"])
    pipeline = queue | op.switch_map(ticking) | sinks.to_list()
    handle = pipeline.start()
    await asyncio.sleep(2.5)
    assert (queue.acked, ticking.closed) == ([], [])
    queue.put("b")
    await ticks()
    assert ticking.closed == ["a"]
    await asyncio.sleep(1)
    assert queue.acked == ["a"]
    queue.close()
    assert await handle == ["a0", "a1", "b0", "b1", "b2", "b3"]
    assert (queue.acked, pipeline.summary.skipped, pipeline.summary.accepted) == (["a", "b"], 1, 1)
    assert_all_closed(queue)


async def test_a_message_is_not_settled_before_its_parts_that_were_handed_on() -> None:
    gate = asyncio.Event()

    async def slow(part: str) -> str:
        await gate.wait()
        return part

    queue = streams.memory.queue(["a"])
    step = op.switch_map(Ticking(most=2)) | op.map_async(slow)
    handle = (queue | step | sinks.to_list()).start()
    await asyncio.sleep(1.5)
    queue.put("b")
    await asyncio.sleep(5)
    assert queue.acked == []
    gate.set()
    queue.close()
    assert await handle == ["a0", "b0", "b1"]
    assert sorted(queue.acked) == ["a", "b"]


async def test_a_part_that_fails_fails_the_message_though_another_took_its_place() -> None:
    def bad(part: str) -> str:
        if part == "a0":
            raise ValueError(part)
        return part

    dead = sinks.to_list()
    queue = streams.memory.queue(["a"], dead_letter=dead)
    handle = (queue | op.switch_map(Ticking(most=2)) | op.map(bad) | sinks.to_list()).start()
    await asyncio.sleep(1.5)
    queue.put("b")
    queue.close()
    assert await handle == ["b0", "b1"]
    assert [letter.body for letter in dead.values] == ["a"]


async def test_a_part_that_was_made_but_not_handed_on_is_dropped() -> None:
    taken: list[str] = []

    async def slow(part: str) -> None:
        taken.append(part)
        await asyncio.sleep(10)

    queue = streams.memory.queue(["a"])
    pipeline = queue | op.switch_map(Ticking(most=3)) | sinks.each(slow)
    handle = pipeline.start()
    await asyncio.sleep(5)
    queue.put("b")
    queue.close()
    await handle
    # a1 was ready at second 2, when the sink was at a0; b came at second 5.
    assert taken == ["a0", "b0", "b1", "b2"]
    assert (queue.acked, pipeline.summary.skipped) == (["a", "b"], 1)


async def test_an_end_that_was_there_before_the_next_value_is_no_switch() -> None:
    async def slow(part: str) -> None:
        await asyncio.sleep(10)

    queue = streams.memory.queue(["a"])
    pipeline = queue | op.switch_map(Ticking(most=1)) | sinks.each(slow)
    handle = pipeline.start()
    await asyncio.sleep(5)
    queue.put("b")
    queue.close()
    await handle
    assert (pipeline.summary.skipped, pipeline.summary.accepted) == (0, 2)


async def test_lists_come_whole_however_many_values_are_there() -> None:
    queue = closed([100, 0, 256, 1])
    pipeline = queue | op.switch_map(range) | sinks.to_list()
    assert await pipeline == [*range(100), *range(256), 0]
    assert (pipeline.summary.accepted, pipeline.summary.skipped) == (4, 0)


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_endless_parts_that_are_there_at_once_leave_the_next_value_its_turn(
    asynchronous: bool,
) -> None:
    async def endless(name: str) -> AsyncIterator[str]:
        while True:
            yield name

    step: Any = endless if asynchronous else lambda name: (name for _ in count())
    seen: list[str] = []
    queue = streams.memory.queue(["a"])
    handle = (queue | op.switch_map(step) | sinks.each(seen.append)).start()
    while len(seen) < 1000:
        await asyncio.sleep(0)
    queue.put("b")
    while "b" not in seen:
        await asyncio.sleep(0)
    before = seen.index("b")
    assert set(seen[before:]) == {"b"}
    await handle.abort()


async def test_of_values_that_are_there_together_each_has_its_turn() -> None:
    ticking = Ticking()
    queue = streams.memory.queue(["a", "b", "c"])
    handle = (queue | op.switch_map(ticking) | sinks.to_list()).start()
    await asyncio.sleep(0.1)
    assert (ticking.opened, ticking.closed) == (["a", "b", "c"], ["a", "b"])
    assert queue.acked == ["a", "b"]
    await handle.abort()


async def test_it_pulls_one_value_ahead() -> None:
    pulled: list[int] = []

    async def source() -> AsyncIterator[int]:
        for number in range(99):
            pulled.append(number)
            yield number

    async def stuck(number: int) -> None:
        await asyncio.Event().wait()

    step = op.switch_map(lambda number: [number])
    handle = (streams.from_iterable(source()) | step | sinks.each(stuck)).start()
    await asyncio.sleep(100)
    assert len(pulled) <= 2
    await handle.abort()


# -- failures -----------------------------------------------------------------------------------------


def half_way(error: Exception) -> Callable[[str], Iterator[str]]:
    def parts(text: str) -> Iterator[str]:
        yield text + "1"
        yield text + "2"
        if text == "bad":
            raise error

    return parts


def half_way_async(error: Exception) -> Callable[[str], AsyncIterator[str]]:
    async def parts(text: str) -> AsyncIterator[str]:
        for part in half_way(error)(text):
            yield part

    return parts


@pytest.mark.parametrize("parts", [half_way, half_way_async])
async def test_an_error_half_way_fails_the_message_and_its_parts_go_on(parts: Any) -> None:
    dead = sinks.to_list()
    queue = streams.memory.queue(["bad"], dead_letter=dead)
    handle = (queue | op.switch_map(parts(ValueError("half way"))) | sinks.to_list()).start()
    await asyncio.sleep(1)
    queue.put("ok")
    queue.close()
    assert await handle == ["bad1", "bad2", "ok1", "ok2"]
    assert [letter.body for letter in dead.values] == ["bad"]
    assert handle.stats().failures["ValueError"].stage.startswith("switch_map(")


async def test_an_error_of_ordinary_parts_counts_though_the_next_value_is_there() -> None:
    dead = sinks.to_list()
    queue = closed(["bad", "ok"], dead_letter=dead)
    result = await (queue | op.switch_map(half_way(ValueError("half way"))) | sinks.to_list())
    assert result == ["bad1", "bad2", "ok1", "ok2"]
    assert [letter.body for letter in dead.values] == ["bad"]


async def test_an_error_in_closing_is_that_of_the_message_and_the_stream_goes_on() -> None:
    async def unclean(name: str) -> AsyncIterator[str]:
        try:
            yield name
            await asyncio.Event().wait()
        finally:
            if name == "a":
                raise ValueError("unclean")

    dead = sinks.to_list()
    queue = streams.memory.queue(["a"], dead_letter=dead)
    written = sinks.to_list()
    handle = (queue | op.switch_map(unclean) | written).start()
    await asyncio.sleep(1)
    queue.put("b")
    await asyncio.sleep(1)
    assert written.values == ["a", "b"]
    assert [letter.body for letter in dead.values] == ["a"]
    await handle.drain()


async def test_nothing_takes_the_place_of_a_value_that_an_outage_keeps_back() -> None:
    tries = count(1)

    def pages(site: str) -> list[str]:
        if site == "a" and next(tries) < 4:
            raise ConnectionError("refused")
        return [site + "1", site + "2"]

    queue = closed(["a", "b"], attempts=1)
    pipeline = queue | op.switch_map(pages) | sinks.to_list()
    assert await pipeline == ["a1", "a2", "b1", "b2"]
    assert (pipeline.summary.halts, pipeline.summary.skipped) == (1, 0)


async def test_values_that_wait_for_an_outages_end_go_with_their_connection() -> None:
    tries = count(1)

    def pages(site: str) -> list[str]:
        if next(tries) < 4:
            raise ConnectionError("refused")
        return [site + "1", site + "2"]

    queue = closed(["a", "b"], attempts=1)
    handle = (queue | op.switch_map(pages) | sinks.to_list()).start()
    await asyncio.sleep(0.1)
    queue.disconnect()
    assert await handle == ["a1", "a2", "b1", "b2"]
    assert (queue.acked, handle.stats().skipped) == (["a", "b"], 0)


async def test_parts_that_are_waited_for_after_an_outage_can_be_switched_from() -> None:
    tries = count(1)

    async def silent(name: str) -> AsyncIterator[str]:
        if next(tries) < 3:
            raise ConnectionError("refused")
        if name == "a":
            await asyncio.Event().wait()
        yield name

    queue = streams.memory.queue(["a"])
    handle = (queue | op.switch_map(silent) | sinks.to_list()).start()
    await asyncio.sleep(100)
    queue.put("b")
    queue.close()
    assert await handle == ["b"]
    assert handle.state == "done"


async def test_an_outage_half_way_spends_no_attempt() -> None:
    tries = count(1)
    queue = closed(["bad"], attempts=1, wait=lambda state: 1.0)
    mends = op.switch_map(
        lambda text: half_way(ConnectionError("gone"))(text) if next(tries) < 8 else [text]
    )
    pipeline = queue | mends | sinks.to_list()
    assert (await pipeline)[-1] == "bad"
    assert (queue.acked, pipeline.summary.rejected) == (["bad"], 0)


async def test_what_is_no_iterable_fails_and_says_what_to_use() -> None:
    with pytest.raises(TypeError, match=r"op\.switch_map\(f\): len must return .* use op\.map"):
        await (streams.of("abc") | op.switch_map(len) | sinks.count())  # type: ignore[arg-type]


async def test_a_value_that_has_failed_before_switches_nothing() -> None:
    dead = sinks.to_list()
    queue = streams.memory.queue([0], dead_letter=dead)
    step = op.map("abc".__getitem__) | op.switch_map(Ticking(most=3))
    handle = (queue | step | sinks.to_list()).start()
    await asyncio.sleep(1.5)
    queue.put(9)
    queue.close()
    assert await handle == ["a0", "a1", "a2"]
    assert [letter.body for letter in dead.values] == [9]


# -- the end ------------------------------------------------------------------------------------------


async def test_a_drain_ends_endless_parts_and_gives_their_message_back() -> None:
    ticking = Ticking()
    queue = streams.memory.queue(["a", "b"])
    written = sinks.to_list()
    handle = (queue | op.switch_map(ticking) | op.chunk(2, timeout=None) | written).start()
    await asyncio.sleep(3.5)
    began = now()
    await handle.drain()
    assert now() - began < 1
    # What was handed on before is written, the chunk that was not full too.
    assert written.values == [["b0", "b1"], ["b2"]]
    assert (queue.acked, queue.ready, ticking.closed) == (["a"], ["b"], ["a", "b"])
    assert_all_closed(queue)


async def test_a_drain_ends_endless_parts_behind_a_stream_that_has_ended() -> None:
    async def silent(name: str) -> AsyncIterator[str]:
        yield name
        await asyncio.Event().wait()

    handle = (streams.of("a") | op.switch_map(silent) | sinks.to_list()).start()
    await asyncio.sleep(1)
    began = now()
    await handle.drain()
    assert now() - began < 1


async def test_an_error_elsewhere_ends_endless_parts() -> None:
    async def silent(name: str) -> AsyncIterator[str]:
        yield name
        await asyncio.Event().wait()

    async def late() -> AsyncIterator[str]:
        await asyncio.sleep(5)
        yield "late"

    bad = streams.from_iterable(late()) | op.map(int)
    with pytest.raises(ValueError, match="late"):
        await (streams.of("a") | op.switch_map(silent) | op.merge(bad) | sinks.to_list())


async def test_a_drain_gives_back_the_values_that_wait() -> None:
    def away(name: str) -> list[str]:
        raise ConnectionError("refused")

    queue = streams.memory.queue(["a", "b", "c"])
    handle = (queue | op.switch_map(away) | sinks.to_list()).start()
    await asyncio.sleep(1)
    await handle.drain()
    assert (queue.ready, queue.acked) == (["a", "b", "c"], [])


async def test_an_abort_settles_nothing_though_a_part_was_handed_on() -> None:
    ticking = Ticking()
    queue = streams.memory.queue(["a"])
    handle = (queue | op.switch_map(ticking) | sinks.to_list()).start()
    await asyncio.sleep(2.5)
    await handle.abort()
    assert (queue.acked, queue.ready, ticking.closed) == ([], ["a"], ["a"])
    assert_all_closed(queue)


async def test_an_error_in_closing_at_an_early_end_is_counted_and_ends_nothing() -> None:
    ended: list[str] = []

    async def source() -> AsyncIterator[str]:
        try:
            yield "a"
            await asyncio.Event().wait()
        finally:
            ended.append("source")

    async def unclean(name: str) -> AsyncIterator[str]:
        try:
            while True:
                yield name
        finally:
            raise ValueError("unclean")

    step = op.switch_map(unclean) | op.take(2)
    pipeline = streams.from_iterable(source()) | step | sinks.to_list()
    assert await pipeline == ["a", "a"]
    assert (list(pipeline.summary.failures), ended) == (["ValueError"], ["source"])


async def test_an_error_that_nobody_has_taken_at_an_abort_is_counted() -> None:
    async def fails(name: str) -> AsyncIterator[str]:
        yield name
        raise ValueError("late")

    async def stuck(part: str) -> None:
        await asyncio.Event().wait()

    queue = streams.memory.queue(["a"])
    handle = (queue | op.switch_map(fails) | op.chunk(1) | sinks.each(stuck)).start()
    await asyncio.sleep(1)
    await handle.abort()
    assert (queue.acked, queue.ready) == ([], ["a"])
    assert list(handle.stats().failures) in ([], ["ValueError"])


async def test_an_abort_while_it_switches_is_not_lost() -> None:
    async def clinging(name: str) -> AsyncIterator[str]:
        try:
            yield name
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(1)
            closed.append(name)

    closed: list[str] = []
    queue = streams.memory.queue(["a"])
    handle = (queue | op.switch_map(clinging) | sinks.to_list()).start()
    await asyncio.sleep(1)
    queue.put("b")
    await asyncio.sleep(0.5)
    await handle.abort()
    assert (closed, queue.acked, sorted(queue.ready)) == (["a"], [], ["a", "b"])
    assert_all_closed(queue)


async def test_parts_of_a_lost_connections_message_are_not_made_any_more() -> None:
    ticking = Ticking()
    queue = streams.memory.queue(["a"])
    written = sinks.to_list()
    handle = (queue | op.switch_map(ticking) | written).start()
    await asyncio.sleep(2.5)
    queue.disconnect()
    await asyncio.sleep(0.01)
    assert ticking.closed == ["a"]
    await asyncio.sleep(2)
    assert (ticking.opened, written.values[:3]) == (["a", "a"], ["a0", "a1", "a0"])
    await handle.drain()
    assert queue.ready == ["a"]
