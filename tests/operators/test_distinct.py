"""What the laws do not say about distinct: what duplicates wait for, and what is remembered."""

import asyncio
import gc
from collections import Counter
from collections.abc import Sequence
from typing import Any
from weakref import ref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Reject, Requeue, Skip
from ackflow.streams.testing import run
from tests.queues import assert_all_closed, closed, ticks

bounded = settings(max_examples=60, deadline=None, database=None)


class Gate:
    """A sink that writes one element at a time, when it is told what becomes of it."""

    concurrency = 1

    def __init__(self) -> None:
        self.written: list[Any] = []
        self.accepted: list[Any] = []
        self.answers: asyncio.Queue[Exception | None] = asyncio.Queue()

    async def write(self, items: Sequence[Any]) -> None:
        self.written += items
        error = await self.answers.get()
        if error is not None:
            raise error
        self.accepted += items


async def test_a_key_is_remembered_once_its_first_value_was_accepted() -> None:
    queue, gate = streams.memory.queue(["a", "a", "b"]), Gate()
    handle = (queue | op.distinct() | gate).start()
    await ticks()
    assert (gate.written, queue.acked) == (["a"], [])
    gate.answers.put_nowait(None)
    await asyncio.sleep(1)
    assert (gate.written, queue.acked) == (["a", "b"], ["a", "a"])
    gate.answers.put_nowait(None)
    queue.put("a")
    await asyncio.sleep(1)
    assert queue.acked == ["a", "a", "b", "a"]
    queue.close()
    await handle
    assert (handle.stats().accepted, handle.stats().skipped) == (2, 2)
    assert_all_closed(queue)


async def test_what_the_sink_drops_on_purpose_is_remembered() -> None:
    queue = streams.memory.queue(["a", "a"])
    handle = (queue | op.distinct() | op.filter(lambda value: False) | sinks.count()).start()
    await asyncio.sleep(1)
    queue.put("a")
    queue.close()
    assert await handle == 0
    assert handle.stats().skipped == 3


async def test_duplicates_come_again_when_the_first_one_does() -> None:
    queue, gate = closed(["a", "a", "b"], prefetch=16), Gate()
    handle = (queue | op.distinct() | gate).start()
    for answer in (Requeue("later", after=5), None, None):
        gate.answers.put_nowait(answer)
    await handle
    assert gate.written == ["a", "b", "a"]
    assert (Counter(queue.acked), handle.stats().retried) == (Counter(["a", "a", "b"]), 2)
    assert (handle.stats().accepted, handle.stats().skipped) == (2, 1)
    assert_all_closed(queue)


async def test_a_failure_of_the_first_one_spends_an_attempt_of_each() -> None:
    dead = sinks.to_list()
    queue = closed(["a", "a"], attempts=2, dead_letter=dead, prefetch=16)
    gate = Gate()
    handle = (queue | op.distinct() | gate).start()
    for _ in range(3):
        gate.answers.put_nowait(OSError("no"))
    await handle
    assert gate.written == ["a", "a", "a"]  # the second time each comes by itself
    assert [letter.body for letter in dead.values] == ["a", "a"]
    assert [letter.headers["x-ackflow-attempts"] for letter in dead.values] == [2, 2]


async def test_duplicates_of_a_rejected_value_are_rejected_and_later_ones_begin_anew() -> None:
    dead = sinks.to_list()
    queue, gate = streams.memory.queue(["a", "a"], dead_letter=dead), Gate()
    handle = (queue | op.distinct() | gate).start()
    gate.answers.put_nowait(Reject("never"))
    await asyncio.sleep(1)
    queue.put("a", "a")
    await ticks()
    gate.answers.put_nowait(None)
    queue.close()
    await handle
    assert [letter.body for letter in dead.values] == ["a", "a"]
    assert (gate.accepted, queue.acked) == (["a"], ["a"] * 4)
    assert (handle.stats().rejected, handle.stats().accepted, handle.stats().skipped) == (2, 1, 1)


async def test_duplicates_share_the_outcome_at_their_own_sources() -> None:
    dead = sinks.to_list()
    first, second = closed(["a"], dead_letter="discard"), closed(["a"], dead_letter=dead)
    gate = Gate()
    gate.concurrency = 2
    handle = (first | op.merge(second) | op.distinct() | gate).start()
    await ticks()
    assert (gate.written, first.unsettled, second.unsettled) == (["a"], ["a"], ["a"])
    gate.answers.put_nowait(Reject("never"))
    await handle
    assert [letter.body for letter in dead.values] == ["a"]
    assert handle.stats().rejected == 2
    assert_all_closed(first, second)


