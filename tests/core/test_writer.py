"""Writers: one sink in one run, and what becomes of what it says."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Reject, Sink, Skip, Summary, Unavailable
from tests.core.stages import refusing
from tests.queues import assert_all_closed, closed, ticks


class Store(Sink[Any, Summary]):
    """Keeps what it is given; `refused` are raised for, one write at a time or one in a list."""

    name = "store"

    def __init__(self, **settings: Any) -> None:
        self.writes: list[list[Any]] = []
        self.events: list[str] = []
        for name, value in settings.items():
            setattr(self, name, value)

    async def open(self) -> None:
        self.events.append("open")

    async def write(self, items: Sequence[Any]) -> Sequence[Exception | None] | None:
        self.writes.append(list(items))
        return None

    async def close(self) -> None:
        self.events.append("close")


class Slow(Store):
    """Takes a second for each write."""

    async def write(self, items: Sequence[Any]) -> None:
        self.events.append(f"began {items[0]}")
        await asyncio.sleep(1)
        self.events.append(f"ended {items[0]}")


class Idempotent(Store):
    """Raises for a write with a bad item in it."""

    idempotent = True

    def __init__(self, bad: set[int], error: Exception | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self.bad = bad
        self.error = error or RuntimeError("bad")
        self.written: list[int] = []

    async def write(self, items: Sequence[Any]) -> None:
        members = items[0] if isinstance(items[0], list) else items
        self.writes.append(list(members))
        if self.bad & set(members):
            raise self.error
        self.written += members


async def test_elements_are_written_in_order_and_accepted() -> None:
    queue, sink = closed(range(5)), Store()
    summary = await (queue | sink)
    assert sink.writes == [[0], [1], [2], [3], [4]]
    assert sink.events == ["open", "close"]
    assert (queue.acked, summary.accepted) == ([0, 1, 2, 3, 4], 5)


@pytest.mark.parametrize(("most", "sizes"), [(2, [2, 2, 1]), (5, [5]), (9, [5])])
async def test_a_write_gets_so_many_elements_at_most(most: int, sizes: list[int]) -> None:
    queue, sink = closed(range(5)), Store(max_items=most)
    await (queue | sink)
    assert [len(items) for items in sink.writes] == sizes
    assert [item for items in sink.writes for item in items] == list(range(5))


@pytest.mark.parametrize("concurrency", [1, 2, 5])
async def test_so_many_writes_are_under_way_at_once(concurrency: int) -> None:
    queue, sink = closed(range(5)), Slow(concurrency=concurrency)
    await (queue | sink)
    loop = asyncio.get_running_loop()
    assert loop.time() == pytest.approx(-(-5 // concurrency), abs=0.1)
    assert sink.events[1 : concurrency + 1] == [f"began {n}" for n in range(concurrency)]
    assert sink.events[-1] == "close"
    assert sorted(queue.acked) == list(range(5))


async def test_entries_say_what_became_of_each_element() -> None:
    class Judging(Store):
        async def write(self, items: Sequence[Any]) -> Sequence[Exception | None]:
            verdicts = {"skip": Skip("no need"), "bad": Reject("no use")}
            return [verdicts.get(item) for item in items]

    queue = closed(["good", "skip", "bad"], dead_letter=(dead := sinks.to_list()))
    summary = await (queue | Judging(max_items=3))
    assert (summary.accepted, summary.skipped, summary.rejected) == (1, 1, 1)
    assert [letter.body for letter in dead.values] == ["bad"]


async def test_an_outage_among_the_entries_writes_only_what_is_not_settled_again() -> None:
    class Half(Store):
        async def write(self, items: Sequence[Any]) -> Sequence[Exception | None]:
            self.writes.append(list(items))
            away = len(self.writes) == 1
            return [Unavailable("away") if away and item % 2 else None for item in items]

    sink = Half(max_items=4)
    summary = await (closed(range(4)) | sink)
    assert sink.writes == [[0, 1, 2, 3], [1, 3]]
    assert (summary.accepted, summary.halts) == (4, 1)


async def test_a_failure_that_no_catch_takes_is_settled_and_not_written() -> None:
    queue, sink = closed(range(4), dead_letter=(dead := sinks.to_list())), Store()
    pipeline = refusing(queue, 2) | sink
    await pipeline
    assert sink.writes == [[0], [1], [3]]
    assert [letter.body for letter in dead.values] == [2]
    assert pipeline.summary.failures["ValueError"].stage == "store"


async def test_what_is_left_without_a_live_channel_is_not_written() -> None:
    queue, sink = streams.memory.queue(range(3)), Slow()
    handle = (queue | sink).start()
    await asyncio.sleep(0.5)
    queue.disconnect()
    queue.close()
    summary = await handle
    assert sink.events.count("began 1") == 1, "written for the live channel alone"
    assert (sink.events.count("began 0"), summary.stale) == (2, 1)
    assert sorted(queue.acked) == [0, 1, 2]


@pytest.mark.parametrize("concurrency", [1, 2])
async def test_a_policy_that_breaks_ends_the_run_with_its_error(concurrency: int) -> None:
    def broken(state: Any) -> float:
        raise ZeroDivisionError("no such wait")

    class Failing(Store):
        async def write(self, items: Sequence[Any]) -> None:
            raise RuntimeError("broken")

    queue = streams.memory.queue([1, 2], wait=broken)
    with pytest.raises(ZeroDivisionError, match="no such wait"):
        await (queue | Failing(concurrency=concurrency))
    assert queue.ready == [1, 2]
    assert_all_closed(queue)


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_aborting_ends_writes_in_flight_and_settles_nothing(concurrency: int) -> None:
    queue, sink = streams.memory.queue(range(5)), Slow(concurrency=concurrency)
    handle = (queue | sink).start()
    await asyncio.sleep(0.5)
    await handle.abort()
    assert sink.events[-1] == "close"
    assert not any(event.startswith("ended") for event in sink.events)
    assert (queue.acked, queue.ready) == ([], list(range(5)))
    assert handle.stats().failures == {}, "cancellation is no verdict"
    assert_all_closed(queue)


async def test_a_drain_gives_back_run_after_run() -> None:
    queue, sink = streams.memory.queue(range(4)), Slow()
    handle = (refusing(queue) | sink).start()
    await asyncio.sleep(0.5)
    await handle.drain()
    assert (queue.acked, queue.ready) == ([0], [1, 2, 3])
    assert asyncio.get_running_loop().time() == pytest.approx(1, abs=0.1)


async def test_a_drain_gives_back_elements_no_write_has_begun_with() -> None:
    queue, sink = streams.memory.queue(range(6)), Slow(max_items=2)
    handle = (queue | sink).start()
    await asyncio.sleep(0.5)
    summary = await handle.drain()
    assert (sorted(queue.acked), queue.ready) == ([0, 1], [2, 3, 4, 5])
    assert summary.requeued == 4
    assert summary.accepted == 2


async def test_a_drain_writes_the_chunks_that_were_made() -> None:
    queue, sink = streams.memory.queue(range(4)), Slow()
    handle = (queue | op.chunk(2) | sink).start()
    await asyncio.sleep(0.5)
    await handle.drain()
    assert sorted(queue.acked) == [0, 1, 2, 3]


async def test_a_sink_that_cancels_itself_fails_its_own_messages() -> None:
    class Cancelling(Store):
        async def write(self, items: Sequence[Any]) -> None:
            raise asyncio.CancelledError("of its own")

    queue = closed(["a", "b"], attempts=1, dead_letter=(dead := sinks.to_list()))
    await (queue | Cancelling())
    assert [letter.body for letter in dead.values] == ["a", "b"]
    assert "store cancelled itself" in dead.values[0].headers["x-ackflow-error"]


# -- bisection ----------------------------------------------------------------------------------


async def test_a_sink_that_is_not_idempotent_fails_the_whole_write() -> None:
    queue = closed(range(4), attempts=1, dead_letter=(dead := sinks.to_list()))
    sink = Idempotent({2}, idempotent=False)
    await (queue | op.chunk(4) | sink)
    assert sink.writes == [[0, 1, 2, 3]]
    assert [letter.body for letter in dead.values] == [0, 1, 2, 3]


async def test_bisection_finds_the_bad_member_in_as_few_writes_as_it_may_take() -> None:
    queue = closed(range(8), attempts=1, dead_letter=(dead := sinks.to_list()))
    sink = Idempotent({5})
    await (queue | op.chunk(8) | sink)
    assert [letter.body for letter in dead.values] == [5]
    assert sorted(sink.written) == [0, 1, 2, 3, 4, 6, 7]
    assert sink.writes == [
        list(range(8)), [0, 1, 2, 3], [4, 5, 6, 7], [4, 5], [6, 7], [4], [5]
    ]  # fmt: skip


async def test_bisection_looks_everywhere_before_it_looks_closer() -> None:
    queue = closed(range(8), attempts=1, dead_letter=(dead := sinks.to_list()))
    sink = Idempotent({1, 6})
    await (queue | op.chunk(8) | sink)
    assert sink.writes[:7] == [
        list(range(8)), [0, 1, 2, 3], [4, 5, 6, 7], [0, 1], [2, 3], [4, 5], [6, 7]
    ]  # fmt: skip
    assert sorted(letter.body for letter in dead.values) == [1, 6]


async def test_what_bisection_may_not_look_for_any_more_comes_again() -> None:
    queue = closed(range(4), attempts=1, dead_letter=(dead := sinks.to_list()))
    sink = Idempotent({0, 1, 2, 3})
    summary = await (queue | op.chunk(4) | sink)
    assert sorted(letter.body for letter in dead.values) == [0, 1, 2, 3]
    assert [len(write) for write in sink.writes[:5]] == [4, 2, 2, 1, 1]
    assert summary.retried >= 2, "the rest of the first round came again, and spent no attempt"


async def test_a_single_bad_element_is_written_once() -> None:
    queue = closed([1], attempts=1, dead_letter=(dead := sinks.to_list()))
    sink = Idempotent({1})
    await (queue | sink)
    assert sink.writes == [[1]]
    assert [letter.body for letter in dead.values] == [1]


async def test_a_verdict_on_a_whole_write_is_not_bisected() -> None:
    queue = closed(range(4), dead_letter=(dead := sinks.to_list()))
    sink = Idempotent({2}, Reject("all of it"))
    await (queue | op.chunk(4) | sink)
    assert sink.writes == [[0, 1, 2, 3]]
    assert [letter.body for letter in dead.values] == [0, 1, 2, 3]


async def test_a_verdict_on_a_half_is_not_bisected_any_further() -> None:
    class Rejecting(Idempotent):
        async def write(self, items: Sequence[Any]) -> None:
            with suppress(RuntimeError):
                await super().write(items)
                return
            raise Reject("this half") if len(self.writes[-1]) == 2 else RuntimeError("all")

    queue = closed(range(4), attempts=1, dead_letter=(dead := sinks.to_list()))
    sink = Rejecting({2})
    await (queue | op.chunk(4) | sink)
    assert sink.writes == [[0, 1, 2, 3], [0, 1], [2, 3]]
    assert [letter.body for letter in dead.values] == [2, 3]


async def test_an_outage_while_bisecting_is_waited_out() -> None:
    class Failing(Idempotent):
        async def write(self, items: Sequence[Any]) -> None:
            if len(self.writes) == 1 and not self.events.count("away"):
                self.events.append("away")
                raise Unavailable("away")
            await super().write(items)

    queue = closed(range(2), attempts=1, dead_letter=(dead := sinks.to_list()))
    sink = Failing({1})
    summary = await (queue | op.chunk(2) | sink)
    assert sink.writes == [[0, 1], [0], [1]]
    assert ([letter.body for letter in dead.values], summary.halts) == ([1], 1)


# -- sinks that settle messages themselves ------------------------------------------------------


class ByMessage:
    """A user's sink that settles its messages itself, as `settle` says."""

    def __init__(self, settle: Any) -> None:
        self.settle = settle
        self.seen: list[Any] = []

    async def write_messages(self, messages: Sequence[Any]) -> None:
        for message in messages:
            self.seen.append(message.value)
            self.settle(message)


