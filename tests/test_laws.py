"""The laws every operator keeps (contract 13), run over the table in cases.py."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams.memory import MemoryQueue
from tests.cases import CASES, EXTRA, Case, flat
from tests.queues import assert_all_closed, closed
from tests.virtual_time import run

every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
calling_case = pytest.mark.parametrize(
    "case", [c for c in CASES.values() if c.calls], ids=[n for n, c in CASES.items() if c.calls]
)
values = st.lists(st.integers(-4, 20), max_size=14)
bounded = settings(max_examples=25, deadline=None, database=None)


def same(value: int) -> int:
    return value


class Recording:
    """A sink that keeps what it accepted, and does something at one of its writes."""

    def __init__(self) -> None:
        self.accepted: list[Any] = []

    async def at(self, number: int) -> None:
        """What is done before the write of this number."""

    async def write(self, items: Sequence[Any]) -> None:
        await self.at(len(self.accepted))
        self.accepted += items


class Blocking(Recording):
    """Never accepts the element of this number."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.blocked = asyncio.Event()

    async def at(self, number: int) -> None:
        if number == self.number:
            self.blocked.set()
            await asyncio.Event().wait()


class Breaking(Recording):
    """Breaks a queue's connection before the elements of these numbers."""

    def __init__(self, queue: MemoryQueue[int], numbers: set[int]) -> None:
        super().__init__()
        self.queue = queue
        self.numbers = numbers

    async def at(self, number: int) -> None:
        if number in self.numbers:
            self.numbers.remove(number)
            self.queue.disconnect()


def test_every_public_operator_has_a_row() -> None:
    assert {row.split()[0] for row in CASES} == set(op.__all__)


@every_case
@bounded
@given(values)
def test_the_result_is_that_of_the_list_model(case: Case, xs: list[int]) -> None:
    async def main() -> None:
        result = await (streams.of(*xs) | case.make(same) | sinks.to_list())
        order = list if case.ordered else sorted
        assert order(result) == order(case.model(xs))
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())


@every_case
@bounded
@given(values, st.sampled_from([None, 3, 5]))
def test_every_delivery_is_settled_once_with_the_right_outcome(
    case: Case, xs: list[int], prefetch: int | None
) -> None:
    async def main() -> None:
        queue = closed(xs, prefetch=prefetch)
        pipeline = queue | case.make(same) | sinks.to_list()
        result = await pipeline
        if prefetch is None:
            order = list if case.ordered else sorted
            assert order(result) == order(case.model(xs))
        else:
            assert Counter(flat(result)) == Counter(flat(case.model(xs)))
        back = case.back(xs)
        assert queue.ready == back
        assert Counter(queue.acked) == Counter(xs) - Counter(back)
        assert queue.rejected == []
        summary = pipeline.summary
        assert summary.delivered - case.extra == len(queue.acked) + len(queue.requeued)
        assert (summary.skipped, summary.rejected) == (case.skipped(xs), 0)
        assert (summary.reconnects, summary.stale, summary.failures) == (0, 0, {})
        assert_all_closed(queue)

    run(main())


@calling_case
@bounded
@given(values, st.sets(st.integers(-4, 20)))
def test_an_error_in_the_users_function_settles_its_own_messages_alone(
    case: Case, xs: list[int], bad: set[int]
) -> None:
    def picky(value: int) -> int:
        if value in bad:
            raise ValueError(f"bad: {value}")
        return value

    async def main() -> None:
        dead = sinks.to_list()
        queue = closed(xs, dead_letter=dead)
        pipeline = queue | case.make(picky) | sinks.to_list()
        result = await pipeline
        good = [x for x in xs if x not in bad]
        order = list if case.ordered else sorted
        assert order(flat(result)) == order(flat(case.model(good)))
        assert sorted(letter.body for letter in dead.values) == sorted(x for x in xs if x in bad)
        assert Counter(queue.acked) == Counter(xs)
        assert pipeline.summary.rejected == len(xs) - len(good)
        assert queue.requeued == queue.rejected == queue.ready == []
        assert_all_closed(queue)

    run(main())


@every_case
@bounded
@given(values, st.integers(0, 14))
def test_aborting_gives_back_whatever_the_sink_had_not_accepted(
    case: Case, xs: list[int], number: int
) -> None:
    async def main() -> None:
        queue = closed(xs)
        sink = Blocking(number)
        handle = (queue | case.make(same) | sink).start()
        waiting = asyncio.create_task(sink.blocked.wait())
        await asyncio.wait([waiting, handle._task], return_when=asyncio.FIRST_COMPLETED)
        await handle.abort()
        waiting.cancel()
        await asyncio.wait([waiting])
        assert Counter(queue.acked) + Counter(queue.ready) == Counter(xs)
        assert queue.rejected == []
        if case.elementwise:
            promised = Counter(flat(case.model(queue.acked))) - Counter(EXTRA)
            assert promised <= Counter(flat(sink.accepted))
        assert_all_closed(queue)

    run(main())


@every_case
@bounded
@given(values, st.sets(st.integers(0, 14), max_size=3))
def test_lost_connections_lose_nothing(case: Case, xs: list[int], numbers: set[int]) -> None:
    async def main() -> None:
        queue = closed(xs)
        sink = Breaking(queue, numbers)
        pipeline = queue | case.make(same) | sink
        await pipeline
        assert Counter(queue.acked) + Counter(queue.ready) == Counter(xs)
        assert queue.rejected == []
        if case.elementwise:
            assert queue.ready == []
            assert Counter(flat(case.model(xs))) <= Counter(flat(sink.accepted))
        assert_all_closed(queue)

    run(main())


@every_case
@bounded
@given(values, st.integers(1, 5))
def test_looking_settles_nothing_and_closes_the_source_after_break(
    case: Case, xs: list[int], number: int
) -> None:
    async def main() -> None:
        queue = closed(xs)
        stream = queue | case.make(same)
        seen = 0
        async with stream.open() as looked:
            async for _ in looked:
                seen += 1
                if seen == number:
                    break
        assert Counter(queue.acked) + Counter(queue.ready) == Counter(xs)
        assert len(queue.acked) <= case.skipped(xs) + unheld(case, xs)
        assert_all_closed(queue)

    run(main())


def unheld(case: Case, xs: list[int]) -> int:
    """How many values become no element at all, and so are accepted at once."""
    return sum(not flat(case.model([x])) for x in xs)


@every_case
@bounded
@given(values, st.integers(0, 5))
def test_the_source_is_closed_when_what_follows_ends_early(
    case: Case, xs: list[int], number: int
) -> None:
    ended: list[bool] = []

    async def source() -> AsyncIterator[int]:
        try:
            for x in xs:
                yield x
        finally:
            ended.append(True)

    async def main() -> None:
        stream = streams.from_iterable(source()) | case.make(same)
        result = await (stream | op.take(number) | sinks.to_list())
        assert len(result) == min(number, len(case.model(xs)))
        assert len(ended) <= 1
        assert ended or not (xs and number)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())
