"""map_in: a function called in threads, processes, or wherever an executor has its workers."""

import inspect
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import aclosing, suppress
from typing import Any

from ackflow.operators.calls import Calls, ahead
from ackflow.operators.executors import makes
from ackflow.operators.functions import check_function
from ackflow.operators.pools import Pool
from ackflow.operators.variables import A, B
from ackflow.streams.core import Context, Operator, Run, Stage, check_count, check_flag, shown


class MapIn(Stage):
    """Calls a function with each value in an executor, several at a time."""

    name = "map_in"
    passes_failures = True

    def __init__(
        self, executor: Any, function: Callable[[Any], Any], concurrency: int, ordered: bool
    ) -> None:
        self.executor = executor
        self.function = function
        self.concurrency = concurrency
        self.ordered = ordered
        self.holds = concurrency + ahead(concurrency)

    @property
    def settings(self) -> dict[str, Any]:
        executor = self.executor if makes(self.executor) else type(self.executor)
        settings = {"executor": executor, "f": self.function, "concurrency": self.concurrency}
        return settings if self.ordered else {**settings, "ordered": False}

    def places(self, before: int) -> int:
        return 0

    async def runs(
        self, context: Context, *inputs: AsyncIterator[Run[Any]]
    ) -> AsyncGenerator[Run[Any]]:
        session = context.session
        pool = Pool(self.function, self.executor, session)
        calls = Calls(self, context, pool.until_gone(inputs[0]), pool.call)
        session.sleepers.add(pool)
        try:
            async with aclosing(calls.runs()) as results:
                async for run in results:
                    yield run
        finally:
            session.sleepers.discard(pool)
            await pool.close()


def map_in(
    executor: Executor | Callable[[], Executor],
    f: Callable[[A], B],
    concurrency: int | None = None,
    ordered: bool = True,
) -> Operator[A, B]:
    """Replace each value by `f(value)`, called in an executor: threads, processes, Dask's workers.

    Example:
        images | op.map_in(ProcessPoolExecutor, thumbnail) | sinks.each(store)

    `executor`: one of concurrent.futures' (or what has their `submit`), which stays yours to shut down;
    or a function, such as a class of them, that makes one: each run has its own, which is shut down at
    its end. Processes take only what can be pickled; most of them get a Ctrl-C as well. Of a Dask client
    give client.get_executor(pure=False), which calls again by itself what was on a worker that died.
    Acks: passes. A value that `f` raises for fails by itself; an outage (ConnectionError,
    TimeoutError, Unavailable) halts and is tried again. When a worker dies, an executor that was made
    here is replaced, the calls that were in it are made again one at a time, and the one whose worker
    dies then fails with WorkerDied: its attempt is spent, the others' are not. An executor of yours
    that broke or was shut down ends the run with PipelineError, and what was in it is given back.
    A drain or an abort takes back the calls that have not begun, and no call that runs can be stopped.
    `concurrency`: calls in the executor at once, 1 and up; by default twice as many as it says it has
    workers, or as there are CPUs, so that none waits for work; look-ahead is a sixteenth more.
    `ordered=False` hands on what is finished first.
    Raises ValueError or TypeError, where it is written, for settings that can't be meant.
    """
    check_executor(executor)
    check_function("op.map_in(f)", f, instead="op.map_async(f)")
    if concurrency is None:
        concurrency = 2 * workers(executor)
    check_count(
        "op.map_in(concurrency)", concurrency, 1, "leave it out for twice the number of workers"
    )
    check_flag("op.map_in(ordered)", ordered)
    return Operator(MapIn(executor, f, concurrency, ordered))


def check_executor(executor: object) -> None:
    """Raise TypeError for what is no executor, and no function without arguments that makes one."""
    fits = makes(executor) or callable(getattr(executor, "submit", None))
    if makes(executor):
        assert callable(executor)
        with suppress(ValueError):  # some built-in classes do not say what they take
            fits = takes_nothing(executor) and not inspect.iscoroutinefunction(executor)
    if not fits:
        raise TypeError(
            "op.map_in(executor): must be an executor of concurrent.futures, or an ordinary "
            f"function without arguments that makes one, got {shown(executor)}; "
            "op.map_in(ThreadPoolExecutor, f) makes one with defaults"
        )


def takes_nothing(function: Callable[..., Any]) -> bool:
    """Say whether a function can be called without arguments."""
    try:
        inspect.signature(function).bind()
    except TypeError:
        return False
    return True


def workers(executor: object) -> int:
    """Return how many workers an executor says it has, or how many CPUs there are."""
    count = None if isinstance(executor, type) else getattr(executor, "_max_workers", None)
    return count if isinstance(count, int) and count > 0 else os.cpu_count() or 1
