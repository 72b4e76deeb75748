"""What the laws do not say about map_async: how many at a time, in what order, for how long."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from tests.queues import assert_all_closed, closed


class Calls:
    """An async function that counts how many of its calls are under way."""

    def __init__(self, *seconds: float) -> None:
        self.seconds = seconds
        self.started = 0
        self.running = 0
        self.most = 0

    async def __call__(self, number: int) -> int:
        self.started += 1
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(self.seconds[number % len(self.seconds)])
        self.running -= 1
        return number


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("concurrency", [1, 3, 50])
async def test_no_more_calls_are_under_way_than_allowed(ordered: bool, concurrency: int) -> None:
    calls = Calls(3, 1, 2)
    step = op.map_async(calls, concurrency=concurrency, ordered=ordered)
    result = await (streams.of(*range(20)) | step | sinks.to_list())
    assert sorted(result) == list(range(20))
    assert calls.most == min(20, concurrency)


async def test_the_order_of_the_input_is_kept() -> None:
    step = op.map_async(Calls(3, 2, 1), concurrency=3)
    assert await (streams.of(*range(6)) | step | sinks.to_list()) == [0, 1, 2, 3, 4, 5]


async def test_unordered_hands_on_what_is_finished_first() -> None:
    step = op.map_async(Calls(3, 2, 1), concurrency=3, ordered=False)
    assert await (streams.of(0, 1, 2) | step | sinks.to_list()) == [2, 1, 0]


@pytest.mark.parametrize("ordered", [True, False])
async def test_results_nobody_takes_stop_further_calls(ordered: bool) -> None:
    async def stuck(number: int) -> None:
        await asyncio.Event().wait()

    calls = Calls(1)
    step = op.map_async(calls, concurrency=3, ordered=ordered)
    handle = (streams.of(*range(99)) | step | sinks.each(stuck)).start()
    await asyncio.sleep(100)
    # One is with the sink, three are done and wait, and one run of results is on its way.
    assert calls.started <= 3 * 2
    await handle.abort()


@pytest.mark.parametrize(("concurrency", "ahead"), [(4, 0), (15, 0), (16, 1), (32, 2)])
async def test_it_pulls_a_sixteenth_further_than_its_concurrency(
    concurrency: int, ahead: int
) -> None:
    pulled: list[int] = []

    async def source() -> AsyncIterator[int]:
        for number in range(99):
            pulled.append(number)
            yield number

    async def stuck(number: int) -> None:
        await asyncio.Event().wait()

    step = op.map_async(stuck, concurrency=concurrency)
    handle = (streams.from_iterable(source()) | step | sinks.count()).start()
    await asyncio.sleep(100)
    assert len(pulled) == concurrency + ahead
    await handle.abort()


@pytest.mark.parametrize("ordered", [True, False])
async def test_what_follows_calls_that_ended_together_is_spread_over_turns_of_the_loop(
    ordered: bool,
) -> None:
    turn, ended = 0, asyncio.Event()
    started: dict[int, int] = {}

    async def count_turns() -> None:
        nonlocal turn
        while len(started) < 80:
            turn += 1
            await asyncio.sleep(0)

    async def call(number: int) -> None:
        started[number] = turn
        await ended.wait()

    step = op.map_async(call, concurrency=40, ordered=ordered)
    handle = (streams.of(*range(80)) | step | sinks.count()).start()
    await asyncio.sleep(1)
    assert sorted(started) == list(range(40))
    turns = asyncio.create_task(count_turns())
    ended.set()
    assert await handle == 80
    await turns
    each = Counter(started[number] for number in range(40, 80))
    assert max(each.values()) < 2 * 8, "they need not begin where the count of turns does"


async def test_results_of_calls_that_ended_together_are_written_together() -> None:
    ended, sizes = asyncio.Event(), list[int]()

    async def call(number: int) -> None:
        await ended.wait()

    class Sizes(streams.Sink[None, None]):
        name = "sizes"
        max_items = 100

        async def write(self, items: Sequence[None]) -> None:
            sizes.append(len(items))

    step = op.map_async(call, concurrency=40)
    handle = (streams.of(*range(40)) | step | Sizes()).start()
    await asyncio.sleep(1)
    ended.set()
    await handle
    assert sizes == [40]


async def test_a_call_that_takes_too_long_fails_its_message_alone() -> None:
    dead = sinks.to_list()
    queue = closed([0, 1, 2], attempts=1, dead_letter=dead)
    pipeline = queue | op.map_async(Calls(0.1, 9, 0.1), timeout=1) | sinks.to_list()
    assert await pipeline == [0, 2]
    assert [letter.body for letter in dead.values] == [1]
    assert dead.values[0].headers["x-ackflow-error-type"] == "CallTimeout"
    assert "timeout=1 s" in dead.values[0].headers["x-ackflow-error"]
    assert pipeline.summary.halts == 0


async def test_a_call_that_is_too_slow_is_tried_again_and_may_succeed() -> None:
    seconds = iter([9.0, 0.1])

    async def slow_at_first(value: str) -> str:
        await asyncio.sleep(next(seconds))
        return value

    queue = closed(["a"])
    pipeline = queue | op.map_async(slow_at_first, timeout=1) | sinks.to_list()
    assert await pipeline == ["a"]
    assert pipeline.summary.retried == 1


@pytest.mark.parametrize("ordered", [True, False])
async def test_a_user_function_that_is_cancelled_fails_its_message_alone(ordered: bool) -> None:
    async def cancelling(number: int) -> int:
        if number == 1:
            raise asyncio.CancelledError
        return number

    dead = sinks.to_list()
    queue = closed([0, 1, 2], attempts=1, dead_letter=dead)
    step = op.map_async(cancelling, ordered=ordered)
    assert sorted(await (queue | step | sinks.to_list())) == [0, 2]
    assert [letter.body for letter in dead.values] == [1]
    assert "cancelled" in dead.values[0].headers["x-ackflow-error"]


async def test_an_outage_halts_and_spends_no_attempt() -> None:
    failures = iter([ConnectionError("refused")] * 7 + [TimeoutError("late")])
    states: list[str] = []

    async def store(number: int) -> int:
        if number == 1 and (error := next(failures, None)):
            raise error
        return number

    async def watch() -> None:
        while True:
            await asyncio.sleep(0.3)
            states.append(handle.state)

    queue = closed([0, 1, 2], attempts=1)
    pipeline = queue | op.map_async(store, concurrency=2) | sinks.to_list()
    handle = pipeline.start()
    watching = asyncio.create_task(watch())
    assert await handle == [0, 1, 2]
    watching.cancel()
    await asyncio.wait([watching])
    assert (pipeline.summary.retried, pipeline.summary.rejected, pipeline.summary.halts) == (
        0,
        0,
        1,
    )
    assert any("ConnectionError: refused" in state for state in states)
    assert_all_closed(queue)


@pytest.mark.parametrize("ordered", [True, False])
async def test_calls_that_would_begin_in_an_outage_wait_for_its_end(ordered: bool) -> None:
    made: list[tuple[float, int]] = []
    back = 5.0

    async def store(number: int) -> int:
        made.append((asyncio.get_running_loop().time(), number))
        await asyncio.sleep(0.01 * number)
        if asyncio.get_running_loop().time() < back and number != 1:
            raise ConnectionError("refused")
        return number

    queue = closed(range(6), attempts=1)
    pipeline = queue | op.map_async(store, concurrency=2, ordered=ordered) | sinks.to_list()
    assert sorted(await pipeline) == list(range(6))
    during = {number for time, number in made if time < back}
    assert during == {0, 1}, "the others were not called before it was over"
    assert (pipeline.summary.retried, pipeline.summary.halts) == (0, 1)


async def test_a_call_that_runs_out_of_a_time_of_its_own_is_an_outage_and_not_too_slow() -> None:
    failures = iter([TimeoutError("its own")])

    async def fetch(number: int) -> int:
        if (error := next(failures, None)) is not None:
            raise error
        return number

    queue = closed([7], attempts=1)
    pipeline = queue | op.map_async(fetch, timeout=9) | sinks.to_list()
    assert await pipeline == [7]
    assert (pipeline.summary.halts, pipeline.summary.rejected) == (1, 0)


async def test_a_function_that_takes_no_value_fails_each_message() -> None:
    async def nothing() -> None: ...

    queue = closed([1, 2], attempts=1, dead_letter=(dead := sinks.to_list()))
    await (queue | op.map_async(nothing) | sinks.to_list())  # type: ignore[arg-type]
    assert [letter.headers["x-ackflow-error-type"] for letter in dead.values] == ["TypeError"] * 2


@pytest.mark.parametrize("ordered", [True, False])
async def test_failed_calls_make_room_for_those_that_wait(ordered: bool) -> None:
    """Found by the laws: when all calls under way had failed, the next were never started."""

    async def fails(number: int) -> int:
        raise ValueError(number)

    queue = closed(range(10), dead_letter="discard")
    step = op.map_async(fails, concurrency=3, ordered=ordered)
    assert await (queue | step | sinks.to_list()) == []
    assert sorted(queue.acked) == list(range(10))


async def test_an_ordinary_function_is_told_apart_when_it_is_called() -> None:
    with pytest.raises(TypeError, match=r"op\.map_async\(f\): str must return .* use op\.map"):
        await (streams.of(1) | op.map_async(str) | sinks.to_list())  # type: ignore[arg-type]


async def test_an_abort_cancels_the_calls_and_gives_their_messages_back() -> None:
    cancelled: list[int] = []

    async def long(number: int) -> None:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            cancelled.append(number)
            raise

    queue = closed([1, 2, 3])
    handle = (queue | op.map_async(long, concurrency=2) | sinks.count()).start()
    await asyncio.sleep(1)
    await handle.abort()
    assert sorted(cancelled) == [1, 2]
    assert (queue.ready, queue.acked) == ([1, 2, 3], [])
    assert_all_closed(queue)


@pytest.mark.parametrize("ordered", [True, False])
def test_a_run_ends_with_the_interrupt_of_a_call_when_the_loop_goes_on(ordered: bool) -> None:
    """As in a notebook, whose loop outlives a Ctrl-C."""

    async def interrupted(number: int) -> int:
        raise KeyboardInterrupt

    async def main() -> int:
        return await (streams.of(1) | op.map_async(interrupted, ordered=ordered) | sinks.count())

    loop = asyncio.new_event_loop()
    try:
        task = loop.create_task(main())
        for _ in range(3):
            with suppress(KeyboardInterrupt):
                loop.run_until_complete(asyncio.wait([task], timeout=1))
        assert task.done()
        assert isinstance(task.exception(), KeyboardInterrupt)
    finally:
        loop.close()
