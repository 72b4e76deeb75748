"""What the laws do not say about window: when windows begin and end, and who settles what."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from math import floor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams.amqp import queue as amqp_queue
from ackflow.streams.core import demand
from tests.cases import flat
from tests.queues import assert_all_closed, closed, ticks
from tests.times import Arrivals, Timed, arrive, came_out, now, schedules, singly, stamp

bounded = settings(max_examples=80, deadline=None, database=None)
seconds = st.sampled_from([0.25, 0.5, 1.0, 1.25])


# -- by time: models ------------------------------------------------------------------------------


def by_time(arrivals: Arrivals, every: float, span: float) -> list[tuple[float, list[int]]]:
    """Every window with the values that come in it, and when it ends, or the stream does."""
    values = singly(arrivals)
    if not values:
        return []
    first, last = values[0][0], values[-1][0]
    begins = [first + number * every for number in range(floor((last - first) / every) + 1)]
    found = []
    for begin in begins:
        members = [value for time, value in values if begin <= time < begin + span]
        found.append((min(begin + span, last), members))
    return [window for window in found if window[1]]


def by_session(arrivals: Arrivals, gap: float, longest: float) -> list[tuple[float, list[int]]]:
    found: list[tuple[float, list[int]]] = []
    begin = end = float("-inf")
    for time, value in singly(arrivals):
        if time >= end:
            found.append((0.0, []))
            begin = time
        end = min(time + gap, begin + longest)
        found[-1] = (end, [*found[-1][1], value])
    return found[:-1] + [(min(end, arrivals[-1][0]), members) for end, members in found[-1:]]


@bounded
@given(schedules, seconds)
def test_windows_by_time_hold_what_comes_from_their_begin_to_before_their_end(
    arrivals: Arrivals, every: float
) -> None:
    found = came_out(arrivals, op.window(every=every, max_items=100))
    assert found == by_time(arrivals, every, every)


@bounded
@given(schedules, seconds, st.sampled_from([0.25, 0.5, 1.5, 2.0, 2.25, 5.0]))
def test_a_value_is_in_every_window_that_covers_its_time(
    arrivals: Arrivals, every: float, span: float
) -> None:
    found = came_out(arrivals, op.window(every=every, span=span, max_items=100))
    assert found == by_time(arrivals, every, span)


@bounded
@given(schedules, seconds, st.sampled_from([1.25, 2.0, 4.5, 100.0]))
def test_sessions_end_when_nothing_came_for_so_long_or_when_they_are_too_old(
    arrivals: Arrivals, gap: float, longest: float
) -> None:
    found = came_out(arrivals, op.window(gap=gap, longest=longest, max_items=100))
    assert found == by_session(arrivals, gap, longest)


@bounded
@given(schedules, seconds, st.integers(1, 4))
def test_with_a_small_bound_nothing_is_lost_and_no_window_mixes_times(
    arrivals: Arrivals, every: float, most: int
) -> None:
    found: Any = [each for _, each in came_out(arrivals, op.window(every=every, max_items=most))]
    whole = [each for _, each in by_time(arrivals, every, every)]
    assert all(0 < len(part) <= most for part in found)
    for window in whole:
        taken: list[int] = []
        while taken != window:
            taken += found.pop(0)
            assert taken == window[: len(taken)]
    assert found == []


@bounded
@given(schedules, seconds, st.sampled_from([1.5, 2.25, 5.0]), st.integers(1, 4))
def test_overlapping_windows_with_a_small_bound_hand_on_the_same_in_more_parts(
    arrivals: Arrivals, every: float, span: float, most: int
) -> None:
    operator = op.window(every=every, span=span, max_items=most)
    found: Any = [each for _, each in came_out(arrivals, operator)]
    whole = [each for _, each in by_time(arrivals, every, span)]
    assert all(0 < len(part) <= most for part in found)
    assert Counter(flat(found)) == Counter(flat(whole))


# -- by time: instants ----------------------------------------------------------------------------


@pytest.mark.parametrize("spans", [{}, {"span": 1.0}], ids=str)
@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (0.9375, [(1.0, [1, 2]), (9.0, [3])]),
        (1.0, [(1.0, [1]), (2.0, [2]), (9.0, [3])]),
        (1.0625, [(1.0, [1]), (2.0, [2]), (9.0, [3])]),
    ],
)
async def test_what_comes_just_when_a_window_ends_is_in_the_next(
    time: float, expected: Timed, spans: Any
) -> None:
    arrivals = [(0.0, [1]), (time, [2]), (9.0, [3])]
    operator = op.window(every=1.0, max_items=9, **spans)
    assert await (arrive(arrivals) | operator | op.map(stamp) | sinks.to_list()) == expected


@pytest.mark.parametrize(("time", "together"), [(0.9375, True), (1.0, False), (1.0625, False)])
async def test_what_comes_just_when_the_gap_is_over_begins_a_session(
    time: float, together: bool
) -> None:
    arrivals = [(0.0, [1]), (time, [2])]
    found = await (arrive(arrivals) | op.window(gap=1.0, max_items=9) | sinks.to_list())
    assert found == ([[1, 2]] if together else [[1], [2]])


async def test_a_session_goes_on_for_ten_gaps_where_nothing_else_is_said() -> None:
    arrivals = [(number / 2, [number]) for number in range(30)]
    pipeline = arrive(arrivals) | op.window(gap=1.0, max_items=99) | op.map(stamp) | sinks.to_list()
    assert await pipeline == [(10.0, list(range(20))), (14.5, list(range(20, 30)))]
    assert pipeline.summary.flushes == {"time": 1, "end": 1}


async def test_windows_keep_their_distances_through_silence() -> None:
    arrivals = [(2.0, [1]), (1002.75, [2]), (1003.25, [3])]
    found = await (
        arrive(arrivals) | op.window(every=1.0, max_items=9) | op.map(stamp) | sinks.to_list()
    )
    assert found == [(3.0, [1]), (1003.0, [2]), (1003.25, [3])]


async def test_windows_do_not_drift_by_what_rounding_makes_of_their_times() -> None:
    # 0.1 is no fraction of a power of two: a sum of ten thousand is off by more than one step.
    arrivals = [(0.0, [0]), (1000.05, [1]), (1000.15, [2])]
    found = await (
        arrive(arrivals) | op.window(every=0.1, max_items=9) | op.map(stamp) | sinks.to_list()
    )
    assert [(round(time, 9), values) for time, values in found] == [
        (0.1, [0]), (1000.1, [1]), (1000.15, [2])
    ]  # fmt: skip


async def test_a_value_comes_when_it_comes_however_busy_the_consumer_is() -> None:
    written: list[list[int]] = []

    async def slow(window: list[int]) -> None:
        written.append(window)
        await asyncio.sleep(5)

    arrivals = [(number / 2, [number]) for number in range(8)]
    await (arrive(arrivals) | op.window(every=1.0, max_items=99) | sinks.each(slow))
    assert written == [[0, 1], [2, 3], [4, 5], [6, 7]]


async def test_while_the_consumer_is_busy_no_more_is_taken_in_than_the_bound() -> None:
    taken: list[int] = []

    async def never(window: list[int]) -> None:
        await asyncio.Event().wait()

    arrivals = [(number / 2, [number]) for number in range(40)]
    pipeline = (
        arrive(arrivals) | op.tap(taken.append) | op.window(every=1.0, max_items=5)
        | sinks.each(never)
    )  # fmt: skip
    handle = pipeline.start()
    await asyncio.sleep(100)
    # Two are with the consumer.
    assert len(taken) == 2 + 5
    await handle.abort()


async def test_a_full_window_hands_on_what_it_has_and_goes_on() -> None:
    arrivals = [(0.0, [1, 2, 3, 4, 5]), (0.5, [6]), (1.5, [7])]
    pipeline = arrive(arrivals) | op.window(every=1.0, max_items=3) | op.map(stamp)
    pipeline = pipeline | sinks.to_list()
    assert await pipeline == [(0.0, [1, 2, 3]), (0.5, [4, 5, 6]), (1.5, [7])]
    assert pipeline.summary.flushes == {"size": 2, "end": 1}


# -- by count -------------------------------------------------------------------------------------


def sliding(values: Sequence[int], count: int, step: int) -> list[list[int]]:
    """What fs2's `sliding` and Scala's collections make of it."""
    found = []
    begin = 0
    while begin < len(values):
        found.append(list(values[begin : begin + count]))
        if begin + count >= len(values):
            break
        begin += step
    return found


@bounded
@given(schedules, st.integers(1, 5), st.integers(1, 7))
def test_windows_by_count_come_as_soon_as_they_are_full(
    arrivals: Arrivals, count: int, step: int
) -> None:
    values = singly(arrivals)
    came = {value: time for time, value in values}
    found: Any = came_out(arrivals, op.window(count=count, step=step))
    assert [window for _, window in found] == sliding([value for _, value in values], count, step)
    assert all(
        time == (came[window[-1]] if len(window) == count else values[-1][0])
        for time, window in found
    )


async def test_many_windows_of_few_values_are_handed_on_a_portion_at_a_time() -> None:
    sizes: list[int] = []

    class Noting:
        concurrency = 1
        max_items = 10_000

        async def write(self, items: list[list[int]]) -> None:
            sizes.append(sum(map(len, items)))

    await (streams.of(*range(1000)) | op.window(count=100, step=1) | Noting())
    assert sum(sizes) == 901 * 100
    assert max(sizes) < 256 + 100


# -- acks -----------------------------------------------------------------------------------------


class Refusing:
    """Accepts windows, but for those that hold certain values as a whole."""

    def __init__(self, *refused: list[int]) -> None:
        self.refused = refused
        self.seen: list[list[int]] = []

    async def write(self, items: list[list[int]]) -> None:
        self.seen += items
        if items[0] in self.refused:
            raise ValueError(items)


SLIDING = {
    "by count": lambda queue: queue | op.window(count=3, step=1),
    "by time": lambda queue: (
        queue | op.rate_limit(1, per=1.0) | op.window(every=1.0, span=3.0, max_items=9)
    ),
}


@pytest.mark.parametrize("window", SLIDING.values(), ids=SLIDING)
async def test_what_is_accepted_in_one_window_and_refused_in_another_is_refused(
    window: Any,
) -> None:
    queue = closed(range(6), dead_letter="exchange")
    sink = Refusing([1, 2, 3])
    await (window(queue) | sink)
    assert sink.seen[:4] == [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]]
    assert (sorted(queue.acked), sorted(queue.rejected)) == ([0, 4, 5], [1, 2, 3])
    assert_all_closed(queue)


@pytest.mark.parametrize("window", SLIDING.values(), ids=SLIDING)
async def test_a_message_is_acked_when_its_last_window_is_and_not_before(window: Any) -> None:
    acked: list[list[int]] = []

    async def note(values: list[int]) -> None:
        await asyncio.sleep(0.25)  # time for the acks of the window before
        acked.append(sorted(queue.acked))

    queue = closed(range(5))
    await (window(queue) | sinks.each(note))
    assert acked[:3] == [[], [0], [0, 1]]
    assert sorted(queue.acked) == list(range(5))


async def test_members_are_settled_one_by_one_and_in_several_windows_by_their_worst() -> None:
    class Picky:
        async def write(self, items: list[list[int]]) -> list[Exception | None]:
            (window,) = items
            return [ValueError(n) if n == 2 and window[0] == 1 else None for n in window]

    for options in ({}, {"step": 1}, {"step": 2}):
        dead = sinks.to_list()
        queue = closed(range(1, 6), dead_letter=dead)
        pipeline = queue | op.window(count=3, **options) | Picky()
        await pipeline
        assert [letter.body for letter in dead.values] == [2]
        assert (pipeline.summary.accepted, pipeline.summary.rejected) == (4, 1)
        assert_all_closed(queue)


async def test_windows_of_chunks_keep_the_deliveries_of_their_members() -> None:
    queue = closed(range(1, 9), dead_letter=(dead := sinks.to_list()))
    stream = queue | op.chunk(2) | op.window(count=2) | op.unchunk() | op.unchunk()
    await (stream | op.map(lambda n: 1 // (n - 3)) | sinks.to_list())
    assert [letter.body for letter in dead.values] == [3]

    # In windows that overlap, what was a chunk is settled as one.
    queue = closed(range(1, 9), dead_letter=(dead := sinks.to_list()))
    await (queue | op.chunk(2) | op.window(count=2, step=1) | Refusing([[1, 2], [3, 4]]))
    assert sorted(letter.body for letter in dead.values) == [1, 2, 3, 4]
    assert len(queue.acked) == 8


async def test_what_falls_between_windows_is_skipped() -> None:
    queue = closed(range(7))
    pipeline = queue | op.window(count=2, step=3) | sinks.to_list()
    assert await pipeline == [[0, 1], [3, 4], [6]]
    assert (pipeline.summary.accepted, pipeline.summary.skipped) == (5, 2)

    queue = closed(range(6))
    pipeline = queue | op.rate_limit(1, per=0.5) | op.window(every=2.0, span=1.0, max_items=9)
    pipeline = pipeline | sinks.to_list()
    assert await pipeline == [[0, 1], [4, 5]]
    assert (pipeline.summary.accepted, pipeline.summary.skipped) == (4, 2)


async def test_a_value_that_failed_before_fails_alone() -> None:
    queue = closed([1, 0, 2], dead_letter=(dead := sinks.to_list()))
    stream = queue | op.map(lambda n: n // n * n) | op.window(count=3)
    stream = stream | op.catch(lambda error: [])
    assert await (stream | sinks.to_list()) == [[1, 2]]
    assert [letter.body for letter in dead.values] == [0]


class Stumbling:
    """Fails at its first write, which is its messages' own failure, and takes time for the second."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seen: list[list[int]] = []
        self._seconds = seconds

    async def write(self, items: list[list[int]]) -> None:
        self.seen += items
        if len(self.seen) == 1:
            await asyncio.sleep(self._seconds)
            raise OSError("the first write fails")


