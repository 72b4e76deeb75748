"""Executors: the executor of one run, the user's or one made here, and what its errors mean."""

import asyncio
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from ackflow.operators.functions import name
from ackflow.streams.core import describe

PICKLED = (
    "an executor of processes or interpreters pickles f, each value and each result: f must be a "
    "function at the top level of a module, no lambda and no function within another, and values "
    "and results must be picklable"
)
SIGNS_OF_PICKLING = ("pickle", "Can't get local object")
"""What the errors of pickling have in their texts, from Python 3.11 to 3.14."""


class Unusable(Exception):
    """There is no executor that takes calls; the text says why, and the way out."""


class Broke(Exception):
    """An executor broke with a call in it, and another will take its place."""


class Executors:
    """The user's executor, or one that is made here, replaced when it breaks, and shut down."""

    def __init__(self, given: Any) -> None:
        """`given`: an executor, or a function that makes one."""
        self._make: Callable[[], Any] | None = given if makes(given) else None
        self._executor: Any = None if makes(given) else given
        self._shutting_down: list[tuple[ThreadPoolExecutor, Future[None]]] = []

    def current(self) -> Executor:
        """Return the executor, made now where there is none; raise Unusable where that fails."""
        if self._executor is None:
            self._executor = self._made()
        executor: Executor = self._executor
        return executor

    def _made(self) -> Executor:
        assert self._make is not None
        try:
            executor: Executor = self._make()
        except Exception as error:
            raise Unusable(f"{name(self._make)} raised {describe(error)}") from error
        if not hasattr(executor, "submit"):
            raise Unusable(f"{name(self._make)} must make an executor, made {executor!r:.100}")
        return executor

    def refused(self, executor: Executor, error: Exception) -> Exception:
        """Return what it means that an executor takes no call: Broke where it was replaced."""
        if isinstance(error, BrokenExecutor):
            if self._make is None:
                return Unusable(
                    f"the executor is broken ({describe(error)}) and can't be mended; give a "
                    "function that makes it, such as lambda: ProcessPoolExecutor(4), and those that "
                    "break are replaced"
                )
            if executor is self._executor:
                self._retire()
            return Broke(describe(error))
        way_out = "shut it down when the run has ended, or give a function that makes it"
        if self._make is not None:
            way_out = f"{name(self._make)} must make a new one whenever it is called"
        return Unusable(f"the executor takes no more calls ({describe(error)}); {way_out}")

    def _retire(self) -> None:
        """Shut the executor down, in a thread, since that waits for its workers."""
        executor, self._executor = self._executor, None
        janitor = ThreadPoolExecutor(1, "ackflow map_in")
        self._shutting_down.append((janitor, janitor.submit(executor.shutdown)))
        janitor.shutdown(wait=False)

    async def close(self, *, wait: bool) -> None:
        """Shut down what was made here; `wait` until its threads and processes have ended."""
        if self._make is not None and self._executor is not None:
            self._retire()
        for janitor, ended in self._shutting_down if wait else ():
            await told(ended)
            janitor.shutdown()
            ended.result()


def makes(given: object) -> bool:
    """Say whether it is a function that makes executors, such as a class of them, and not one."""
    return callable(given) and (isinstance(given, type) or not hasattr(given, "submit"))


def refusal(executor: Executor) -> Exception | None:
    """Return the error with which an executor takes no calls any more, None where it takes them."""
    try:
        executor.submit(int)
    except RuntimeError as error:
        return error
    return None


def told(future: "Future[Any]") -> "asyncio.Future[None]":
    """Return what is done in this loop once the future is done, in whatever thread."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def finish() -> None:
        if not done.done():
            done.set_result(None)

    def tell(_: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(finish)

    future.add_done_callback(tell)
    return done


def explained(call: str, error: BaseException, executor: Executor) -> Exception:
    """Return what a call raised as an error of its message alone; say what pickling asks for."""
    if not isinstance(error, Exception) or isinstance(error, StopIteration):
        return RuntimeError(f"{call} raised {describe(error)}")
    text = describe(error)
    pickled = any(sign in text for sign in SIGNS_OF_PICKLING)
    if pickled and type(executor) is not ThreadPoolExecutor:
        error.add_note(PICKLED)
    return error
