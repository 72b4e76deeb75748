"""What the laws do not say about map_in, with executors whose workers die in virtual time."""

import asyncio
import concurrent.futures
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import WorkerDied
from ackflow.streams.core import PipelineError
from ackflow.streams.testing import run
from tests.cases import Inline
from tests.queues import assert_all_closed, closed


class Fragile(Executor):
    """Calls take a second or a little more; a value that kills its worker breaks all of it."""

    def __init__(self, *killers: int, seconds: float = 1.0, stillborn: bool = False) -> None:
        self.killers = killers
        self.seconds = seconds
        self.stillborn = stillborn
        self.broken = self.closed = False
        self.open: dict[Future[Any], Any] = {}
        self.submitted: list[tuple[Any, int]] = []
        """Each value, and how many calls were in it beside its own."""

    def submit(self, f: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        if self.broken:
            raise BrokenExecutor("a worker died")
        if self.closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future: Future[Any] = Future()
        self.submitted.append((args[0] if args else None, len(self.open)))
        self.open[future] = args[0] if args else None
        seconds = self.seconds + len(self.submitted) / 1000
        asyncio.get_running_loop().call_later(seconds, self._end, future, f, args)
        return future

    def _end(self, future: Future[Any], f: Callable[..., Any], args: tuple[Any, ...]) -> None:
        if future not in self.open:
            return
        if self.stillborn or self.open[future] in self.killers:
            self.break_down()
            return
        del self.open[future]
        if future.running() or future.set_running_or_notify_cancel():
            try:
                future.set_result(f(*args))
            except Exception as error:
                future.set_exception(error)

    def break_down(self) -> None:
        """Lose a worker, and so everything."""
        self.broken = True
        for future in self.open:
            future.set_exception(BrokenExecutor("a worker died"))
        self.open.clear()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.closed = True


class Factory:
    """Makes executors that are alike, and keeps them."""

    def __init__(self, *killers: int, **options: Any) -> None:
        self.killers = killers
        self.options = options
        self.made: list[Fragile] = []

    def __call__(self) -> Fragile:
        self.made.append(Fragile(*self.killers, **self.options))
        return self.made[-1]


def same(value: Any) -> Any:
    return value


# -- workers that die ---------------------------------------------------------------------------------


@pytest.mark.parametrize("ordered", [True, False])
async def test_the_call_whose_worker_dies_fails_alone_and_the_others_are_not_charged(
    ordered: bool,
) -> None:
    factory = Factory(3)
    dead = sinks.to_list()
    queue = closed(range(8), attempts=1, dead_letter=dead)
    step = op.map_in(factory, same, concurrency=5, ordered=ordered)
    pipeline = queue | step | sinks.to_list()
    assert sorted(await pipeline) == [0, 1, 2, 4, 5, 6, 7]
    assert [letter.body for letter in dead.values] == [3]
    assert dead.values[0].headers["x-ackflow-error-type"] == "WorkerDied"
    assert list(pipeline.summary.failures) == ["WorkerDied"]
    assert pipeline.summary.retried == 0
    assert all(executor.closed for executor in factory.made)
    assert_all_closed(queue)


async def test_suspects_are_called_again_alone_and_the_rest_after_them() -> None:
    factory = Factory(0)
    queue = closed(range(6), attempts=1, dead_letter="discard")
    await (queue | op.map_in(factory, same, concurrency=3) | sinks.to_list())
    first, second, third = factory.made
    assert first.submitted == [(0, 0), (1, 1), (2, 2)]
    # An empty call shows that a new executor works, then come the suspects.
    assert second.submitted == [(None, 0), (0, 0)]
    assert third.submitted == [(None, 0), (1, 0), (2, 0), (3, 0), (4, 1), (5, 2)]


async def test_suspects_wait_for_what_still_runs_in_the_executor_that_broke() -> None:
    """A pool of threads whose initializer fails finishes what runs in the others."""

    class Lingering(Fragile):
        def break_down(self) -> None:
            last, _ = self.open.popitem()
            asyncio.get_running_loop().call_later(50, last.set_result, "late")
            super().break_down()

    class Times(Fragile):
        def submit(self, f: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
            times.append(asyncio.get_running_loop().time())
            return super().submit(f, *args)

    times: list[float] = []
    executors = iter([Lingering(0), Times()])
    step = op.map_in(lambda: next(executors), same, concurrency=3)
    assert await (streams.of(0, 1, 2) | step | sinks.to_list()) == [0, 1, "late"]
    assert min(times) > 50


async def test_a_dead_worker_spends_an_attempt_of_its_message() -> None:
    factory = Factory(1)
    queue = closed([0, 1, 2], attempts=3, wait=lambda state: 1.0, dead_letter="discard")
    pipeline = queue | op.map_in(factory, same, concurrency=3) | sinks.to_list()
    assert sorted(await pipeline) == [0, 2]
    assert (pipeline.summary.failures["WorkerDied"].count, pipeline.summary.retried) == (3, 2)


async def test_a_worker_that_dies_of_something_else_costs_no_message_anything() -> None:
    factory = Factory()
    queue = closed(range(6), attempts=1)
    pipeline = queue | op.map_in(factory, same, concurrency=3) | sinks.to_list()
    handle = pipeline.start()
    await asyncio.sleep(0.5)
    factory.made[0].break_down()
    assert await handle == [0, 1, 2, 3, 4, 5]
    assert (pipeline.summary.failures, pipeline.summary.retried) == ({}, 0)
    assert len(factory.made) == 2


async def test_an_executor_that_breaks_while_nothing_is_in_it_is_replaced() -> None:
    queue = streams.memory.queue([1])
    factory = Factory()
    handle = (queue | op.map_in(factory, same) | sinks.to_list()).start()
    await asyncio.sleep(5)
    factory.made[0].break_down()
    queue.put(2)
    queue.close()
    assert await handle == [1, 2]
    assert handle.stats().failures == {}


async def test_executors_that_break_at_anything_end_the_run_and_blame_no_message() -> None:
    factory = Factory(stillborn=True)
    queue = closed(range(6), attempts=1, dead_letter="discard")
    pipeline = queue | op.map_in(factory, same, concurrency=3) | sinks.to_list()
    with pytest.raises(PipelineError, match=r"op\.map_in\(executor\): .* empty call .*initializer"):
        await pipeline
    assert (queue.ready, queue.acked, queue.rejected) == ([0, 1, 2, 3, 4, 5], [], [])
    assert (pipeline.summary.failures, len(factory.made)) == ({}, 2)
    assert_all_closed(queue)


@settings(max_examples=50, deadline=None, database=None)
@given(
    st.lists(st.integers(0, 30), max_size=20, unique=True),
    st.sets(st.integers(0, 30), max_size=6),
    st.integers(1, 6),
    st.booleans(),
)
def test_whoever_kills_whichever_workers_the_innocent_come_through(
    xs: list[int], killers: set[int], concurrency: int, ordered: bool
) -> None:
    async def main() -> None:
        factory = Factory(*killers)
        dead = sinks.to_list()
        queue = closed(xs, attempts=1, dead_letter=dead)
        step = op.map_in(factory, same, concurrency=concurrency, ordered=ordered)
        result = await (queue | step | sinks.to_list())
        good = [x for x in xs if x not in killers]
        assert (result if ordered else sorted(result)) == (good if ordered else sorted(good))
        assert sorted(letter.body for letter in dead.values) == sorted(killers & set(xs))
        assert max((b for e in factory.made for _, b in e.submitted), default=0) < concurrency
        assert_all_closed(queue)

    run(main())


async def test_an_executor_of_the_users_that_breaks_ends_the_run_and_names_the_way_out() -> None:
    executor = Fragile(3)
    queue = closed(range(8), attempts=1, dead_letter="discard")
    pipeline = queue | op.map_in(executor, same, concurrency=3) | sinks.to_list()
    with pytest.raises(PipelineError, match=r"BrokenExecutor: a worker died.*give a function that"):
        await pipeline
    # The three calls before were done; those that were in it are given back, as what came after.
    assert (queue.acked, queue.ready) == ([0, 1, 2], [3, 4, 5, 6, 7])
    assert (pipeline.summary.failures, queue.rejected) == ({}, [])
    assert not executor.closed
    assert_all_closed(queue)


async def test_without_an_executor_the_run_ends_whatever_its_stream_still_has() -> None:
    taken: list[int] = []
    step = op.flat_map(lambda n: count()) | op.tap(taken.append)
    stream = streams.of(1) | step | op.map_in(Fragile(5), same, concurrency=2)
    with pytest.raises(PipelineError):
        await (stream | sinks.count())
    assert len(taken) < 2000


async def test_an_error_like_a_dead_workers_is_that_of_its_message() -> None:
    """A function may use an executor of its own, which breaks."""

    def breaks_its_own(value: int) -> int:
        if value == 1:
            raise BrokenExecutor("an executor within")
        return value

    dead = sinks.to_list()
    queue = closed([0, 1, 2], attempts=1, dead_letter=dead)
    step = op.map_in(Inline(), breaks_its_own)
    assert await (queue | step | sinks.to_list()) == [0, 2]
    assert dead.values[0].headers["x-ackflow-error"] == "BrokenExecutor: an executor within"


# -- executors that take no calls ---------------------------------------------------------------------


async def test_an_executor_that_was_shut_down_ends_the_run() -> None:
    executor = Fragile()
    queue = closed(range(6), attempts=1)
    pipeline = queue | op.map_in(executor, same, concurrency=2) | sinks.to_list()
    handle = pipeline.start()
    await asyncio.sleep(0.5)
    executor.shutdown()
    with pytest.raises(PipelineError, match=r"takes no more calls.*shut it down when the run has"):
        await handle
    assert (queue.acked, queue.ready) == ([0, 1], [2, 3, 4, 5])
    assert pipeline.summary.failures == {}
    assert_all_closed(queue)


async def test_calls_that_a_shutdown_cancels_are_nobodys_failures() -> None:
    executor = Fragile()
    queue = closed(range(3), attempts=1)
    pipeline = queue | op.map_in(executor, same, concurrency=3) | sinks.to_list()
    handle = pipeline.start()
    await asyncio.sleep(0.5)
    executor.closed = True
    for future in executor.open:
        future.cancel()
    with pytest.raises(PipelineError, match="takes no more calls"):
        await handle
    assert (queue.ready, queue.acked, pipeline.summary.failures) == ([0, 1, 2], [], {})


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Fragile().missing, "raised AttributeError"),  # type: ignore[attr-defined]
        (lambda: None, "must make an executor, made None"),
        (lambda: shut_down(), "must make a new one whenever it is called"),
    ],
)
async def test_what_makes_no_executor_ends_the_run(make: Any, text: str) -> None:
    queue = closed([1, 2], attempts=1)
    with pytest.raises(PipelineError, match=r"op\.map_in\(executor\): .*" + text):
        await (queue | op.map_in(make, same) | sinks.to_list())
    assert queue.ready == [1, 2]
    assert_all_closed(queue)