async def test_what_is_tried_again_is_in_a_window_again() -> None:
    for operator in (
        op.window(count=3),
        op.window(every=1.0, max_items=3),
        op.window(gap=1, max_items=3),
    ):
        queue = closed(range(4))
        await (queue | operator | (sink := Stumbling()))
        assert sink.seen[0] == [0, 1, 2]
        assert sorted(flat(sink.seen[1:])) == [0, 1, 2, 3]
        assert sorted(queue.acked) == [0, 1, 2, 3]


async def test_what_is_tried_again_after_the_end_of_its_source_is_waited_for() -> None:
    waits = iter([1.0, 2.0, 1.0])
    queue = closed([1, 2], wait=lambda state: next(waits))
    await (queue | op.window(every=10.0, max_items=4) | (sink := Stumbling()))
    # They come again one after the other, and the source has nothing more only after the second.
    assert sink.seen == [[1, 2], [1, 2]]
    assert (queue.acked, now()) == ([1, 2], 2.0)


# -- credit, other sources, ends ------------------------------------------------------------------


WINDOWS = {
    "tumbling by time": op.window(every=10.0, max_items=4),
    "sliding by time": op.window(every=10.0, span=20.0, max_items=4),
    "session": op.window(gap=10.0, max_items=4),
    "tumbling by count": op.window(count=4),
    "sliding by count": op.window(count=4, step=1),
}
each = pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
timed = pytest.mark.parametrize("window", list(WINDOWS.values())[:3], ids=list(WINDOWS)[:3])


