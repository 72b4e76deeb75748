"""Sinks made of sinks: tee, optional, route."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import tenacity

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Reject, Requeue
from tests.queues import assert_all_closed, closed, ticks

pytestmark = pytest.mark.usefixtures("virtual_clock")


class Store:
    """A sink that fails some values so many times, each by its own entry."""

    max_items = 100

    def __init__(self, failing: dict[int, int] | None = None, seconds: float = 0.0) -> None:
        self.failing = dict(failing or {})
        self.seconds = seconds
        self.written: list[int] = []
        self.closed = False

    async def write(self, items: Sequence[Any]) -> list[Exception | None]:
        await asyncio.sleep(self.seconds)
        values = items[0] if items and isinstance(items[0], list) else items
        return [self.entry(value) for value in values]

    def entry(self, value: int) -> Exception | None:
        if self.failing.get(value, 0) > 0:
            self.failing[value] -= 1
            return OSError(value)
        self.written.append(value)
        return None

    async def close(self) -> None:
        self.closed = True


def chunked(size: int) -> Any:
    return op.chunk(size) if size else op.tap(lambda n: None)


# -- tee ------------------------------------------------------------------------------------------


async def test_every_branch_gets_every_element_and_the_result_is_one_of_each() -> None:
    queue = closed([1, 2, 3])
    both = sinks.tee(sinks.to_list(), sinks.count())
    assert await (queue | both) == ([1, 2, 3], 3)
    assert queue.acked == [1, 2, 3]
    assert_all_closed(queue)


@pytest.mark.parametrize("size", [0, 3])
async def test_only_the_failing_branch_tries_again(size: int) -> None:
    good, bad = Store(), Store({2: 3})
    queue = closed([1, 2, 3], attempts=1)
    pipeline = queue | chunked(size) | sinks.tee(good, bad)
    await pipeline
    assert good.written == [1, 2, 3]
    assert sorted(bad.written) == [1, 2, 3]
    assert (sorted(queue.acked), queue.requeued) == ([1, 2, 3], [])
    assert pipeline.summary.accepted == 3


@pytest.mark.parametrize("size", [0, 3])
async def test_the_worst_outcome_counts_once_a_branch_has_given_up(size: int) -> None:
    dead = sinks.to_list()
    good, bad = Store(), Store({2: 99})
    queue = closed([1, 2, 3], dead_letter=dead)
    pipeline = queue | chunked(size) | sinks.tee(good, bad, attempts=3)
    await pipeline
    assert good.written == [1, 2, 3]
    assert bad.failing == {2: 96}
    assert [letter.body for letter in dead.values] == [2]
    assert (pipeline.summary.accepted, pipeline.summary.rejected) == (2, 1)


@pytest.mark.parametrize("order", [1, -1])
async def test_the_place_of_the_failing_branch_does_not_matter(order: int) -> None:
    dead = sinks.to_list()
    queue = closed([1, 2, 3], dead_letter=dead)
    await (queue | sinks.tee(*[Store(), Store({2: 99}), Store()][::order], attempts=1))
    assert [letter.body for letter in dead.values] == [2]


async def test_a_message_is_acked_only_when_the_slowest_branch_has_it() -> None:
    quick, slow = Store(), Store(seconds=10)
    queue = closed([1])
    handle = (queue | sinks.tee(quick, slow)).start()
    await asyncio.sleep(5)
    assert (quick.written, queue.acked) == ([1], [])
    await handle
    assert queue.acked == [1]


async def test_the_slowest_branch_sets_the_pace() -> None:
    async def wait(number: int) -> None:
        await gate.wait()

    gate = asyncio.Event()
    quick = Store()
    numbers = streams.from_iterable(_numbers(1000))
    handle = (numbers | sinks.tee(quick, sinks.each(wait))).start()
    await asyncio.sleep(10)
    assert 1 <= len(quick.written) <= 4
    gate.set()
    await handle
    assert len(quick.written) == 1000


async def _numbers(count: int) -> Any:
    for number in range(count):
        yield number


async def test_the_waits_of_a_branch_are_its_own_settings() -> None:
    moments: list[float] = []

    async def store(n: int) -> None:
        moments.append(asyncio.get_running_loop().time())
        raise OSError("no")

    branch = sinks.tee(Store(), sinks.each(store), attempts=3, wait=tenacity.wait_fixed(7))
    await (closed([1], dead_letter="discard") | branch)
    assert moments == [0, 7, 14]


async def test_a_requeue_in_a_branch_keeps_its_wait_and_spends_no_attempt() -> None:
    moments: list[float] = []

    async def not_yet(n: int) -> None:
        moments.append(asyncio.get_running_loop().time())
        if len(moments) < 4:
            raise Requeue("not yet", after=2)

    good = Store()
    queue = closed([1])
    await (queue | sinks.tee(good, sinks.each(not_yet), attempts=2))
    assert (moments, good.written, queue.acked) == ([0, 2, 4, 6], [1], [1])


async def test_a_rejection_in_a_branch_is_not_tried_again() -> None:
    calls: list[int] = []

    async def refuse(n: int) -> None:
        calls.append(n)
        raise Reject("no")

    dead = sinks.to_list()
    await (closed([1], dead_letter=dead) | sinks.tee(Store(), sinks.each(refuse)))
    assert calls == [1]
    assert dead.values[0].headers["x-ackflow-error"] == "Reject: no"


async def test_a_drain_gives_back_what_waits_for_another_try_in_a_branch() -> None:
    good, bad = Store(), Store({2: 99})
    queue = streams.memory.queue([1, 2, 3])
    wait = tenacity.wait_fixed(1000)
    handle = (queue | sinks.tee(good, bad, wait=wait)).start()
    await asyncio.sleep(1)
    began = asyncio.get_running_loop().time()
    await handle.drain()
    assert asyncio.get_running_loop().time() - began < 1
    assert (sorted(queue.acked), queue.ready) == ([1, 3], [2])
    assert_all_closed(queue)


async def test_an_abort_gives_back_what_no_branch_or_not_every_branch_has() -> None:
    async def stuck(n: int) -> None:
        if n == 2:
            await asyncio.Event().wait()

    good = Store()
    queue = closed([1, 2, 3])
    handle = (queue | sinks.tee(good, sinks.each(stuck))).start()
    await asyncio.sleep(1)
    await handle.abort()
    assert (queue.acked, queue.ready) == ([1], [2, 3])
    assert good.closed
    assert_all_closed(queue)


async def test_a_function_over_a_chunk_stays_one_unit_in_every_branch() -> None:
    queue = closed([1, 2, 3])
    totals = await (queue | op.chunk(3) | op.map(sum) | sinks.tee(sinks.to_list(), sinks.to_list()))
    assert totals == ([6], [6])
    assert queue.acked == [1, 2, 3]


async def test_branches_of_a_tee_may_be_pipes_of_sinks() -> None:
    inner = sinks.tee(sinks.to_list(), sinks.count())
    result = await (streams.of(1, 2) | sinks.tee(sinks.count(), inner))
    assert result == (2, ([1, 2], 2))


async def test_a_lost_connection_loses_nothing_in_a_tee() -> None:
    class Breaking(Store):
        async def write(self, items: Sequence[Any]) -> list[Exception | None]:
            if len(self.written) == 5:
                queue.disconnect()
            return await super().write(items)

    breaking, other = Breaking({7: 1}), Store({9: 2})
    breaking.max_items = other.max_items = 1
    queue = closed(range(12), prefetch=4)
    await (queue | sinks.tee(breaking, other))
    assert sorted(queue.acked) == list(range(12))
    assert set(breaking.written) == set(other.written) == set(range(12))
    assert_all_closed(queue)


async def test_all_branches_are_closed_even_where_one_raises_on_closing() -> None:
    class Broken(Store):
        async def close(self) -> None:
            raise OSError("can't close")

    first, last = Store(), Store()
    with pytest.raises(OSError, match="can't close"):
        await (streams.of(1) | sinks.tee(first, Broken(), last))
    assert (first.closed, last.closed) == (True, True)


# -- optional -------------------------------------------------------------------------------------


async def test_optional_accepts_at_once_and_drops_and_counts_what_there_is_no_room_for() -> None:
    async def stuck(n: int) -> None:
        await gate.wait()

    gate = asyncio.Event()
    queue = streams.memory.queue(range(5000), prefetch=1000)
    pipeline = queue | sinks.optional(sinks.each(stuck))
    handle = pipeline.start()
    await asyncio.sleep(1)
    assert queue.acked == list(range(5000))
    assert 3990 <= pipeline.summary.dropped <= 4000
    gate.set()
    await handle.drain()
    assert_all_closed(queue)


async def test_what_fails_in_an_optional_sink_is_counted_and_dropped() -> None:
    async def notify(n: int) -> None:
        if n == 2:
            raise ValueError("bad")
        seen.append(n)

    seen: list[int] = []
    store = Store()
    queue = closed([1, 2, 3], attempts=1)
    pipeline = queue | sinks.tee(store, sinks.optional(sinks.each(notify)))
    await pipeline
    assert (store.written, seen, queue.acked) == ([1, 2, 3], [1, 3], [1, 2, 3])
    assert pipeline.summary.failures["ValueError"].count == 1


@pytest.mark.parametrize("error", [OSError("no such host"), ConnectionError("refused")])
async def test_an_optional_sink_that_can_not_be_opened_holds_up_nobody(error: Exception) -> None:
    class Away(Store):
        async def open(self) -> None:
            raise error

    away = Away()
    queue = closed([1, 2, 3])
    pipeline = queue | sinks.tee(sinks.to_list(), sinks.optional(away))
    assert (await pipeline)[0] == [1, 2, 3]
    assert (queue.acked, away.written) == ([1, 2, 3], [])


async def test_an_outage_of_an_optional_sink_does_not_hold_up_the_end() -> None:
    async def away(n: int) -> None:
        raise ConnectionError("refused")

    queue = closed([1, 2, 3])
    pipeline = queue | sinks.optional(sinks.each(away))
    await pipeline
    assert queue.acked == [1, 2, 3]
    assert asyncio.get_running_loop().time() < 5


async def test_members_of_a_chunk_are_told_apart_in_an_optional_sink() -> None:
    store = Store({2: 1, 3: 1})
    pipeline = streams.of(1, 2, 3) | op.chunk(3) | sinks.optional(store)
    await pipeline
    assert store.written == [1]
    assert {kind: f.count for kind, f in pipeline.summary.failures.items()} == {"OSError": 2}


# -- route ----------------------------------------------------------------------------------------


async def test_every_element_goes_where_its_key_says() -> None:
    parity: Callable[[int], str] = lambda n: "odd" if n % 2 else "even"  # noqa: E731
    routes = {"odd": sinks.to_list(), "even": sinks.to_list()}
    queue = closed(range(6))
    result = await (queue | sinks.route(parity, routes))
    assert result == {"odd": [1, 3, 5], "even": [0, 2, 4]}
    assert Counter(queue.acked) == Counter(range(6))


async def test_a_key_without_a_route_fails_alone_and_names_the_routes() -> None:
    dead = sinks.to_list()
    queue = closed(["pt", "en", "pt"], dead_letter=dead)
    result = await (queue | sinks.route(str, {"pt": sinks.count()}))
    assert result == {"pt": 2}
    assert [letter.body for letter in dead.values] == ["en"]
    assert (
        "no route for the key 'en'; there are [\"'pt'\"]"
        in dead.values[0].headers["x-ackflow-error"]
    )


async def test_the_default_takes_the_rest() -> None:
    result = await (
        streams.of("pt", "en", "de") | sinks.route(str, {"pt": sinks.count()}, sinks.to_list())
    )
    assert result == {"pt": 1, None: ["en", "de"]}


async def test_a_key_that_raises_or_can_not_be_hashed_fails_alone() -> None:
    dead = sinks.to_list()
    queue = closed([{"k": 1}, {}, {"k": []}], dead_letter=dead)
    result = await (queue | sinks.route(lambda doc: doc["k"], {1: sinks.count()}))
    assert result == {1: 1}
    assert [letter.body for letter in dead.values] == [{}, {"k": []}]


async def test_what_fails_in_one_route_leaves_the_others_alone() -> None:
    dead = sinks.to_list()
    queue = closed(range(6), attempts=1, dead_letter=dead)
    good, bad = Store(), Store({3: 99})
    await (queue | sinks.route(lambda n: n % 2, {0: good, 1: bad}))
    assert (good.written, bad.written) == ([0, 2, 4], [1, 5])
    assert [letter.body for letter in dead.values] == [3]
    await ticks()
    assert good.closed
    assert bad.closed


# -- tee of pipelines -----------------------------------------------------------------------------


async def test_each_branch_of_a_tee_may_have_operators_of_its_own() -> None:
    queue = closed(range(5))
    both = sinks.tee(op.chunk(2) | sinks.to_list(), op.map(str) | op.skip(1) | sinks.to_list())
    assert await (queue | both) == ([[0, 1], [2, 3], [4]], ["1", "2", "3", "4"])
    assert queue.acked == list(range(5))
    assert_all_closed(queue)


async def test_only_the_failing_branch_goes_through_its_operators_again() -> None:
    calls: list[int] = []
    bad = Store({2: 3})
    bad.max_items = 1
    queue = closed([1, 2, 3], attempts=1)
    branch = op.tap(calls.append) | op.chunk(2, timeout=None) | bad
    good = Store()
    await (queue | sinks.tee(good, branch))
    assert good.written == [1, 2, 3]
    assert sorted(bad.written) == [1, 2, 3]
    assert Counter(calls) == {1: 1, 2: 4, 3: 1}
    assert sorted(queue.acked) == [1, 2, 3]


async def test_what_fails_in_an_operator_of_a_branch_is_tried_again_in_it() -> None:
    failures = [OSError("one"), OSError("two")]

    def flaky(value: int) -> int:
        if value == 2 and failures:
            raise failures.pop()
        return value

    queue = closed([1, 2, 3], attempts=1)
    result = await (queue | sinks.tee(sinks.to_list(), op.map(flaky) | sinks.to_list()))
    assert result[0] == [1, 2, 3]
    assert sorted(result[1]) == [1, 2, 3]
    assert sorted(queue.acked) == [1, 2, 3]


async def test_a_branch_that_ends_leaves_the_rest_to_the_others() -> None:
    queue = closed(range(100))
    result = await (queue | sinks.tee(op.take(2) | sinks.to_list(), sinks.count()))
    assert result == ([0, 1], 100)
    assert queue.acked == list(range(100))
    assert queue.requeued == []


async def test_a_branch_that_does_not_fit_is_refused_where_it_is_composed() -> None:
    class TakesChunks(streams.Sink[list[int], streams.Summary]):
        name = "bulk"
        chunks = True

    tee = sinks.tee(sinks.count(), op.map(str) | TakesChunks())
    with pytest.raises(TypeError, match=r"bulk takes chunks.*put op\.chunk"):
        streams.of(1) | tee
    streams.of(1) | op.chunk(2) | sinks.tee(sinks.count(), op.map_chunk(list) | TakesChunks())


async def test_what_became_stale_while_it_waited_for_a_branch_holds_up_nobody() -> None:
    slow = Store(seconds=10)
    queue = closed(range(5))
    handle = (queue | sinks.tee(sinks.to_list(), op.filter(bool) | slow)).start()
    await asyncio.sleep(1)
    queue.disconnect()
    await handle
    assert sorted(queue.acked) == list(range(5))
    assert set(slow.written) == {1, 2, 3, 4}
    assert_all_closed(queue)


async def test_a_branch_whose_own_operator_breaks_ends_the_run() -> None:
    @op.operator(holds=0)
    async def broken(messages: Any) -> Any:
        async for message in messages:
            yield message
            raise RuntimeError("broken")

    queue = closed([1, 2, 3])
    with pytest.raises(RuntimeError, match="broken"):
        await (queue | sinks.tee(sinks.to_list(), broken() | sinks.to_list()))
    assert_all_closed(queue)


async def test_members_keep_their_places_through_a_branch() -> None:
    queue = closed(range(4), dead_letter=(dead := sinks.to_list()))
    bad = Store()
    bad.entry = lambda value: Reject("odd") if value % 2 else None  # type: ignore[method-assign]
    await (queue | op.chunk(4) | sinks.tee(sinks.count(), op.unchunk() | op.chunk(3) | bad))
    assert sorted(letter.body for letter in dead.values) == [1, 3]
    assert len(queue.acked) == 4


async def test_a_drain_finishes_in_every_branch_what_is_in_one() -> None:
    quick = Store()
    queue = streams.memory.queue(range(10))

    async def slowly(value: int) -> int:
        await asyncio.sleep(1)
        return value

    slow = op.map_async(slowly, concurrency=2) | op.chunk(3, timeout=None) | op.unchunk()
    handle = (queue | sinks.tee(quick, slow | (stored := sinks.to_list()))).start()
    await asyncio.sleep(0.5)
    queue.put(*range(10, 20))
    await handle.drain()
    assert sorted(quick.written) == sorted(stored.values) == sorted(queue.acked) == list(range(10))
    assert queue.ready == list(range(10, 20))
    assert_all_closed(queue)