def shut_down() -> Fragile:
    executor = Fragile()
    executor.shutdown()
    return executor


async def test_what_submits_something_else_ends_the_run() -> None:
    class LikeDasksClient:
        def submit(self, f: Any, *args: Any) -> Any:
            return "a future of its own kind"

    client: Any = LikeDasksClient()
    way_out = r"get_executor\(pure=False\)"
    with pytest.raises(PipelineError, match=rf"must return a concurrent\.futures.*{way_out}"):
        await (streams.of(1) | op.map_in(client, same) | sinks.to_list())


async def test_calls_that_somebody_cancels_fail_their_messages_alone() -> None:
    executor = Fragile()
    dead = sinks.to_list()
    queue = closed(range(3), attempts=1, dead_letter=dead)
    handle = (queue | op.map_in(executor, same, concurrency=3) | sinks.to_list()).start()
    await asyncio.sleep(0.5)
    list(executor.open)[1].cancel()
    assert await handle == [0, 2]
    assert [letter.body for letter in dead.values] == [1]
    assert "same was cancelled before it began" in dead.values[0].headers["x-ackflow-error"]


# -- what functions raise and return ------------------------------------------------------------------


async def test_an_outage_halts_and_spends_no_attempt() -> None:
    failures = iter([ConnectionError("refused")] * 3 + [TimeoutError("late")])

    def store(number: int) -> int:
        if number == 1 and (error := next(failures, None)):
            raise error
        return number

    queue = closed([0, 1, 2], attempts=1)
    pipeline = queue | op.map_in(Inline(), store) | sinks.to_list()
    assert await pipeline == [0, 1, 2]
    assert (pipeline.summary.halts, pipeline.summary.retried) == (1, 0)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (StopIteration("odd"), "fails raised StopIteration: odd"),
        (asyncio.CancelledError(), "fails raised CancelledError"),
        (concurrent.futures.CancelledError(), "CancelledError"),
        (SystemExit(2), "fails raised SystemExit: 2"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_that_would_end_more_than_their_message_do_not(
    error: BaseException, text: str
) -> None:
    def fails(number: int) -> int:
        if number == 1:
            raise error
        return number

    async def main() -> None:
        dead = sinks.to_list()
        queue = closed([0, 1, 2], attempts=1, dead_letter=dead)
        with ThreadPoolExecutor(1) as executor:
            result = await (queue | op.map_in(executor, fails) | sinks.to_list())
        assert result == [0, 2]
        assert text in dead.values[0].headers["x-ackflow-error"]

    asyncio.run(main())


def test_a_worker_that_gets_ctrl_c_gives_its_message_back() -> None:
    presses = iter([KeyboardInterrupt()])

    def interrupted(number: int) -> int:
        if number == 1:
            for press in presses:
                raise press
        return number

    async def main() -> None:
        queue = closed([0, 1, 2], attempts=1)
        with ThreadPoolExecutor(1) as executor:
            pipeline = queue | op.map_in(executor, interrupted) | sinks.to_list()
            assert sorted(await pipeline) == [0, 1, 2]
        assert (queue.requeued, pipeline.summary.failures) == ([1], {})

    asyncio.run(main())


async def test_what_cant_be_submitted_fails_alone() -> None:
    """Dask pickles what it is given at once."""

    class Pickling(Inline):
        def submit(self, f: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
            if args == (1,):
                raise RecursionError("maximum recursion depth exceeded while pickling an object")
            return super().submit(f, *args)

    queue = closed([0, 1, 2], attempts=1, dead_letter="discard")
    pipeline = queue | op.map_in(Pickling(), same) | sinks.to_list()
    assert await pipeline == [0, 2]
    assert list(pipeline.summary.failures) == ["RecursionError"]


async def test_a_coroutine_that_comes_back_names_map_async() -> None:
    async def fetch(value: int) -> int:
        return value

    step: Any = op.map_in(Inline(), lambda value: fetch(value))
    with pytest.raises(TypeError, match=r"returned a coroutine; use op\.map_async"):
        await (streams.of(1) | step | sinks.count())


async def test_a_failure_goes_to_the_catch_behind() -> None:
    step = op.map_in(Factory(1), same) | op.catch(lambda error: -1, on=WorkerDied)
    assert await (streams.of(0, 1, 2) | step | sinks.to_list()) == [0, -1, 2]


# -- how many, and the end ----------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 3])
async def test_no_more_calls_are_in_the_executor_than_allowed(workers: int) -> None:
    executor = Fragile()
    step = op.map_in(executor, same, concurrency=workers)
    assert await (streams.of(*range(9)) | step | sinks.to_list()) == list(range(9))
    assert max(beside for _, beside in executor.submitted) == workers - 1


def test_by_default_there_is_a_call_waiting_for_each_worker() -> None:
    with ThreadPoolExecutor(3) as executor:
        assert op.map_in(executor, same).stages[0].holds == 6
    cpus = 2 * (os.cpu_count() or 1)
    assert op.map_in(Inline(), same).stages[0].holds == cpus
    assert op.map_in(ThreadPoolExecutor, same).stages[0].holds == cpus
    assert op.map_in(ThreadPoolExecutor, same, concurrency=7).stages[0].holds == 7


async def test_it_pulls_no_further_ahead_than_its_concurrency() -> None:
    pulled: list[int] = []

    async def source() -> AsyncIterator[int]:
        for number in range(99):
            pulled.append(number)
            yield number

    step = op.map_in(Fragile(seconds=1000), same, concurrency=4)
    handle = (streams.from_iterable(source()) | step | sinks.count()).start()
    await asyncio.sleep(100)
    assert len(pulled) <= 4 + 1
    await handle.abort()


async def test_an_abort_takes_back_what_has_not_begun_and_settles_nothing() -> None:
    factory = Factory()
    queue = closed(range(5))
    handle = (queue | op.map_in(factory, same, concurrency=3) | sinks.count()).start()
    await asyncio.sleep(0.5)
    futures = list(factory.made[0].open)
    futures[0].set_running_or_notify_cancel()
    await handle.abort()
    assert [future.cancelled() for future in futures] == [False, True, True]
    assert (queue.ready, queue.acked) == ([0, 1, 2, 3, 4], [])
    assert_all_closed(queue)


async def test_a_drain_finishes_what_runs_and_gives_back_what_has_not_begun() -> None:
    executor = Fragile()
    queue = streams.memory.queue(range(5))
    written = sinks.to_list()
    step = op.map_in(executor, same, concurrency=3) | op.chunk(9, timeout=None)
    handle = (queue | step | written).start()
    await asyncio.sleep(0.5)
    running = next(iter(executor.open))
    running.set_running_or_notify_cancel()
    del executor.open[running]
    asyncio.get_running_loop().call_later(1, running.set_result, "done")
    summary = await handle.drain()
    assert written.values == [["done"]]
    assert (queue.acked, queue.ready) == ([0], [1, 2, 3, 4])
    assert summary.failures == {}
    assert_all_closed(queue)


async def test_a_drain_gives_back_suspects_and_what_waits_for_them() -> None:
    factory = Factory(0, seconds=10)
    queue = streams.memory.queue(range(6), attempts=1, dead_letter="discard")
    step = op.map_in(factory, same, concurrency=3, ordered=False)
    handle = (queue | step | sinks.to_list()).start()
    await asyncio.sleep(45)
    # 0 has died twice, 1 is alone in the third executor, 2 comes after it, and 3 after them all.
    assert [executor.submitted for executor in factory.made] == [
        [(0, 0), (1, 1), (2, 2)],
        [(None, 0), (0, 0)],
        [(None, 0), (1, 0)],
    ]
    running = next(iter(factory.made[-1].open))
    running.set_running_or_notify_cancel()
    summary = await handle.drain()
    assert len(factory.made[-1].submitted) == 2
    assert (summary.failures["WorkerDied"].count, sorted(queue.ready)) == (1, [1, 2, 3, 4, 5])
    assert_all_closed(queue)


async def test_one_operator_serves_several_runs_at_once() -> None:
    factory = Factory()
    step = op.map_in(factory, same)
    results = await asyncio.gather(
        streams.of(1, 2) | step | sinks.to_list(), streams.of(3) | step | sinks.to_list()
    )
    assert results == [[1, 2], [3]]
    assert (len(factory.made), all(made.closed for made in factory.made)) == (2, True)