@each
async def test_no_window_ends_early_for_want_of_credit(window: Any) -> None:
    """One message is held after a failure: with a prefetch of four that leaves three."""

    def failing(value: int) -> int:
        if value == 1:
            raise OSError("not yet")
        return value

    written = sinks.to_list()
    queue = streams.memory.queue(range(4), prefetch=4, wait=lambda state: 1000.0)
    handle = (queue | op.map(failing) | window | written).start()
    await asyncio.sleep(9)
    assert (written.values, queue.acked) == ([], [])
    assert sorted(queue.unsettled) == [0, 1, 2, 3]
    await handle.abort()


@timed
async def test_the_time_ends_a_window_whose_source_has_no_credit_left(window: Any) -> None:
    queue = streams.memory.queue(range(6), prefetch=4)
    stop = op.filter(lambda n: n != 9)
    pipeline = queue | op.chunk(2, timeout=None) | stop | op.unchunk() | window
    pipeline = pipeline | op.map(stamp) | op.take(1) | sinks.to_list()
    ((time, values),) = await pipeline
    assert (time, values) == (0.0, [0, 1, 2, 3])
    assert "window" not in pipeline.summary.flushes


async def test_chunks_let_go_for_the_credit_that_a_window_waits_for() -> None:
    queue = streams.memory.queue(range(6), prefetch=4, until_idle=5.0)
    pipeline = queue | op.window(count=2) | op.chunk(2, timeout=None) | sinks.to_list()
    assert await pipeline == [[[0, 1], [2, 3]], [[4, 5]]]


