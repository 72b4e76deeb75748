"""What the laws do not say about chunk: its timer, its flushes, its bounds."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams.core import NOBODY, Run, Session
from ackflow.streams.testing import run
from tests.cases import AtOnce, AtOnceInlet, chunks, chunks_by_key, flat
from tests.queues import assert_all_closed, closed
from tests.times import Arrivals, Timed, arrive, came_out, now, schedules, singly
from tests.times import stamp as stamp_exactly


async def paced(*pauses: float) -> AsyncIterator[int]:
    """Number the values, each after its pause."""
    for number, pause in enumerate(pauses):
        await asyncio.sleep(pause)
        yield number


def stamp(chunk: list[int]) -> tuple[float, list[int]]:
    return round(asyncio.get_running_loop().time(), 6), chunk


async def test_the_timer_starts_at_the_first_element_and_never_again() -> None:
    pipeline = (
        streams.from_iterable(paced(5, 0.4, 0.4, 0.4, 0.4))
        | op.chunk(10, timeout=1.0)
        | op.map(stamp)
        | sinks.to_list()
    )
    assert await pipeline == [(6.0, [0, 1, 2]), (6.6, [3, 4])]
    assert pipeline.summary.flushes == {"timeout": 1, "end": 1}


async def test_a_full_chunk_goes_out_at_once_and_the_next_has_a_timer_of_its_own() -> None:
    pipeline = (
        streams.from_iterable(paced(0, 0.5, 0.3, 5))
        | op.chunk(2, timeout=1.0)
        | op.map(stamp)
        | sinks.to_list()
    )
    assert await pipeline == [(0.5, [0, 1]), (1.8, [2]), (5.8, [3])]
    assert pipeline.summary.flushes == {"size": 1, "timeout": 1, "end": 1}


async def test_a_slow_sink_does_not_make_the_timer_start_early() -> None:
    async def slow(chunk: list[int]) -> None:
        written.append(chunk)
        await asyncio.sleep(10)

    written: list[list[int]] = []
    source = streams.from_iterable(paced(0, 0, 0, 0, 0))
    await (source | op.chunk(2, timeout=1.0) | sinks.each(slow))
    assert written == [[0, 1], [2, 3], [4]]


# The laws of fs2's groupWithin (GroupWithinSuite), and of a chunk by key.

bounded = settings(max_examples=80, deadline=None, database=None)
sizes = st.integers(1, 6)
seconds = st.sampled_from([0.25, 0.5, 1.0, 1.25])
groups = st.integers(1, 4)


def by_three(n: int) -> int:
    return n % 3


def within(arrivals: Arrivals, size: int, timeout: float) -> Timed:
    """Chunks of what comes one by one, and when each is full, its time is up, or the stream ends."""
    found: list[tuple[float, Any]] = []
    values: list[int] = []
    began = 0.0
    for time, value in singly(arrivals):
        if values and time >= began + timeout:
            found.append((began + timeout, values))
            values = []
        if not values:
            began = time
        values = [*values, value]
        if len(values) == size:
            found.append((time, values))
            values = []
    return [*found, (arrivals[-1][0], values)] if values else found


@bounded
@given(schedules, sizes, seconds)
def test_chunks_are_never_empty_never_too_large_and_lose_nothing(
    arrivals: Arrivals, size: int, timeout: float
) -> None:
    found: Any = [chunk for _, chunk in came_out(arrivals, op.chunk(size, timeout))]
    assert all(0 < len(chunk) <= size for chunk in found)
    assert flat(found) == [value for _, value in singly(arrivals)]


@bounded
@given(schedules, sizes)
def test_where_no_timer_fires_the_chunks_are_the_plain_ones(arrivals: Arrivals, size: int) -> None:
    values = [value for _, value in singly(arrivals)]
    found = came_out(arrivals, op.chunk(size, timeout=1000))
    assert [chunk for _, chunk in found] == chunks(values, size)


@bounded
@given(schedules, sizes, seconds)
def test_chunks_come_when_they_are_full_or_their_time_is_up(
    arrivals: Arrivals, size: int, timeout: float
) -> None:
    # Half way between the times at which values come, so that none comes just when a time is up.
    found = came_out(arrivals, op.chunk(size, timeout + 0.125))
    assert found == within(arrivals, size, timeout + 0.125)


@bounded
@given(schedules, sizes, seconds, groups)
def test_a_chunk_comes_no_later_than_the_timeout_after_its_first_value(
    arrivals: Arrivals, size: int, timeout: float, groups: int
) -> None:
    came = {value: time for time, value in singly(arrivals)}
    for chunker in (op.chunk(size, timeout), op.chunk(size, timeout, key=by_three, groups=groups)):
        found: Any = came_out(arrivals, chunker)
        assert sorted(flat([chunk for _, chunk in found])) == sorted(came)
        assert all(came[chunk[-1]] <= time <= came[chunk[0]] + timeout for time, chunk in found)


@bounded
@given(schedules, sizes, groups)
def test_chunks_by_key_are_the_chunks_of_each_key_where_no_timer_fires(
    arrivals: Arrivals, size: int, groups: int
) -> None:
    values = [value for _, value in singly(arrivals)]
    found: Any = came_out(arrivals, op.chunk(size, timeout=None, key=by_three, groups=groups))
    assert [chunk for _, chunk in found] == chunks_by_key(values, size, groups)


@bounded
@given(schedules, sizes)
def test_what_is_left_comes_out_when_the_source_breaks(arrivals: Arrivals, size: int) -> None:
    async def lists() -> AsyncIterator[list[int]]:
        for time, values in arrivals:
            await asyncio.sleep(time - now())
            yield values
        raise OSError("the disk is gone")

    async def main() -> None:
        written = sinks.to_list()
        source = streams.from_lists(lists, name="breaking")
        with pytest.raises(OSError, match="the disk is gone"):
            await (source | op.chunk(size, timeout=1000) | written)
        assert written.values == chunks([value for _, value in singly(arrivals)], size)

    run(main())


async def test_what_came_before_an_error_of_the_source_goes_out() -> None:
    async def source() -> AsyncIterator[int]:
        yield 1
        yield 2
        raise OSError("the disk is gone")

    written = sinks.to_list()
    pipeline = streams.from_iterable(source()) | op.chunk(10, timeout=None) | written
    with pytest.raises(OSError, match="the disk is gone"):
        await pipeline
    assert written.values == [[1, 2]]
    assert pipeline.summary.flushes == {"end": 1}


@pytest.mark.parametrize("timeout", [None, 1000.0])
async def test_what_is_there_goes_out_when_the_source_has_no_credit_left(
    timeout: float | None,
) -> None:
    queue = streams.memory.queue(range(5), prefetch=4, until_idle=0.1)
    keep_half = op.filter(lambda n: n != 3)
    pipeline = queue | keep_half | op.chunk(4, timeout=timeout) | sinks.to_list()
    assert await pipeline == [[0, 1, 2, 4]]

    queue = streams.memory.queue(range(5), prefetch=4)
    handle = (queue | op.chunk(4, timeout=timeout) | sinks.each(hold_first())).start()
    await asyncio.sleep(1)
    assert queue.unsettled == [0, 1, 2, 3]
    await handle.abort()


async def test_what_reaches_a_chunk_late_goes_out_though_nothing_else_wakes_the_source() -> None:
    async def late(value: int) -> int:
        await asyncio.sleep(value)
        return value

    queue = closed([1, 2, 3, 4, 5], prefetch=4)
    stream = queue | op.map_async(late) | op.chunk(4, timeout=None)
    assert await (stream | op.map(stamp) | sinks.to_list()) == [(4.0, [1, 2, 3, 4]), (9.0, [5])]


async def test_after_a_flush_for_credit_a_chunk_waits_again_until_the_next() -> None:
    """One message is held after a failure: with a prefetch of eight that leaves seven."""

    def failing(value: int) -> int:
        if value == 0:
            raise OSError("not yet")
        return value

    queue = streams.memory.queue(range(8), prefetch=8, wait=lambda state: 1000.0)
    written = sinks.to_list()
    handle = (queue | op.map(failing) | op.chunk(8, timeout=None) | written).start()
    for value in range(8, 15):
        await asyncio.sleep(1)
        assert written.values == [list(range(1, 8))]
        queue.put(value)
    await asyncio.sleep(1)
    assert written.values == [list(range(1, 8)), list(range(8, 15))]
    await handle.abort()


def hold_first() -> Any:
    async def hold(chunk: list[int]) -> None:
        await asyncio.Event().wait()

    return hold


async def test_a_window_flush_happens_per_source_in_a_merge() -> None:
    slow = streams.memory.queue(["slow"], prefetch=4)
    quick = closed(range(9), prefetch=4)
    written = sinks.to_list()
    pipeline = slow | op.merge(quick) | op.chunk(4, timeout=None) | written
    handle = pipeline.start()
    await asyncio.sleep(1)
    assert quick.acked == list(range(9))
    assert pipeline.summary.flushes["window"] >= 1
    slow.close()
    await handle
    assert Counter(flat(written.values)) == Counter(["slow", *range(9)])
    assert_all_closed(slow, quick)


async def test_bytes_are_counted_and_never_exceeded_but_by_a_single_value() -> None:
    words = ["aa", "bbb", "c", "dddddd", "e", "f"]
    pipeline = streams.of(*words) | op.chunk(3, timeout=None, max_bytes=5) | sinks.to_list()
    assert await pipeline == [["aa", "bbb"], ["c"], ["dddddd"], ["e", "f"]]
    assert pipeline.summary.flushes == {"bytes": 3, "end": 1}


async def test_a_value_without_a_length_fails_alone_where_bytes_are_counted() -> None:
    dead = sinks.to_list()
    queue = closed(["a", 5, "b"], dead_letter=dead)
    assert await (queue | op.chunk(3, max_bytes=9) | sinks.to_list()) == [["a", "b"]]
    assert [letter.body for letter in dead.values] == [5]


async def test_a_chunk_larger_than_prefetch_is_an_error_where_it_is_composed() -> None:
    queue = streams.memory.queue(prefetch=256)
    with pytest.raises(ValueError, match=r"prefetch=256.*1024 messages.*chunk 1024"):
        queue | op.chunk(1024)
    with pytest.raises(ValueError, match=r"chunk 16 \+ chunk 20 × 16"):
        queue | op.chunk(16) | op.chunk(20)
    queue | op.chunk(16) | op.chunk(16)


async def test_members_of_a_dead_connection_leave_the_chunk_and_come_again() -> None:
    queue = streams.memory.queue([1, 2], prefetch=8)
    pipeline = queue | op.chunk(3, timeout=None) | sinks.to_list()
    handle = pipeline.start()
    await asyncio.sleep(0.01)
    queue.disconnect()
    queue.put(3)
    queue.close()
    assert await handle == [[1, 2, 3]]
    assert queue.acked == [1, 2, 3]
    assert pipeline.summary.stale == 0


async def test_what_was_pulled_before_a_connection_was_lost_is_left_out_too() -> None:
    async def slow(chunk: list[int]) -> None:
        written.append(chunk)
        await asyncio.sleep(10)

    written: list[list[int]] = []
    queue = streams.memory.queue([1], prefetch=8)
    handle = (queue | op.chunk(2, timeout=1.0) | sinks.each(slow)).start()
    await asyncio.sleep(2)
    queue.put(2)
    await asyncio.sleep(2)
    queue.disconnect()
    queue.close()
    await handle
    assert written == [[1], [1, 2]]
    assert queue.acked == [1, 2]


async def test_what_had_failed_before_it_came_fails_alone() -> None:
    for joining in (op.chunk(2), op.window(count=2), op.pairwise()):
        pipeline = streams.Stream(Failing([1])) | joining | sinks.to_list()
        assert await pipeline == []
        assert pipeline.summary.failures["OSError"].count == 1


class Failing(AtOnce):
    """Hands out a value that has failed, as a step before a `catch` does."""

    def inlet(self, session: Session, prefetch: int) -> "FailingInlet":
        return FailingInlet(self)


class FailingInlet(AtOnceInlet):
    async def runs(self) -> AsyncGenerator[Run[Any]]:
        yield Run([1], [(NOBODY, 0)], OSError("it failed"))


async def test_a_drain_flushes_what_is_there() -> None:
    queue = streams.memory.queue([1, 2])
    pipeline = queue | op.chunk(3, timeout=None) | sinks.to_list()
    handle = pipeline.start()
    await asyncio.sleep(0.01)
    summary = await handle.drain()
    assert (queue.acked, queue.requeued) == ([1, 2], [])
    assert summary.flushes == {"end": 1}


async def test_each_member_of_a_chunk_has_the_outcome_the_sink_gives_it() -> None:
    class Picky:
        async def write(self, items: list[list[int]]) -> list[Exception | None]:
            return [ValueError(n) if n == 2 else None for n in items[0]]

    dead = sinks.to_list()
    queue = closed([1, 2, 3], dead_letter=dead)
    pipeline = queue | op.chunk(3) | Picky()
    await pipeline
    assert [letter.body for letter in dead.values] == [2]
    assert (pipeline.summary.accepted, pipeline.summary.rejected) == (2, 1)


async def test_a_function_over_a_whole_chunk_makes_it_one_unit() -> None:
    class Picky:
        async def write(self, items: list[int]) -> list[Exception | None]:
            return [ValueError("no") for _ in items]

    dead = sinks.to_list()
    queue = closed([1, 2, 3], dead_letter=dead)
    await (queue | op.chunk(3) | op.map(sum) | Picky())
    assert [letter.body for letter in dead.values] == [1, 2, 3]


async def test_unchunk_gives_members_their_own_deliveries_back() -> None:
    dead = sinks.to_list()
    queue = closed([1, 2, 3, 4], dead_letter=dead)
    pipeline = queue | op.chunk(4) | op.unchunk() | op.map(lambda n: 1 // (n - 3)) | sinks.count()
    assert await pipeline == 3
    assert [letter.body for letter in dead.values] == [3]
    assert pipeline.summary.accepted == 3


@pytest.mark.parametrize(
    ("time", "chunks"),
    [(0.9375, [(1.0, [1, 2])]), (1.0625, [(1.0, [1]), (2.0625, [2])])],
)
async def test_the_timer_fires_neither_early_nor_late(time: float, chunks: Timed) -> None:
    arrivals = [(0.0, [1]), (time, [2]), (9.0, [3])]
    found = await (
        arrive(arrivals) | op.chunk(9, timeout=1.0) | op.map(stamp_exactly) | sinks.to_list()
    )
    assert found == [*chunks, (9.0, [3])]


# -- by key ---------------------------------------------------------------------------------------


async def test_each_key_has_a_time_of_its_own() -> None:
    arrivals = [(0.0, [0]), (0.5, [1]), (0.75, [3]), (1.25, [6]), (3.0, [9])]
    pipeline = (
        arrive(arrivals)
        | op.chunk(9, timeout=1.0, key=by_three)
        | op.map(stamp_exactly)
        | sinks.to_list()
    )
    assert await pipeline == [(1.0, [0, 3]), (1.5, [1]), (2.25, [6]), (3.0, [9])]
    assert pipeline.summary.flushes == {"timeout": 3, "end": 1}


@pytest.mark.parametrize(
    ("letters", "expected"),
    # Three a are a chunk, which leaves b alone in its group when c comes.
    [("aababcb", ["aaa", "bbb", "c"]), ("abacabc", ["aa", "b", "c", "a", "b", "c"])],
)
async def test_one_key_too_many_has_the_group_that_was_begun_first_go_out(
    letters: str, expected: list[str]
) -> None:
    chunker = op.chunk(3, timeout=None, key=lambda letter: letter, groups=2)
    pipeline = streams.of(*letters) | chunker | op.map("".join) | sinks.to_list()
    assert await pipeline == expected
    assert pipeline.summary.flushes.get("groups", 0) == (4 if "aa" in expected else 0)


async def test_a_key_that_fails_is_that_messages_alone() -> None:
    dead = sinks.to_list()
    queue = closed([1, 2, 0, 4], dead_letter=dead)
    pipeline = queue | op.chunk(3, timeout=None, key=lambda n: 8 // n) | sinks.to_list()
    assert await pipeline == [[1], [2], [4]]
    assert [letter.body for letter in dead.values] == [0]

    dead = sinks.to_list()
    queue = closed([1, 2], dead_letter=dead)
    await (queue | op.chunk(3, key=lambda n: [n]) | sinks.to_list())
    assert [letter.body for letter in dead.values] == [1, 2]
    assert "op.chunk(key): <lambda> must return something hashable" in str(dead.values[0].headers)


async def test_groups_go_out_when_the_source_has_no_credit_left() -> None:
    queue = streams.memory.queue(range(8), prefetch=4)
    pipeline = (
        queue
        | op.chunk(4, timeout=None, key=by_three)
        | op.unchunk()
        | op.take(8)
        | sinks.to_list()
    )
    assert sorted(await pipeline) == list(range(8))
    assert set(pipeline.summary.flushes) <= {"window", "end"}


async def test_groups_declare_how_much_they_hold_together() -> None:
    stages = op.chunk(10, key=by_three, groups=7).stages
    assert stages[-1].holds == 70
    assert repr(stages[-1]) == "chunk(size=10, timeout=1.0, groups=7)"
    queue = streams.memory.queue(prefetch=10)
    queue | op.chunk(10, key=by_three, groups=7)
    with pytest.raises(ValueError, match="prefetch=10"):
        queue | op.chunk(11, key=by_three)


async def test_members_of_groups_keep_their_own_deliveries() -> None:
    class Picky:
        async def write(self, items: list[list[int]]) -> list[Exception | None]:
            return [ValueError(n) if n == 3 else None for n in items[0]]

    dead = sinks.to_list()
    queue = closed(range(6), dead_letter=dead)
    await (queue | op.chunk(3, key=by_three) | Picky())
    assert [letter.body for letter in dead.values] == [3]


async def test_members_of_a_dead_connection_leave_their_groups() -> None:
    queue = streams.memory.queue([0, 1, 3], prefetch=8)
    quick = streams.memory.queue([9], prefetch=8)
    pipeline = queue | op.merge(quick) | op.chunk(4, timeout=None, key=by_three) | sinks.to_list()
    handle = pipeline.start()
    await asyncio.sleep(0.01)
    queue.disconnect()
    await asyncio.sleep(5)
    queue.close()
    quick.close()
    assert await handle == [[9, 0, 3], [1]]
    assert (pipeline.summary.stale, sorted(queue.acked)) == (0, [0, 1, 3])


async def test_bytes_are_counted_for_each_key() -> None:
    words = ["aa", "bbb", "aaa", "b", "bbb", "a"]
    pipeline = (
        streams.of(*words)
        | op.chunk(9, timeout=None, max_bytes=5, key=lambda word: word[0])
        | sinks.to_list()
    )
    assert await pipeline == [["bbb", "b"], ["aa", "aaa"], ["bbb"], ["a"]]
