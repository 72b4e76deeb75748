"""Sinks that hand values on: each and to_queue; and how a failing write is bisected."""

import asyncio
from collections.abc import Sequence
from math import ceil, log2
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Reject
from ackflow.streams.testing import run
from tests.queues import assert_all_closed, closed

pytestmark = pytest.mark.usefixtures("virtual_clock")


async def test_each_calls_ordinary_and_async_functions_with_each_element() -> None:
    seen: list[Any] = []

    async def store(value: Any) -> None:
        await asyncio.sleep(1)
        seen.append(value)

    await (streams.of(1, 2) | sinks.each(seen.append))
    await (streams.of(3, 4) | sinks.each(store))
    await (streams.of(5) | sinks.each(lambda value: store(value)))
    await (streams.of(6, 7, 8) | op.chunk(2) | sinks.each(store))
    assert seen == [1, 2, 3, 4, 5, [6, 7], [8]]


async def test_each_returns_the_summary() -> None:
    summary = await (closed([1, 2]) | sinks.each(lambda n: None))
    assert (summary.delivered, summary.accepted, summary.requeued) == (2, 2, 0)


async def test_no_more_calls_are_under_way_than_allowed() -> None:
    running = most = 0

    async def store(number: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(1 + number % 3)
        running -= 1

    queue = closed(range(20))
    await (queue | sinks.each(store, concurrency=4))
    assert most == 4
    assert sorted(queue.acked) == list(range(20))


class Store:
    """Stores chunks, unless one of its poisons is among them; counts the writes."""

    def __init__(self, *poisons: int) -> None:
        self.poisons = set(poisons)
        self.writes: list[list[int]] = []
        self.stored: list[int] = []

    async def __call__(self, chunk: list[int]) -> None:
        self.writes.append(chunk)
        if bad := self.poisons & set(chunk):
            raise ValueError(f"can't store {sorted(bad)}")
        self.stored += chunk


async def test_one_of_256_that_raises_fails_alone_in_an_idempotent_sink() -> None:
    for poison in (0, 100, 255):
        dead = sinks.to_list()
        store = Store(poison)
        queue = closed(range(256), dead_letter=dead)
        pipeline = queue | op.chunk(256) | sinks.each(store, idempotent=True)
        await pipeline
        assert [letter.body for letter in dead.values] == [poison]
        assert sorted(store.stored) == [n for n in range(256) if n != poison]
        assert (pipeline.summary.accepted, pipeline.summary.rejected) == (255, 1)
        assert len(store.writes) <= 2 * log2(256) + 1


async def test_one_that_raises_fails_the_chunk_as_one_where_writing_twice_may_do_harm() -> None:
    dead = sinks.to_list()
    store = Store(100)
    queue = closed(range(512), dead_letter=dead)
    pipeline = queue | op.chunk(256) | sinks.each(store)
    await pipeline
    assert sorted(letter.body for letter in dead.values) == list(range(256))
    assert store.stored == list(range(256, 512))
    assert len(store.writes) == 2


@settings(max_examples=40, deadline=None, database=None)
@given(st.integers(1, 64), st.sets(st.integers(0, 63), max_size=5))
def test_bisection_finds_what_can_not_be_stored_within_its_budget_per_round(
    size: int, poisons: set[int]
) -> None:
    async def main() -> None:
        dead = sinks.to_list()
        store = Store(*poisons)
        queue = closed(range(size), dead_letter=dead)
        await (queue | op.chunk(size) | sinks.each(store, idempotent=True))
        bad = sorted(poisons & set(range(size)))
        assert sorted(letter.body for letter in dead.values) == bad
        assert set(store.stored) == set(range(size)) - set(bad)
        if len(bad) == 1:
            assert len(store.writes) <= 2 * ceil(log2(size)) + 1

    run(main())


async def test_a_verdict_about_a_chunk_is_not_bisected() -> None:
    async def refuse(chunk: list[int]) -> None:
        calls.append(chunk)
        raise Reject("none of these")

    calls: list[list[int]] = []
    queue = closed(range(4), dead_letter="discard")
    pipeline = queue | op.chunk(4) | sinks.each(refuse, idempotent=True)
    await pipeline
    assert (len(calls), pipeline.summary.rejected) == (1, 4)


async def test_an_outage_halts_and_writes_again_when_it_is_over() -> None:
    failures = iter([ConnectionError("refused")] * 4)

    async def store(n: int) -> None:
        if n == 2 and (error := next(failures, None)):
            raise error
        stored.append(n)

    stored: list[int] = []
    queue = closed([1, 2, 3], attempts=1)
    pipeline = queue | sinks.each(store)
    await pipeline
    assert stored == [1, 2, 3]
    assert (pipeline.summary.halts, pipeline.summary.retried) == (1, 0)


async def test_a_function_that_cancels_itself_fails_its_element() -> None:
    async def cancels(n: int) -> None:
        if n == 2:
            raise asyncio.CancelledError

    dead = sinks.to_list()
    queue = closed([1, 2, 3], attempts=1, dead_letter=dead)
    await (queue | sinks.each(cancels))
    assert [letter.body for letter in dead.values] == [2]


# -- to_queue -------------------------------------------------------------------------------------


async def test_to_queue_waits_where_an_asyncio_queue_is_full() -> None:
    target: asyncio.Queue[int] = asyncio.Queue(maxsize=2)
    queue = closed(range(5))
    handle = (queue | sinks.to_queue(target)).start()
    await asyncio.sleep(1)
    assert (target.qsize(), sorted(queue.acked + queue.unsettled)) == (2, list(range(5)))
    assert [await target.get() for _ in range(5)] == list(range(5))
    await handle
    assert queue.acked == list(range(5))


async def test_to_queue_waits_where_too_much_is_ready_in_a_memory_queue() -> None:
    target: Any = streams.memory.queue()
    numbers = streams.from_iterable(range(30_000))
    handle = (numbers | sinks.to_queue(target)).start()
    await asyncio.sleep(1)
    assert 10_000 <= len(target.ready) < 10_000 + 256
    consuming = (target | op.take(30_000) | sinks.count()).start()
    summary = await handle
    assert summary.accepted == 30_000
    assert await consuming == 30_000


async def test_what_a_queue_refuses_fails_alone() -> None:
    class Choosy(asyncio.Queue[int]):
        async def put(self, item: int) -> None:
            if item == 2:
                raise ValueError("no twos")
            await super().put(item)

    dead = sinks.to_list()
    target = Choosy()
    queue = closed([1, 2, 3], dead_letter=dead)
    await (queue | sinks.to_queue(target))
    assert [target.get_nowait() for _ in range(target.qsize())] == [1, 3]
    assert [letter.body for letter in dead.values] == [2]


async def test_two_pipelines_are_joined_by_a_queue() -> None:
    words = streams.memory.queue([])
    first = (streams.of("a", "b", "c") | op.map(str.upper) | sinks.to_queue(words)).start()
    second = (words | op.take(3) | sinks.to_list()).start()
    await first
    assert await second == ["A", "B", "C"]
    assert_all_closed(words)


# -- sinks of one's own ---------------------------------------------------------------------------


async def test_any_object_with_write_is_a_sink() -> None:
    class Notes:
        concurrency = 1

        def __init__(self) -> None:
            self.said: list[Any] = []

        async def open(self) -> None:
            self.said.append("open")

        async def write(self, items: Sequence[int]) -> None:
            self.said += items

        async def close(self) -> None:
            self.said.append("close")

        def result(self) -> int:
            return len(self.said)

    notes = Notes()
    assert await (streams.of(1, 2) | notes) == 4
    assert notes.said == ["open", 1, 2, "close"]


async def test_an_answer_of_the_wrong_length_is_named() -> None:
    class Wrong:
        async def write(self, items: Sequence[list[int]]) -> list[None]:
            return [None, None]

    with pytest.raises(RuntimeError, match="3 were written, 2 entries came back"):
        await (streams.of(1, 2, 3) | op.chunk(3) | Wrong())