async def test_a_window_waits_while_a_chunk_beside_it_lets_go_for_want_of_credit() -> None:
    queue = streams.memory.queue(range(9), prefetch=4)
    ways = op.broadcast(
        op.filter(lambda n: n < 3) | op.window(every=60.0, max_items=4),
        op.filter(lambda n: n > 0) | op.chunk(4, timeout=None),
    )
    pipeline = queue | ways | (written := sinks.to_list())
    handle = pipeline.start()
    await asyncio.sleep(59)
    # That acks 3, so that 4 comes; all that is in flight then is parked in both again.
    assert written.values == [[1, 2, 3], [4], [5], [6], [7], [8]]
    assert pipeline.summary.flushes == {"window": 6}
    await asyncio.sleep(2)
    assert written.values[6:] == [[0, 1, 2]]
    await handle.abort()


@each
async def test_the_rest_comes_out_when_no_source_has_anything_more(window: Any) -> None:
    queue = streams.memory.queue([1, 2], until_idle=0.5)
    pipeline = queue | window | op.map(stamp) | sinks.to_list()
    assert await pipeline == [(0.5, [1, 2])]
    assert pipeline.summary.flushes == {"end": 1}
    assert queue.acked == [1, 2]
    assert_all_closed(queue)


@each
async def test_the_rest_comes_out_even_where_the_last_value_is_late(window: Any) -> None:
    """The source waits for the end when the value reaches the window: nothing else wakes it."""

    async def late(value: int) -> int:
        await asyncio.sleep(value)
        return value

    queue = closed([1, 2, 3])
    pipeline = queue | op.map_async(late) | window | op.map(stamp) | sinks.to_list()
    assert await pipeline == [(3.0, [1, 2, 3])]
    assert queue.acked == [1, 2, 3]


