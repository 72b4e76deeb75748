"""What all operators that keep values for a time have in common."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Message
from ackflow.streams.core import Context, Run, Stage, close
from tests.queues import assert_all_closed, closed
from tests.times import now

KEEPING = {
    "buffer": op.buffer(2),
    "buffer that drops": op.buffer(2, drop="oldest"),
    "debounce": op.debounce(1.0),
    "delay": op.delay(1.0),
    "rate_limit": op.rate_limit(2, per=1.0),
    "throttle": op.throttle(1.0),
}
each = pytest.mark.parametrize("operator", KEEPING.values(), ids=KEEPING)


@each
@pytest.mark.parametrize("prefetch", [1, 2])
async def test_a_small_prefetch_is_enough(operator: Any, prefetch: int) -> None:
    queue = closed(range(5), prefetch=prefetch)
    result = await (queue | operator | op.chunk(1) | sinks.to_list())
    assert result
    assert sorted(queue.acked) == list(range(5))
    assert_all_closed(queue)


@each
async def test_two_of_them_in_a_row_and_in_two_streams_at_once_do_not_disturb_each_other(
    operator: Any,
) -> None:
    queues = [closed(range(5)) for _ in range(2)]
    pipelines = [queue | operator | operator | sinks.to_list() for queue in queues]
    first, second = await asyncio.gather(*(pipeline.start()._result() for pipeline in pipelines))
    assert first == second
    assert all(sorted(queue.acked) == list(range(5)) for queue in queues)
    assert_all_closed(*queues)


@each
async def test_an_error_of_an_operator_before_ends_the_run(operator: Any) -> None:
    @op.operator(holds=0)
    async def breaking(messages: AsyncIterator[Message[int]]) -> AsyncIterator[Message[int]]:
        async for message in messages:
            await asyncio.sleep(0.25)
            if message.value == 2:
                raise OSError("it broke")
            yield message

    queue = streams.memory.queue(range(5))
    with pytest.raises(OSError, match="it broke"):
        await (queue | breaking() | operator | sinks.to_list())
    assert sorted(queue.acked + queue.ready) == list(range(5))
    assert 2 in queue.ready
    assert_all_closed(queue)


@each
async def test_an_error_of_the_source_comes_after_what_came_before_it(operator: Any) -> None:
    async def source() -> AsyncIterator[int]:
        yield 1
        raise OSError("the disk is gone")

    pipeline = streams.from_iterable(source()) | operator | (written := sinks.to_list())
    with pytest.raises(OSError, match="the disk is gone"):
        await pipeline
    assert written.values == [1]


@each
async def test_pulls_are_never_cancelled_while_the_run_goes_on(operator: Any) -> None:
    cancelled: list[int] = []

    async def source() -> AsyncIterator[int]:
        for number in range(4):
            try:
                await asyncio.sleep(1.5)
            except asyncio.CancelledError:
                cancelled.append(number)
                raise
            yield number

    result = await (streams.from_iterable(source()) | operator | sinks.to_list())
    assert result == [0, 1, 2, 3]
    assert cancelled == []


@each
async def test_a_drain_is_not_held_up(operator: Any) -> None:
    queue = streams.memory.queue(range(100))
    handle = (queue | operator | sinks.to_list()).start()
    await asyncio.sleep(0.25)
    await handle.drain()
    assert now() < 0.5
    assert sorted(queue.acked + queue.ready) == list(range(100))
    assert_all_closed(queue)


@pytest.mark.parametrize("operator", [op.delay(10), op.debounce(10)], ids=repr)
async def test_what_it_kept_of_a_lost_connection_is_not_handed_on(operator: Any) -> None:
    seen: list[tuple[float, int]] = []
    queue = streams.memory.queue([1])
    handle = (queue | operator | op.tap(lambda n: seen.append((now(), n))) | sinks.count()).start()
    await asyncio.sleep(5)
    queue.pause(20)
    queue.disconnect()
    await asyncio.sleep(35)
    queue.close()
    assert await handle == 1
    assert seen == [(35.0, 1)]


@each
async def test_nothing_of_it_is_left_behind(operator: Any) -> None:
    handle = (closed(range(5)) | operator | sinks.to_list()).start()
    await handle
    assert (handle._session.sleepers, handle._session.joiners) == (set(), [])
    timers: Any = asyncio.get_running_loop()
    assert [timer for timer in timers._scheduled if not timer.cancelled()] == []


@each
async def test_what_is_before_it_is_closed_at_once_when_what_follows_ends(operator: Any) -> None:
    closed: list[float] = []

    async def source() -> AsyncIterator[int]:
        try:
            for number in range(100):
                yield number
                await asyncio.sleep(0.25)
        finally:
            closed.append(now())

    values = streams.from_iterable(source()) | operator
    assert len(await (values | op.take(1) | sinks.to_list())) == 1
    assert len(closed) == 1
    assert asyncio.all_tasks() == {asyncio.current_task()}


class Watched(Stage):
    """Hands on runs, and remembers whether it was closed."""

    def __init__(self) -> None:
        self.closed = False

    def runs(self, context: Context, *inputs: AsyncIterator[Run[Any]]) -> Any:
        self.upstream = inputs[0]
        return self

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Run[Any]:
        return await anext(self.upstream)

    async def aclose(self) -> None:
        self.closed = True
        await close(self.upstream)


@each
@pytest.mark.parametrize("seconds", [0.0, 0.5, 1.5])
async def test_it_closes_what_is_before_it_whatever_it_waits_for(
    operator: Any, seconds: float
) -> None:
    watched = Watched()
    values: streams.Stream[int] = streams.Stream(watched, streams.memory.queue(range(5)))
    handle = (values | operator | sinks.each(lambda value: asyncio.sleep(1))).start()
    await asyncio.sleep(seconds)
    await handle.abort()
    # A run that was not begun has nothing to close.
    assert watched.closed == (seconds > 0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@each
async def test_what_it_keeps_is_looked_at_and_given_back(operator: Any) -> None:
    queue = streams.memory.queue([7])
    queue.close()
    assert await (queue | operator).peek(1) == [7]
    assert (queue.acked, queue.ready) == ([], [7])
    assert_all_closed(queue)