async def test_a_sink_may_settle_its_messages_itself() -> None:
    def settle(message: Any) -> None:
        if message.value == "bad":
            message.reject("no use")
        else:
            message.accept()

    queue = closed(["good", "bad"], dead_letter=(dead := sinks.to_list()))
    sink: Any = ByMessage(settle)
    pipeline = queue | sink
    await pipeline
    assert sink.seen == ["good", "bad"]
    assert pipeline.summary.accepted == 1
    assert [letter.body for letter in dead.values] == ["bad"]


async def test_messages_a_sink_leaves_unsettled_have_failed() -> None:
    queue = closed(["a"], attempts=1, dead_letter=(dead := sinks.to_list()))
    sink: Any = ByMessage(lambda message: None)
    await (queue | sink)
    said = dead.values[0].headers["x-ackflow-error"]
    assert said == "RuntimeError: sink left messages unsettled"


async def test_messages_left_when_a_sink_raises_fail_with_its_error() -> None:
    def settle(message: Any) -> None:
        raise KeyError("no such table")

    queue = closed(["a"], dead_letter=(dead := sinks.to_list()))
    sink: Any = ByMessage(settle)
    await (queue | sink)
    assert dead.values[0].headers["x-ackflow-error-type"] == "KeyError"


async def test_messages_settled_before_a_sink_raises_stay_so() -> None:
    def settle(chunk: Any) -> None:
        chunk.members[0].accept()
        chunk.members[1].reject("no use")
        raise KeyError("no such table")

    queue = closed(range(3), dead_letter=(dead := sinks.to_list()))
    sink: Any = ByMessage(settle)
    pipeline = queue | op.chunk(3) | sink
    await pipeline
    causes = {letter.body: letter.headers["x-ackflow-error-type"] for letter in dead.values}
    assert causes == {1: "Reject", 2: "KeyError"}
    assert pipeline.summary.accepted == 1


async def test_members_a_sink_leaves_unsettled_have_failed_alone() -> None:
    def settle(chunk: Any) -> None:
        chunk.members[0].accept()
        chunk.members[2].skip()

    queue = closed(range(3), attempts=1, dead_letter=(dead := sinks.to_list()))
    sink: Any = ByMessage(settle)
    pipeline = queue | op.chunk(3) | sink
    await pipeline
    assert [letter.body for letter in dead.values] == [1]
    assert (pipeline.summary.accepted, pipeline.summary.skipped) == (1, 1)


async def test_messages_whose_channel_went_while_they_were_written_are_no_failure() -> None:
    queue = streams.memory.queue(["a"])

    class Breaking:
        async def write_messages(self, messages: Sequence[Any]) -> None:
            if not queue.requeued:
                queue.disconnect()
                await ticks()
            else:
                queue.close()
                for message in messages:
                    message.accept()

    sink: Any = Breaking()
    pipeline = queue | sink
    await pipeline
    assert queue.acked == ["a"]
    assert pipeline.summary.failures == {}