@each
async def test_a_window_and_a_chunk_behind_it_do_not_hang(window: Any) -> None:
    queue = closed(range(1, 4), prefetch=8)
    pipeline = queue | window | op.chunk(2, timeout=None) | sinks.to_list()
    assert await pipeline == [[[1, 2, 3]]]
    assert queue.acked == [1, 2, 3]

    queue = closed(range(1, 4), prefetch=8)
    pipeline = queue | op.chunk(2, timeout=None) | window | op.map(flat) | sinks.to_list()
    assert flat(await pipeline) == [1, 2, 3]
    assert queue.acked == [1, 2, 3]


@timed
async def test_a_quiet_second_queue_holds_up_no_window(window: Any) -> None:
    quiet = streams.memory.queue([])
    queue = closed([1, 2])
    handle = (queue | op.merge(quiet) | window | (written := sinks.to_list())).start()
    await asyncio.sleep(9)
    assert written.values == []
    await asyncio.sleep(21)
    assert Counter(flat(written.values)).keys() == {1, 2}
    assert sorted(queue.acked) == [1, 2]
    quiet.close()
    await handle
    assert_all_closed(queue, quiet)


@each
async def test_a_drain_hands_on_what_windows_have_so_far(window: Any) -> None:
    queue = streams.memory.queue([1, 2])
    handle = (queue | window | (written := sinks.to_list())).start()
    await asyncio.sleep(5)
    summary = await handle.drain()
    assert now() < 6
    assert written.values == [[1, 2]]
    assert (queue.acked, queue.requeued) == ([1, 2], [])
    assert summary.flushes == {"end": 1}
    assert_all_closed(queue)


@each
async def test_an_abort_in_the_middle_settles_nothing(window: Any) -> None:
    async def never(values: list[int]) -> None:
        await asyncio.Event().wait()

    queue = streams.memory.queue(range(7))
    handle = (queue | window | sinks.each(never)).start()
    await asyncio.sleep(5)
    await handle.abort()
    assert (queue.acked, queue.rejected) == ([], [])
    assert sorted(queue.requeued) == list(range(7))
    assert_all_closed(queue)


@each
async def test_members_of_a_dead_connection_leave_the_windows_and_come_again(window: Any) -> None:
    queue = streams.memory.queue([1, 2], prefetch=8)
    pipeline = queue | window | sinks.to_list()
    handle = pipeline.start()
    await asyncio.sleep(1)
    queue.disconnect()
    await asyncio.sleep(1)
    queue.put(3)
    queue.close()
    assert await handle == [[1, 2, 3]]
    assert queue.acked == [1, 2, 3]
    assert pipeline.summary.stale == 0
    assert_all_closed(queue)


