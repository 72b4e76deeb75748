"""What the laws do not say about flat_map: when the whole is settled, and with what."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.operators import splitting
from ackflow.streams import Requeue, Skip
from tests.queues import assert_all_closed, closed, ticks


async def test_a_value_that_yields_nothing_is_accepted() -> None:
    queue = closed(["", "a b"])
    pipeline = queue | op.flat_map(str.split) | sinks.to_list()
    assert await pipeline == ["a", "b"]
    assert pipeline.summary.accepted == 2


async def test_a_message_is_settled_when_its_last_part_is() -> None:
    async def wait_for_last(part: str) -> None:
        if part == "c":
            await gate.wait()

    gate = asyncio.Event()
    queue = closed(["a b c"])
    handle = (queue | op.flat_map(str.split) | sinks.each(wait_for_last)).start()
    await asyncio.sleep(1)
    assert (queue.acked, queue.unsettled) == ([], ["a b c"])
    gate.set()
    await handle
    assert queue.acked == ["a b c"]


def fails_for(bad: str, error: Exception) -> Callable[[str], str]:
    def check(part: str) -> str:
        if part == bad:
            raise error
        return part

    return check


@pytest.mark.parametrize("bad", ["a", "b", "c"])
async def test_the_worst_outcome_of_its_parts_is_that_of_the_message(bad: str) -> None:
    dead = sinks.to_list()
    queue = closed(["a b c", "d"], dead_letter=dead)
    check = op.map(fails_for(bad, ValueError("bad")))
    result = await (queue | op.flat_map(str.split) | check | sinks.to_list())
    assert result == [part for part in "abcd" if part != bad]
    assert [letter.body for letter in dead.values] == ["a b c"]
    assert queue.acked == ["d", "a b c"] or queue.acked == ["a b c", "d"]


async def test_a_skipped_part_counts_the_message_as_skipped() -> None:
    queue = closed(["a b"])
    pipeline = queue | op.flat_map(str.split) | op.map(fails_for("a", Skip())) | sinks.to_list()
    assert await pipeline == ["b"]
    assert (pipeline.summary.skipped, queue.acked) == (1, ["a b"])


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
    queue = closed(["ok", "bad", "end"], dead_letter=dead)
    result = await (queue | op.flat_map(parts(ValueError("half way"))) | sinks.to_list())
    assert result == ["ok1", "ok2", "bad1", "bad2", "end1", "end2"]
    assert [letter.body for letter in dead.values] == ["bad"]
    assert dead.values[0].headers["x-ackflow-error"] == "ValueError: half way"


@pytest.mark.parametrize("parts", [half_way, half_way_async])
async def test_an_outage_half_way_spends_no_attempt(parts: Any) -> None:
    error = ConnectionError("gone")
    tries = count(1)

    def mends(text: str) -> Any:
        return parts(error)(text) if next(tries) < 8 else [text]

    queue = closed(["bad"], attempts=1, wait=lambda state: 1.0)
    pipeline = queue | op.flat_map(mends) | sinks.to_list()
    assert (await pipeline)[-1] == "bad"
    assert (queue.acked, pipeline.summary.rejected) == (["bad"], 0)


async def test_an_outage_before_the_first_part_halts_and_hands_on_nothing_twice() -> None:
    tries = count(1)

    async def pages(site: str) -> AsyncIterator[str]:
        if site == "b" and next(tries) < 5:
            raise ConnectionError("refused")
        yield site + "1"
        yield site + "2"

    queue = closed(["a", "b"], attempts=1)
    pipeline = queue | op.flat_map(pages) | sinks.to_list()
    assert await pipeline == ["a1", "a2", "b1", "b2"]
    assert (pipeline.summary.halts, pipeline.summary.retried) == (1, 0)


async def test_the_parts_of_an_async_generator_do_not_wait_for_the_next() -> None:
    async def ticking(text: str) -> AsyncIterator[str]:
        for number in count():
            yield f"{text}{number}"
            await asyncio.sleep(1000)

    written = sinks.to_list()
    handle = (streams.of("a") | op.flat_map(ticking) | written).start()
    await asyncio.sleep(1500)
    assert written.values == ["a0", "a1"]
    await handle.abort()


async def test_endless_iterables_are_taken_as_needed() -> None:
    queue = closed(["a"])
    counting = op.flat_map(lambda text: count())
    assert await (queue | counting | op.take(1000) | sinks.count()) == 1000
    assert (queue.ready, queue.acked) == (["a"], [])
    assert_all_closed(queue)


async def test_endless_iterables_leave_the_loop_its_turns() -> None:
    seen: list[int] = []
    handle = (streams.of(1) | op.flat_map(lambda n: count()) | sinks.each(seen.append)).start()
    await ticks(50)
    assert seen
    await handle.abort()


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_generators_are_closed_when_the_stream_ends_early(asynchronous: bool) -> None:
    closes: list[str] = []

    def parts(text: str) -> Iterator[str]:
        try:
            while True:
                yield text
        finally:
            closes.append(text)

    async def parts_async(text: str) -> AsyncIterator[str]:
        try:
            while True:
                yield text
        finally:
            closes.append(text)

    def kept(text: str) -> Any:
        generators.append(parts_async(text) if asynchronous else parts(text))
        return generators[-1]

    generators: list[Any] = []
    step: Any = op.flat_map(kept)
    assert await (streams.of("a", "b") | step | op.take(3) | sinks.to_list()) == ["a"] * 3
    assert closes == ["a"]


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_a_generator_that_is_cancelled_by_itself_fails_its_message(
    asynchronous: bool,
) -> None:
    async def cancelling(text: str) -> AsyncIterator[str]:
        if text == "bad":
            raise asyncio.CancelledError
        yield text

    def cancelling_at_once(text: str) -> list[str]:
        if text == "bad":
            raise asyncio.CancelledError
        return [text]

    dead = sinks.to_list()
    queue = closed(["a", "bad", "b"], attempts=1, dead_letter=dead)
    step: Any = op.flat_map(cancelling if asynchronous else cancelling_at_once)
    assert await (queue | step | sinks.to_list()) == ["a", "b"]
    assert [letter.body for letter in dead.values] == ["bad"]


async def test_what_is_no_iterable_fails_and_says_what_to_use() -> None:
    with pytest.raises(
        TypeError, match=r"op\.flat_map\(f\): len must return .* got 3; use op\.map"
    ):
        await (streams.of("abc") | op.flat_map(len) | sinks.count())  # type: ignore[arg-type]


async def test_parts_given_back_give_the_message_back() -> None:
    queue = closed(["a b c", "d"])
    assert await (queue | op.flat_map(str.split) | op.take(2) | sinks.to_list()) == ["a", "b"]
    assert (queue.acked, queue.ready) == ([], ["a b c", "d"])


async def test_a_part_that_asks_to_come_again_brings_the_whole_message_again() -> None:
    tries = count(1)

    def not_yet(part: str) -> str:
        if part == "b" and next(tries) == 1:
            raise Requeue("not yet", after=3)
        return part

    queue = closed(["a b"])
    result = await (queue | op.flat_map(str.split) | op.map(not_yet) | sinks.to_list())
    assert result == ["a", "a", "b"]
    assert queue.acked == ["a b"]


async def test_a_machine_that_is_busy_at_any_moment_costs_no_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever looks at the clock finds that its time is over, even before it has begun."""
    seconds = iter(range(10**6))
    monkeypatch.setattr(splitting, "perf_counter", lambda: float(next(seconds)))
    queue = closed([3, 0, 400])
    assert await (queue | op.flat_map(range) | sinks.count()) == 403
    assert queue.acked == [3, 0, 400]