async def test_a_drain_gives_duplicates_back_with_what_was_not_begun() -> None:
    queue, gate = streams.memory.queue(["a", "b", "b"], prefetch=3), Gate()
    handle = (queue | op.distinct() | gate).start()
    await ticks()
    draining = asyncio.create_task(handle.drain())
    gate.answers.put_nowait(None)
    await draining
    assert (queue.acked, queue.ready) == (["a"], ["b", "b"])
    assert_all_closed(queue)


# -- lost connections -----------------------------------------------------------------------------


async def test_a_duplicate_takes_the_place_of_one_whose_connection_was_lost() -> None:
    async def slow(value: str) -> str:
        await asyncio.sleep(5)
        return value

    queue = streams.memory.queue(["a", "b"], prefetch=2)
    stream = queue | op.distinct() | op.chunk(2, timeout=100) | op.unchunk()
    handle = (stream | op.map_async(slow) | (result := sinks.to_list())).start()
    await asyncio.sleep(1)
    queue.disconnect()
    queue.close()
    await handle
    assert sorted(result.values) == ["a", "b"]
    assert sorted(queue.acked) == ["a", "b"]
    assert_all_closed(queue)


async def test_a_duplicate_keeps_a_value_alive_whose_own_connection_was_lost() -> None:
    first, second = streams.memory.queue(["a"]), streams.memory.queue([])
    stream = first | op.merge(second) | op.distinct() | op.chunk(5, timeout=10)
    handle = (stream | (result := sinks.to_list())).start()
    await ticks()
    second.put("a")
    await ticks()
    first.disconnect()
    await asyncio.sleep(15)
    assert result.values == [["a"]]
    assert second.acked == ["a"]
    first.close()
    second.close()
    await handle
    assert first.acked == ["a"]
    assert handle.stats().skipped == 2
    assert_all_closed(first, second)


async def test_what_was_accepted_is_remembered_although_its_connection_was_lost() -> None:
    queue, gate = closed(["a"]), Gate()
    handle = (queue | op.distinct() | gate).start()
    await ticks()
    queue.disconnect()
    await ticks()
    gate.answers.put_nowait(None)
    await handle
    assert (gate.accepted, queue.acked) == (["a"], ["a"])
    assert (handle.stats().stale, handle.stats().skipped) == (1, 1)


async def test_a_value_that_comes_again_while_it_is_being_written_is_a_first_one_again() -> None:
    queue, gate = closed(["a"]), Gate()
    gate.concurrency = 2
    handle = (queue | op.distinct() | gate).start()
    await ticks()
    queue.disconnect()
    await asyncio.sleep(1)
    assert gate.written == ["a", "a"]
    for _ in range(2):
        gate.answers.put_nowait(None)
    await handle
    assert (queue.acked, handle.stats().stale, handle.stats().skipped) == (["a"], 1, 0)


async def test_a_failure_without_a_connection_says_nothing_of_the_value_that_came_again() -> None:
    queue, gate = streams.memory.queue(["a"]), Gate()
    gate.concurrency = 3
    handle = (queue | op.distinct() | gate).start()
    await ticks()
    queue.disconnect()
    await asyncio.sleep(1)
    gate.answers.put_nowait(OSError("no"))
    await ticks()
    queue.put("a")
    await ticks()
    assert gate.written == ["a", "a"]
    gate.answers.put_nowait(None)
    queue.close()
    await handle
    assert (gate.accepted, queue.acked) == (["a"], ["a", "a"])


async def test_keys_whose_messages_went_elsewhere_are_forgotten() -> None:
    class Key:
        pass

    made: list[ref[Key]] = []

    def key(value: str) -> Key:
        made.append(ref(found := Key()))
        return found

    first, second = streams.memory.queue(["a"]), streams.memory.queue()
    stream = first | op.merge(second) | op.distinct(key) | op.chunk(9, timeout=None)
    handle = (stream | sinks.to_list()).start()
    await ticks()
    first.pause(1000)
    first.disconnect()
    await asyncio.sleep(1)
    second.put("b")
    await ticks()
    gc.collect()
    assert [each() is None for each in made] == [True, False]
    await handle.drain()
    assert (first.ready, second.acked) == (["a"], ["b"])