async def test_a_lost_connection_takes_out_its_own_members_only() -> None:
    lost, other = streams.memory.queue([1], prefetch=8), streams.memory.queue([], prefetch=8)
    pipeline = lost | op.merge(other) | op.window(count=3, step=1) | sinks.to_list()
    handle = pipeline.start()
    await ticks()
    other.put(10, 20, 30)
    await ticks()
    lost.disconnect()
    await asyncio.sleep(1)
    other.put(40)
    await ticks()
    lost.close()
    other.close()
    found = await handle
    assert found[0] == [1, 10, 20]
    assert found[1:] == [[10, 20, 30], [20, 30, 1], [30, 1, 40]]
    assert (sorted(other.acked), lost.acked) == ([10, 20, 30, 40], [1])
    assert pipeline.summary.stale == 0


async def test_what_came_while_the_consumer_was_busy_leaves_with_its_connection() -> None:
    queue = streams.memory.queue([1, 2], prefetch=8)
    handle = (queue | op.window(count=2) | (sink := Stumbling(10.0))).start()
    await asyncio.sleep(2)
    queue.put(3)
    await asyncio.sleep(2)
    queue.disconnect()
    queue.close()
    await handle
    assert sink.seen == [[1, 2], [1, 2], [3]]
    assert queue.acked == [1, 2, 3]


async def test_a_source_that_is_lost_between_windows_has_its_values_in_the_right_one() -> None:
    queue = streams.memory.queue([1, 2], prefetch=8)
    pipeline = queue | op.window(every=10.0, max_items=8) | op.map(stamp) | sinks.to_list()
    handle = pipeline.start()
    await asyncio.sleep(9)
    queue.disconnect()
    await asyncio.sleep(12)
    queue.put(3)
    queue.close()
    assert await handle == [(10.0, [1, 2]), (21.0, [3])]
    assert queue.acked == [1, 2, 3]


# -- looking --------------------------------------------------------------------------------------


@each
async def test_looking_says_when_prefetch_lets_out_no_more(window: Any) -> None:
    queue = streams.memory.queue(range(6), prefetch=5)
    with pytest.raises(streams.PrefetchExhausted):
        async for _ in queue | window:
            await ticks()
    assert (queue.acked, queue.ready) == ([], list(range(6)))
    assert_all_closed(queue)


# -- where it is composed -------------------------------------------------------------------------


async def test_a_window_larger_than_prefetch_is_an_error_where_it_is_composed() -> None:
    queue = streams.memory.queue(prefetch=4)
    for window in (
        op.window(count=5),
        op.window(every=1.0, max_items=5),
        op.window(gap=1.0, max_items=5),
    ):
        with pytest.raises(ValueError, match=r"prefetch=4.*5 messages \(window 5\)"):
            queue | window
        assert demand(window.stages).sum == 5


@pytest.mark.parametrize(
    ("window", "seconds"),
    [
        (op.window(every=61.0, max_items=5), 61),
        (op.window(every=20.0, span=61.0, max_items=5), 61),
        (op.window(gap=6.1, max_items=5), 61),
        (op.window(gap=30.0, longest=61.0, max_items=5), 61),
    ],
)
async def test_a_window_longer_than_its_source_waits_is_an_error_where_it_is_composed(
    window: Any, seconds: float
) -> None:
    queue = amqp_queue("words", consumer_timeout=120.0)
    with pytest.raises(ValueError, match=rf"within 60 s.*window\(.*may keep them for {seconds} s"):
        queue | window
    amqp_queue("words", consumer_timeout=122.0) | window
    amqp_queue("words", consumer_timeout=120.0) | op.window(count=5)


def test_a_window_reads_as_it_was_written() -> None:
    assert repr(op.window(every=5, span=15.0, max_items=3)) == (
        "window(every=5, span=15.0, max_items=3)"
    )
    assert repr(op.window(gap=3, max_items=5)) == "window(gap=3, longest=30.0, max_items=5)"
    assert repr(op.window(count=3, step=1)) == "window(count=3, step=1)"
    assert repr(op.window(count=3)) == "window(count=3)"
