"""map_in with real threads and real processes, on an ordinary event loop."""

import asyncio
import gc
import multiprocessing
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event, get_ident
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams.core import PipelineError
from tests.operators import workers
from tests.queues import assert_all_closed, closed

SPAWN = multiprocessing.get_context("spawn")
processes = partial(ProcessPoolExecutor, 2, mp_context=SPAWN)


def ordinary(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run on an ordinary event loop, and see that no process and no thread is left behind."""
    before = set(threading.enumerate())
    asyncio.run(main())
    assert multiprocessing.active_children() == []
    assert set(threading.enumerate()) <= before
    # In Python 3.13.0 the semaphores of a pool must not be collected while another one is opened.
    gc.collect()


def test_processes_call_and_are_gone_at_the_end() -> None:
    async def main() -> None:
        queue = closed(range(20))
        assert await (queue | op.map_in(processes, workers.double) | sinks.to_list()) == [
            2 * number for number in range(20)
        ]
        assert queue.acked == list(range(20))
        assert multiprocessing.active_children() == []
        assert_all_closed(queue)

    ordinary(main)


def test_an_executor_of_the_users_serves_several_runs_and_stays_open() -> None:
    async def main() -> None:
        with processes() as executor:
            step = op.map_in(executor, workers.process)
            first, second = await asyncio.gather(
                streams.of(1, 2, 3) | step | sinks.to_list(),
                streams.of(4, 5, 6) | step | sinks.to_list(),
            )
            assert os.getpid() not in first + second
            assert executor.submit(int).result() == 0

    ordinary(main)


def test_an_error_in_a_process_fails_its_message_alone() -> None:
    async def main() -> None:
        dead = sinks.to_list()
        queue = closed([1, -2, 3], dead_letter=dead)
        step = op.map_in(processes, workers.unless_bad)
        assert await (queue | step | sinks.to_list()) == [1, 3]
        assert dead.values[0].headers["x-ackflow-error"] == "ValueError: below zero: -2"

    ordinary(main)


def test_a_process_that_exits_for_a_message_fails_that_one_alone() -> None:
    async def main() -> None:
        dead = sinks.to_list()
        queue = closed(range(6), attempts=1, dead_letter=dead)
        pipeline = queue | op.map_in(processes, workers.dies_at_three) | sinks.to_list()
        assert await pipeline == [0, 1, 2, 4, 5]
        assert [letter.body for letter in dead.values] == [3]
        assert "its worker died" in dead.values[0].headers["x-ackflow-error"]
        assert pipeline.summary.retried == 0
        assert_all_closed(queue)

    ordinary(main)


def test_a_process_that_is_killed_once_costs_no_message_anything(tmp_path: Path) -> None:
    async def main() -> None:
        values = ["", str(tmp_path / "killed"), ""]
        queue = closed(values, attempts=1)
        pipeline = queue | op.map_in(processes, workers.killed_once) | sinks.to_list()
        assert await pipeline == values
        assert (pipeline.summary.failures, pipeline.summary.retried) == ({}, 0)

    ordinary(main)


def test_processes_of_the_users_that_die_end_the_run_and_give_everything_back() -> None:
    async def main() -> None:
        queue = closed([3, 4], attempts=1, dead_letter="discard")
        with ProcessPoolExecutor(1, mp_context=SPAWN) as executor:
            step = op.map_in(executor, workers.dies_at_three)
            with pytest.raises(
                PipelineError, match=r"BrokenProcessPool.*give a function that makes"
            ):
                await (queue | step | sinks.to_list())
        assert (queue.ready, queue.acked, queue.rejected) == ([3, 4], [], [])

    ordinary(main)


@pytest.mark.parametrize("kind", [processes, ThreadPoolExecutor])
def test_an_initializer_that_fails_blames_no_message(kind: Callable[..., Executor]) -> None:
    async def main() -> None:
        queue = closed([1, 2], attempts=1, dead_letter="discard")
        make = partial(kind, initializer=workers.initializer_fails)
        with pytest.raises(PipelineError, match=r"breaks at an empty call.*initializer"):
            await (queue | op.map_in(make, workers.double) | sinks.to_list())
        assert queue.ready == [1, 2]

    ordinary(main)


NOTE = "f must be a function at the top level of a module"


@pytest.mark.parametrize(
    ("function", "value"),
    [
        (lambda value: value, 0),
        (partial(workers.double, Event()), 0),
        (workers.double, Event()),
        (workers.unpicklable, 1),
    ],
    ids=["lambda", "function", "value", "result"],
)
def test_what_cant_be_pickled_fails_alone_and_says_what_must_be(
    function: Callable[[Any], Any], value: Any
) -> None:
    async def main() -> None:
        queue = streams.from_iterable([value])
        with pytest.raises(Exception, match=r"(?i)pickle|local object") as caught:
            await (queue | op.map_in(processes, function) | sinks.to_list())
        assert any(NOTE in note for note in caught.value.__notes__)

    ordinary(main)


def test_a_result_that_cant_be_pickled_leaves_the_others_alone() -> None:
    async def main() -> None:
        queue = closed([0, 1, 2], attempts=1, dead_letter="discard")
        step = op.map_in(processes, workers.unpicklable)
        assert await (queue | step | sinks.to_list()) == [0, 2]

    ordinary(main)


def test_a_process_that_calls_exit_fails_its_message_alone() -> None:
    async def main() -> None:
        queue = closed([0, 1, 2], attempts=1, dead_letter="discard")
        pipeline = queue | op.map_in(processes, workers.exits) | sinks.to_list()
        assert await pipeline == [0, 2]
        assert pipeline.summary.failures["RuntimeError"].example.endswith("SystemExit: no more")

    ordinary(main)


def test_threads_call_outside_of_the_loops() -> None:
    async def main() -> None:
        step = op.map_in(partial(ThreadPoolExecutor, 3), lambda number: (number, get_ident()))
        result = await (streams.of(*range(50)) | step | sinks.to_list())
        assert [number for number, _ in result] == list(range(50))
        assert get_ident() not in {thread for _, thread in result}

    ordinary(main)


def test_the_threads_of_a_pool_work_side_by_side() -> None:
    async def main() -> None:
        together = threading.Barrier(4, timeout=30)
        step = op.map_in(partial(ThreadPoolExecutor, 4), lambda _: together.wait(), concurrency=4)
        assert sorted(await (streams.of(*range(4)) | step | sinks.to_list())) == [0, 1, 2, 3]

    ordinary(main)


def test_an_abort_leaves_a_running_call_behind_and_waits_for_nothing() -> None:
    began, gate = Event(), Event()
    ended: list[int] = []

    def long(number: int) -> None:
        began.set()
        gate.wait(30)
        ended.append(number)

    async def main() -> None:
        queue = closed(range(5))
        step = op.map_in(partial(ThreadPoolExecutor, 1), long, concurrency=3)
        handle = (queue | step | sinks.count()).start()
        await asyncio.to_thread(began.wait, 30)
        await handle.abort()
        assert (queue.ready, queue.acked, ended) == ([0, 1, 2, 3, 4], [], [])
        assert_all_closed(queue)

    asyncio.run(main())
    gate.set()
    for thread in threading.enumerate():
        if thread is not threading.main_thread():
            thread.join(30)
    # What had not begun never does.
    assert ended == [0]


def test_threads_that_are_shut_down_in_a_run_end_it_and_blame_nobody() -> None:
    began, gate = Event(), Event()

    def long(number: int) -> int:
        began.set()
        gate.wait(30)
        return number

    async def main() -> None:
        executor = ThreadPoolExecutor(1)
        queue = closed(range(5), attempts=1)
        pipeline = queue | op.map_in(executor, long, concurrency=3) | sinks.to_list()
        handle = pipeline.start()
        await asyncio.to_thread(began.wait, 30)
        executor.shutdown(wait=False, cancel_futures=True)
        gate.set()
        with pytest.raises(PipelineError, match=r"takes no more calls.*after shutdown"):
            await handle
        assert (queue.acked, sorted(queue.ready)) == ([0], [1, 2, 3, 4])
        assert pipeline.summary.failures == {}

    asyncio.run(main())


def test_the_loop_goes_on_while_an_executor_is_shut_down() -> None:
    class Slow(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            assert turned.wait(30)
            super().shutdown(wait, cancel_futures=cancel_futures)

    turned = Event()

    async def main() -> None:
        handle = (streams.of(1) | op.map_in(Slow, workers.double) | sinks.to_list()).start()
        await asyncio.sleep(0.1)
        assert not handle.done
        turned.set()
        assert await handle == [2]

    ordinary(main)


def test_a_shutdown_that_fails_is_not_hidden() -> None:
    class Failing(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            super().shutdown(wait, cancel_futures=cancel_futures)
            raise OSError("the scheduler is gone")

    async def main() -> None:
        with pytest.raises(OSError, match="scheduler"):
            await (streams.of(1) | op.map_in(Failing, workers.double) | sinks.to_list())

    ordinary(main)


def test_answers_that_come_after_the_loops_end_disturb_nobody() -> None:
    late: list[Future[Any]] = []

    class Keeping(Executor):
        def submit(self, f: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
            late.append(Future())
            late[-1].set_running_or_notify_cancel()
            return late[-1]

    async def main() -> None:
        handle = (streams.of(1) | op.map_in(Keeping(), workers.double) | sinks.count()).start()
        while not late:
            await asyncio.sleep(0)
        await handle.abort()

    asyncio.run(main())
    late[0].set_result(2)