@bounded
@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.integers(0, 3), max_size=20))
def test_whatever_happens_no_value_is_acked_that_the_sink_did_not_accept(
    values: list[str], script: list[int]
) -> None:
    async def main() -> None:
        queue = closed(values, attempts=100)
        steps = iter(script)
        accepted: list[str] = []
        early: set[str] = set()

        async def write(value: str) -> None:
            match next(steps, 0):
                case 1:
                    raise Requeue("later", after=1)
                case 2:
                    queue.disconnect()
                    await asyncio.sleep(1)
                case 3:
                    raise OSError("no")
            accepted.append(value)

        def look(value: str) -> None:
            early.update(set(queue.acked) - set(accepted))

        await (queue | op.tap(look) | op.distinct() | sinks.each(write))
        assert (sorted(accepted), early) == (sorted(set(values)), set())
        assert Counter(queue.acked) == Counter(values)
        assert_all_closed(queue)

    run(main())


# -- bounds ---------------------------------------------------------------------------------------


async def test_within_counts_from_the_time_a_value_was_accepted() -> None:
    queue, gate = streams.memory.queue(["a"]), Gate()
    handle = (queue | op.distinct(within=10) | gate).start()
    await asyncio.sleep(5)
    gate.answers.put_nowait(None)  # remembered from 5 to 15
    for seconds in (9.5, 0.5):
        await asyncio.sleep(seconds)
        queue.put("a")
    await ticks()
    assert gate.written == ["a", "a"]
    gate.answers.put_nowait(None)
    queue.close()
    await handle
    assert (handle.stats().accepted, handle.stats().skipped) == (2, 1)


async def test_a_duplicate_does_not_lengthen_the_time() -> None:
    queue = streams.memory.queue()
    handle = (queue | op.distinct(within=10) | (result := sinks.to_list())).start()
    for _ in range(5):
        queue.put("a")
        await asyncio.sleep(4)
    queue.close()
    await handle
    assert result.values == ["a", "a"]  # at 0 and at 12 seconds


async def test_the_oldest_keys_are_forgotten_first_where_there_is_no_room() -> None:
    queue = streams.memory.queue()
    handle = (queue | op.distinct(keys=2) | (result := sinks.to_list())).start()
    for value in "abcbcab":
        queue.put(value)
        await asyncio.sleep(1)
    queue.close()
    await handle
    assert "".join(result.values) == "abcab"


async def test_more_keys_than_are_remembered_may_be_under_way() -> None:
    queue = closed("abcabc", prefetch=6)
    pipeline = queue | op.distinct(keys=1) | op.chunk(6) | sinks.to_list()
    assert await pipeline == [["a", "b", "c"]]
    assert pipeline.summary.skipped == 3


async def test_every_run_of_a_pipeline_begins_with_no_keys() -> None:
    pipeline = streams.of(1, 1, 2) | op.distinct() | sinks.to_list()
    assert (await pipeline, await pipeline) == ([1, 2], [1, 2])


# -- joined and split -----------------------------------------------------------------------------


async def test_duplicates_wait_for_a_chunk_that_flushes_when_no_credit_is_left() -> None:
    queue = streams.memory.queue(["a", "a", "a", "b", "c"], prefetch=3)
    stream = queue | op.distinct() | op.chunk(3, timeout=None)
    handle = (stream | (result := sinks.to_list())).start()
    await asyncio.sleep(1)
    assert result.values == [["a"]]
    queue.close()
    assert await handle == [["a"], ["b", "c"]]
    assert Counter(queue.acked) == Counter("aaabc")


async def test_duplicates_that_come_late_flush_the_chunk_they_wait_for() -> None:
    async def slow(value: str) -> str:
        await asyncio.sleep(5)
        return value

    first, second = streams.memory.queue(["a"]), streams.memory.queue(["a", "a"], prefetch=2)
    stream = first | op.merge(second | op.map_async(slow)) | op.distinct()
    handle = (stream | op.chunk(2, timeout=None) | sinks.to_list()).start()
    await asyncio.sleep(6)
    assert (first.acked, second.acked) == (["a"], ["a", "a"])
    first.close()
    second.close()
    await handle


