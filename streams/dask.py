"""Dask: copies of a pipeline on the workers of a cluster, competing for the same queue.

Imported as `ackflow.streams.dask`, with the extra `dask`. A copy is a long task of its own: it takes a
thread of a worker for as long as it runs, and has an event loop in it.
"""

import asyncio
import logging
import threading
import uuid
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ackflow.streams.core import (
    Handle,
    Pipeline,
    RetryState,
    Summary,
    check_count,
    exponential,
)
from ackflow.streams.core.handle import DRAIN_DEADLINE

if TYPE_CHECKING:
    from distributed import Client

Make = Callable[[int], Pipeline[Any]]
Future = Any
"""One of Dask's: its calls have no types."""

LOOK_AGAIN = 0.5
"""Seconds between two tellings of a drain: a copy that was just starting hears the next one."""
PAUSE = exponential()

logger = logging.getLogger("ackflow.dask")


class Copies:
    """Copies of a pipeline that run on the workers of a Dask cluster until they end or are drained.

    Example:
        copies = dask.Copies(Client("scheduler:8786"), make_pipeline, count=8)
        copies.stats()          # {0: Summary(…), 1: …}
        results = copies.drain()

    One that loses its worker is begun anew by the scheduler on another one; one that raises, or loses
    too many workers in a row, is begun anew from here, after a wait that grows from 1 s to 60 s.
    Acks: each copy is a consumer of its own. What a lost worker held comes again, as from any process.
    `client`: an ordinary one (`asynchronous=False`), which has to stay open. `make`: called on a worker
    with the copy's number, from 0 up; returns its pipeline. `count`: how many; of those beyond the
    threads of the cluster one begins whenever another has ended. A worker should have one thread, for
    Python runs one at a time.
    Raises TypeError or ValueError for what can't be meant.
    Source: https://distributed.dask.org/en/stable/resilience.html
    """

    def __init__(self, client: "Client", make: Make, count: int) -> None:
        check_count("dask.Copies(count)", count, 1, "one for each worker, for a start")
        if client.asynchronous:
            raise TypeError(
                "dask.Copies(client): must be an ordinary client, got one with asynchronous=True; "
                "its calls wait, so call them in a thread: await asyncio.to_thread(copies.drain)"
            )
        self.restarts = 0
        """How often a copy was begun anew from here."""
        self._client: Any = client
        self._make = make
        self._key = f"ackflow-{uuid.uuid4()}"
        self._lock = threading.Lock()
        self._draining = False
        self._futures: dict[int, Future] = {}
        self._timers: dict[int, threading.Timer] = {}
        for number in range(count):
            self._begin(number, 0)

    def stats(self) -> dict[int, Summary]:
        """Return the counts so far of each copy that runs, by its number."""
        return self._told(_stats)

    def drain(self, timeout: float = 2 * DRAIN_DEADLINE) -> dict[int, Any]:
        """Have all copies finish what is under way and give back the rest; return their results.

        Copies that end with an error have it as their result. Raises TimeoutError when they are not done
        within `timeout` seconds; their tasks are then cancelled, and what they held comes again.
        """
        with self._lock:
            self._draining = True
            for timer in self._timers.values():
                timer.cancel()
        rounds = max(1, round(timeout / LOOK_AGAIN))
        for _ in range(rounds):
            self._told(_drain)
            if self._done(LOOK_AGAIN):
                break
        else:
            self._client.cancel(list(self._futures.values()), force=True)
            raise TimeoutError(f"dask.Copies.drain(): not done within {timeout:g} s")
        return {number: _result(future) for number, future in self._futures.items()}

    def _done(self, within: float) -> bool:
        distributed: Any = import_module("distributed")
        try:
            distributed.wait(list(self._futures.values()), timeout=within)
        except distributed.TimeoutError:
            return False
        return True

    def _told(self, function: Callable[[str], dict[int, Any]]) -> dict[int, Any]:
        """Call a function on every worker, beside what runs there, and put the answers together."""
        answers = self._client.run(function, self._key, on_error="ignore")
        return {number: answer for each in answers.values() for number, answer in each.items()}

    # -- restarts ---------------------------------------------------------------------------------

    def _begin(self, number: int, failures: int) -> None:
        with self._lock:
            if self._draining:
                return
            key = f"{self._key}-{number}-{failures}"
            future: Future = self._client.submit(
                _run, self._make, self._key, number, key=key, pure=False
            )
            self._futures[number] = future
        future.add_done_callback(partial(self._ended, number, failures + 1))

    def _ended(self, number: int, failures: int, future: Future) -> None:
        """Begin a copy anew that ended with an error; called in a thread of Dask's."""
        if future.status != "error" or self._draining:
            return
        seconds = PAUSE(RetryState(failures))
        # By its type alone: its text may hold something out of a message.
        logger.warning(
            "copy %d ended: %s; begun anew in %.1f s",
            number,
            error := type(future.exception()).__name__,
            seconds,
            extra={"event": "copy_ended", "copy": number, "error": error, "seconds": seconds},
        )
        with self._lock:
            self.restarts += 1
            timer = threading.Timer(seconds, self._begin, [number, failures])
            timer.daemon = True
            self._timers[number] = timer
            if not self._draining:
                timer.start()


def _result(future: Future) -> Any:
    return future.exception() if future.status == "error" else future.result()


# -- on a worker ----------------------------------------------------------------------------------


class _Copy:
    """A copy that runs in this process."""

    def __init__(self, handle: Handle[Any]) -> None:
        self.handle = handle
        self._loop = asyncio.get_running_loop()
        self._draining: asyncio.Task[Summary] | None = None

    def drain(self) -> None:
        """Drain, from another thread; may be told again."""
        self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        if self._draining is None:
            self._draining = asyncio.ensure_future(self.handle.drain())


_copies: dict[tuple[str, int], _Copy] = {}
"""Those that run in this process, by the key of all of them and the number."""


def _run(make: Make, key: str, number: int) -> Any:
    """Run a copy in the thread of a worker, until it ends."""
    return asyncio.run(_main(make, key, number))


async def _main(make: Make, key: str, number: int) -> Any:
    handle = make(number).start()
    copy = _copies[key, number] = _Copy(handle)
    try:
        return await handle
    except asyncio.CancelledError:
        if copy.handle.done:  # its drain had to leave something behind
            return handle.stats()
        raise
    finally:
        if _copies.get((key, number)) is copy:
            del _copies[key, number]


def _here(key: str) -> dict[int, _Copy]:
    return {number: copy for (of, number), copy in list(_copies.items()) if of == key}


def _stats(key: str) -> dict[int, Summary]:
    return {number: copy.handle.stats() for number, copy in _here(key).items()}


def _drain(key: str) -> dict[int, Any]:
    for copy in _here(key).values():
        copy.drain()
    return {}
