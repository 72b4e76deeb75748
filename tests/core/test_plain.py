"""Plain sources: they can be read, and nothing can be given back to them."""

import asyncio
from itertools import count
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Reject, Requeue, Skip
from ackflow.streams.core import ACCEPTED, Session, from_lists, iterables, plain
from tests.queues import closed


def lists(*several: list[Any], pause: float = 0.0) -> Any:
    async def make() -> Any:
        for each in several:
            await asyncio.sleep(pause)
            yield each

    return make


async def test_lists_are_handed_out_value_by_value_and_counted() -> None:
    pipeline = from_lists(lists([1, 2], [], [3]), name="pages") | sinks.to_list()
    assert await pipeline == [1, 2, 3]
    assert (pipeline.summary.delivered, pipeline.summary.accepted) == (3, 3)
    assert repr(from_lists(lists(), name="pages", settings={"n": 3})) == "pages(n=3)"
    assert repr(from_lists(lists(), name="pages")) == "pages()"


@pytest.mark.parametrize(
    ("seconds", "sizes"),
    [(0.0, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 1809]), (0.01, [1] * 10_000)],
)
def test_a_synchronous_iterable_is_read_ahead_by_what_takes_milliseconds_up_to_4096(
    monkeypatch: pytest.MonkeyPatch, seconds: float, sizes: list[int]
) -> None:
    monkeypatch.setattr(iterables, "perf_counter", count(0.0, seconds).__next__)
    source: Any = streams.from_iterable(range(10_000)).stage
    assert [len(some) for some in source.lists()] == sizes