async def test_duplicates_within_one_message_are_settled_with_it() -> None:
    queue = closed(["to be or not to be", "to be"], dead_letter=(dead := sinks.to_list()))

    def picky(word: str) -> str:
        if word == "not":
            raise ValueError(word)
        return word

    words = queue | op.flat_map(str.split) | op.distinct() | op.map(picky)
    assert await (words | sinks.to_list()) == ["to", "be", "or"]
    assert [letter.body for letter in dead.values] == ["to be or not to be"]
    assert queue.acked == ["to be or not to be", "to be"]
    assert_all_closed(queue)


async def test_equal_chunks_are_duplicates_as_a_whole() -> None:
    dead = sinks.to_list()
    queue, gate = closed([1, 2, 1, 2, 3], dead_letter=dead), Gate()
    chunks = queue | op.chunk(2, timeout=None) | op.distinct(tuple)
    assert chunks.places == 0
    handle = (chunks | gate).start()
    for answer in (None, Reject("no")):
        gate.answers.put_nowait(answer)
    await handle
    assert (gate.written, [letter.body for letter in dead.values]) == ([[1, 2], [3]], [3])
    assert (handle.stats().accepted, handle.stats().skipped) == (2, 2)


async def test_distinct_behind_distinct() -> None:
    twice = op.distinct(lambda n: n % 6) | op.distinct(lambda n: n % 3)
    queue = closed(range(12))
    assert await (queue | twice | sinks.to_list()) == [0, 1, 2]
    assert queue.acked == [*range(12)]


async def test_messages_settled_by_hand_settle_their_duplicates() -> None:
    queue = closed([("a", 1), ("a", 2), ("b", 3)])
    seen: list[Any] = []
    async for message in (queue | op.distinct(lambda pair: pair[0])).messages():
        assert message.delivery is not None
        seen.append(message.delivery.body)
        message.ack()
    assert seen == [("a", 1), ("b", 3)]
    assert queue.acked == [("a", 1), ("a", 2), ("b", 3)]


# -- bad input ------------------------------------------------------------------------------------


async def coroutine(value: Any) -> Any:
    return value


def stopping(value: Any) -> Any:
    raise StopIteration


def cancelling(value: Any) -> Any:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda value: [value], "op.distinct(key): later must return something hashable, got [1]"),
        (lambda value: coroutine(value), "later returned a coroutine"),
        (stopping, "later raised StopIteration"),
        (cancelling, "later raised CancelledError"),
    ],
)
async def test_a_value_without_a_key_fails_alone(answer: Any, says: str) -> None:
    def later(value: int) -> Any:
        return answer(value) if value == 1 else value

    queue = closed([0, 1, 2], dead_letter=(dead := sinks.to_list()), attempts=1)
    assert await (queue | op.distinct(later) | sinks.to_list()) == [0, 2]
    (letter,) = dead.values
    assert letter.body == 1
    assert says in str(letter.headers["x-ackflow-error"])


async def test_a_value_that_is_not_hashable_needs_a_key() -> None:
    queue = closed([{"id": 1}, {"id": 1}], dead_letter=(dead := sinks.to_list()))
    assert await (queue | op.distinct() | sinks.to_list()) == []
    assert "op.distinct(key)" in str(dead.values[0].headers["x-ackflow-error"])
    again = closed([{"id": 1}, {"id": 1}])
    assert await (again | op.distinct(lambda doc: doc["id"]) | sinks.to_list()) == [{"id": 1}]


async def test_a_catch_reaches_across_it_in_order() -> None:
    keys = op.distinct(lambda n: 1 // n) | op.catch(lambda error: "caught")
    assert await (closed([1, 0, -1, 1]) | keys | sinks.to_list()) == [1, "caught", -1]


async def test_none_is_a_value_and_a_key_like_any_other() -> None:
    assert await (streams.of(None, 1, None) | op.distinct() | sinks.to_list()) == [None, 1]


async def test_a_verdict_of_the_key_function_is_kept() -> None:
    def key(value: int) -> int:
        if value == 2:
            raise Skip("no")
        return value

    pipeline = closed([1, 2, 1]) | op.distinct(key) | sinks.to_list()
    assert await pipeline == [1]
    assert pipeline.summary.skipped == 2