def test_what_becomes_slow_is_read_ahead_by_a_quarter(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(iterables, "perf_counter", lambda: now[0])
    monkeypatch.setattr(iterables, "WORK", 1.0)

    def numbers() -> Any:
        for number in range(100):
            now[0] += 0.0 if number < 15 else 0.0625
            yield number

    source: Any = streams.from_iterable(numbers()).stage
    # 16 in 1 s are not too slow; 32 in 2 s are, and so a quarter of them is next.
    assert [len(some) for some in source.lists()] == [1, 2, 4, 8, 16, 32, 8, 16, 13]


async def test_a_source_that_never_waits_lets_others_in_after_some_milliseconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, seen, turns = [0.0], list[int](), list[int]()
    monkeypatch.setattr(plain, "perf_counter", lambda: now[0])
    monkeypatch.setattr(plain, "WORK", 2.0)

    def pages() -> Any:
        for number in range(12):
            now[0] += 1.0
            seen.append(number)
            yield [number]

    async def turning() -> None:
        while True:
            turns.append(len(seen))
            await asyncio.sleep(0)

    other = asyncio.create_task(turning())
    assert await (from_lists(pages, name="pages") | sinks.to_list()) == list(range(12))
    other.cancel()
    assert sorted(set(turns)) == [0, 3, 6, 9, 12]
    assert asyncio.get_running_loop().time() == 0.0


async def test_lists_may_come_from_an_ordinary_iterator_and_one_that_cannot_be_closed() -> None:
    closings: list[str] = []

    def pages() -> Any:
        try:
            yield [1, 2]
            yield [3]
        finally:
            closings.append("closed")

    assert await (from_lists(pages, name="pages") | op.take(1) | sinks.to_list()) == [1]
    assert closings == ["closed"]
    fixed = from_lists(lambda: iter([[1], [2]]), name="fixed")
    assert await (fixed | sinks.to_list()) == [1, 2]


async def test_an_asynchronous_iterable_is_not_read_ahead_and_is_closed() -> None:
    events: list[Any] = []

    async def numbers() -> Any:
        try:
            for number in range(10):
                events.append(number)
                yield number
        finally:
            events.append("closed")

    await (streams.from_iterable(numbers()) | op.take(2) | sinks.to_list())
    assert events == [0, 1, "closed"]


async def test_an_asynchronous_iterator_that_cannot_be_closed_is_left_alone() -> None:
    class Numbers:
        def __init__(self) -> None:
            self.left = [1, 2]

        def __aiter__(self) -> "Numbers":
            return self

        async def __anext__(self) -> int:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop(0)

    assert await (streams.from_iterable(Numbers()) | sinks.to_list()) == [1, 2]


async def test_a_queue_is_emptied_as_it_fills() -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()
    for number in range(4140):
        queue.put_nowait(number)
    source: Any = streams.from_queue(queue).stage
    several = source.lists()
    assert [len(await anext(several)), len(await anext(several))] == [4096, 44]
    waiting = asyncio.ensure_future(anext(several))
    await asyncio.sleep(5)
    queue.put_nowait(7)
    assert await waiting == [7]
    await several.aclose()


async def test_a_queue_that_is_shut_down_ends_the_stream(monkeypatch: Any) -> None:
    class ShutDown(Exception):
        """What Python 3.13 raises."""

    class Ending(asyncio.Queue[int]):
        async def get(self) -> int:
            if self.empty():
                raise ShutDown
            return await super().get()

    import sys

    home = sys.modules[streams.from_queue.__module__]
    monkeypatch.setattr(home, "SHUT_DOWN", (ShutDown,))
    queue = Ending()
    for number in range(3):
        queue.put_nowait(number)
    assert await (streams.from_queue(queue) | sinks.to_list()) == [0, 1, 2]


async def test_a_limit_ends_the_run_in_the_middle_of_a_list() -> None:
    pipeline = from_lists(lists([1, 2, 3], [4, 5, 6]), name="pages") | sinks.to_list()
    assert await pipeline.start(limit=4) == [1, 2, 3, 4]
    assert pipeline.summary.delivered == 4


async def test_a_limit_reached_with_the_last_list_does_not_wait_for_the_next() -> None:
    pipeline = from_lists(lists([1, 2], [3], pause=5.0), name="pages") | sinks.to_list()
    assert await pipeline.start(limit=2) == [1, 2]
    assert asyncio.get_running_loop().time() == 5


async def test_a_paused_source_keeps_what_it_has_pulled_until_it_is_resumed() -> None:
    seen: list[int] = []
    stream = from_lists(lists([1], [2], [3], pause=1.0), name="pages")
    handle = (stream | sinks.each(seen.append)).start()
    await asyncio.sleep(1.5)
    handle.pause()
    await asyncio.sleep(10)
    assert seen == [1]
    handle.resume()
    await asyncio.sleep(0.5)
    assert seen == [1, 2]
    await handle
    assert seen == [1, 2, 3]


async def test_a_drain_ends_a_source_that_waits() -> None:
    stream = from_lists(lists([1], [2], pause=100.0), name="pages")
    handle = (stream | sinks.to_list()).start()
    await asyncio.sleep(150)
    await handle.drain()
    assert await handle == [1]
    assert asyncio.get_running_loop().time() == 150


@pytest.mark.parametrize(
    ("error", "raises"),
    [(Skip("no need"), False), (Reject("no use"), True), (RuntimeError("broken"), True),
     (Requeue("later"), True)],
)  # fmt: skip
async def test_what_fails_ends_the_run_and_what_is_skipped_does_not(
    error: Exception, raises: bool
) -> None:
    def work(value: int) -> int:
        if value == 2:
            raise error
        return value

    pipeline = streams.of(1, 2, 3) | op.map(work) | sinks.to_list()
    if raises:
        with pytest.raises(type(error)) as raised:
            await pipeline
        assert raised.value is error
    else:
        assert await pipeline == [1, 3]
        assert pipeline.summary.skipped == 1


@pytest.mark.parametrize("error", [Reject("no use"), RuntimeError("broken"), Requeue("later")])
async def test_on_request_failures_are_counted_and_dropped(error: Exception) -> None:
    def work(value: int) -> int:
        if value == 2:
            raise error
        return value

    stream = streams.from_iterable([1, 2, 3], on_error="skip")
    pipeline = stream | op.map(work) | sinks.to_list()
    assert await pipeline == [1, 3]
    assert (pipeline.summary.rejected, pipeline.summary.accepted) == (1, 2)


async def test_on_request_failures_go_to_a_sink_with_their_cause() -> None:
    dead = sinks.to_list()
    stream = streams.from_iterable(["1", "x", "3", "y"], on_error=dead)
    pipeline = stream | op.map(int) | sinks.to_list()
    assert await pipeline == [1, 3]
    assert [letter.body for letter in dead.values] == ["x", "y"]
    letter = dead.values[0]
    assert letter.source == "from_iterable"
    assert letter.headers["x-ackflow-source"] == "from_iterable"
    assert letter.headers["x-ackflow-error-type"] == "ValueError"
    assert pipeline.summary.dead_lettered == 2


async def test_dead_letters_are_written_before_the_stream_ends() -> None:
    written: list[float] = []

    async def take(letter: Any) -> None:
        written.append(asyncio.get_running_loop().time())

    stream = from_lists(lists(["x"], ["2"], pause=10.0), name="pages", on_error=sinks.each(take))
    assert await (stream | op.map(int) | sinks.to_list()) == [2]
    assert written == [10]


async def test_aborting_writes_no_more_dead_letters_and_closes_their_sink() -> None:
    events: list[str] = []

    class Dead:
        async def write(self, items: Any) -> None:
            events.append("write")

        async def close(self) -> None:
            events.append("close")

    async def store(value: str) -> None:
        if value == "x":
            raise ValueError("no use")
        await asyncio.sleep(1000)

    dead: Any = streams.core.as_sink(Dead())
    stream = streams.from_iterable(["x", "stuck"], on_error=dead)
    handle = (stream | op.chunk(2) | op.unchunk() | sinks.each(store)).start()
    await asyncio.sleep(1)
    await handle.abort()
    assert events == ["close"]


async def test_each_letter_has_the_value_that_failed() -> None:
    stream = from_lists(lists(["x"], ["y"]), name="pages", on_error=(dead := sinks.to_list()))
    together = stream | op.chunk(2) | op.unchunk() | op.map(int)
    assert await (together | sinks.to_list()) == []
    assert [letter.body for letter in dead.values] == ["x", "y"]


async def test_what_fails_after_the_source_has_ended_has_its_letter_too() -> None:
    async def store(value: str) -> None:
        await asyncio.sleep(5)
        raise ValueError(value)

    stream = streams.from_iterable(["x", "y"], on_error=(dead := sinks.to_list()))
    await (stream | sinks.each(store, concurrency=2))
    assert [letter.body for letter in dead.values] == ["x", "y"]


async def test_a_letter_that_is_skipped_is_no_error() -> None:
    def skip(letter: Any) -> None:
        raise Skip

    stream = streams.from_iterable(["x", "1"], on_error=sinks.each(skip))
    assert await (stream | op.map(int) | sinks.to_list()) == [1]


async def test_letters_that_are_being_written_are_waited_for_at_the_end() -> None:
    written: list[str] = []

    async def take(letter: Any) -> None:
        await asyncio.sleep(5)
        written.append(letter.body)

    stream = streams.from_iterable(["x", "y", "1"], on_error=sinks.each(take, concurrency=3))
    assert await (stream | op.map(int) | sinks.to_list()) == [1]
    assert written == ["x", "y"]


async def test_who_cancels_a_run_that_waits_for_its_source_gets_no_error() -> None:
    task = asyncio.create_task(_run(from_lists(lists([1], pause=100), name="pages")))
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_a_run_that_is_aborted_while_it_waits_for_its_source_was_cancelled() -> None:
    handle = (from_lists(lists([1], pause=100), name="pages") | sinks.to_list()).start()
    await asyncio.sleep(1)
    await handle.abort()
    with pytest.raises(asyncio.CancelledError):
        await handle


async def _run(stream: Any) -> None:
    await (stream | sinks.to_list())


async def test_a_window_lets_go_when_a_queue_and_a_plain_source_have_both_ended() -> None:
    queue = closed([1, 2], prefetch=50)
    windows = op.window(every=1000.0, max_items=50)
    windowed = queue | op.merge(streams.of(3)) | windows
    assert sorted((await (windowed | sinks.to_list()))[0]) == [1, 2, 3]
    assert asyncio.get_running_loop().time() < 1


async def test_who_watches_a_value_of_a_plain_source_hears_of_its_end() -> None:
    source: Any = from_lists(lists(), name="pages", on_error="skip").stage
    inlet, heard = source.inlet(Session(), 0), []
    inlet.watch(0, lambda: heard.append("first"))
    inlet.watch(1, lambda: heard.append("second"))
    inlet.settle([1], ACCEPTED)
    assert heard == ["second"]
    inlet.settle([0], ACCEPTED)
    assert heard == ["second", "first"]


async def test_what_is_given_back_to_a_plain_source_is_no_failure() -> None:
    async def store(value: int) -> None:
        await asyncio.sleep(1)

    dead = sinks.to_list()
    stream = streams.from_iterable(range(10), on_error=dead)
    handle = (stream | op.chunk(10) | op.unchunk() | sinks.each(store)).start()
    await asyncio.sleep(0.5)
    summary = await handle.drain()
    assert summary.accepted + summary.requeued == 10
    assert (summary.accepted, summary.rejected, dead.values) == (1, 0, [])


async def test_a_message_of_a_plain_source_has_its_value_as_its_delivery() -> None:
    dead = sinks.to_list()
    kept = streams.from_iterable(["a", "b"], on_error=dead)
    seen = []
    async for message in kept.messages():
        assert message.delivery is not None
        seen.append((message.delivery.body, message.delivery.source))
        message.ack()
        assert message.delivery is None
    assert seen == [("a", "from_iterable"), ("b", "from_iterable")]
    async for message in streams.of("a").messages():
        assert message.delivery is None, "nothing is kept where nobody will ask for it"
        message.ack()


@pytest.mark.parametrize("on_error", ["ignore", None, 3])
def test_on_error_is_one_of_two_words_or_a_sink(on_error: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"on_error\).* must be"):
        streams.from_iterable([1], on_error=on_error)


@pytest.mark.parametrize("values", [3, None, object()])
def test_what_cannot_be_iterated_is_refused_where_it_is_written(values: Any) -> None:
    with pytest.raises(TypeError, match=r"from_iterable\(values\).* must be an iterable"):
        streams.from_iterable(values)


async def test_what_a_plain_source_handed_out_is_in_flight_until_it_is_settled() -> None:
    async def store(value: int) -> None:
        await asyncio.sleep(1)

    handle = (from_lists(lists([1, 2, 3]), name="pages") | sinks.each(store)).start()
    await asyncio.sleep(1.5)
    assert handle.in_flight == 2
    await handle
    assert handle.in_flight == 0


async def test_a_queue_that_is_over_hears_of_the_end_of_a_plain_source() -> None:
    ending = from_lists(lists([3], [], pause=5.0), name="pages")
    windows = closed([1, 2]) | op.merge(ending) | op.window(every=1000.0, max_items=50)
    assert [sorted(window) for window in await (windows | sinks.to_list())] == [[1, 2, 3]]
    assert asyncio.get_running_loop().time() == 10


async def test_a_queue_that_is_over_hears_of_the_last_value_of_a_plain_source() -> None:
    async def skip(value: int) -> int:
        await asyncio.sleep(5)
        raise Skip

    skipped = streams.of(3) | op.map_async(skip)
    windows = closed([1, 2]) | op.merge(skipped) | op.window(every=1000.0, max_items=50)
    assert await (windows | sinks.to_list()) == [[1, 2]]
    assert asyncio.get_running_loop().time() == 5
