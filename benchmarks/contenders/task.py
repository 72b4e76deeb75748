"""What a contender is asked to do, and how it reports.

Standard library only: each contender has an environment of its own.
"""

import gc
import json
import os
import resource
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class Task:
    """So many messages, from and to where the measure says."""

    amqp: str
    elasticsearch: str
    queue: str
    index: str
    messages: int
    prefetch: int = 512
    chunk: int = 256
    size: int = 300
    """Bytes of a body."""
    stages: int = 1
    """Functions in a row."""
    latency: float = 0.0
    """Seconds that a write of the sink takes."""
    queues: int = 1
    """Queues that are merged."""
    rate: float = 100.0
    """Messages per second that are published, where that is given."""


def given() -> Task:
    """Return the task this program was started for."""
    return Task(**json.loads(os.environ["BENCHMARK_TASK"]))


def used() -> float:
    """Return the CPU seconds this process has used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak() -> int:
    """Return the most bytes this process ever had in memory; 0 where the system doesn't tell.

    Not getrusage's ru_maxrss, which a process has from whoever started it: that one's size when it did.
    """
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    sizes = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return 1024 * int(sizes[0]) if sizes else 0


class Stopwatch:
    """Adds up the seconds and CPU seconds of what is done under it."""

    def __init__(self) -> None:
        self.seconds = self.cpu = 0.0
        self._began = self._before = 0.0

    def __enter__(self) -> Self:
        gc.collect()
        self._began, self._before = perf_counter(), used()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the clock; what comes after this is not measured."""
        if self._began:
            self.seconds += perf_counter() - self._began
            self.cpu += used() - self._before
            self._began = 0.0

    def report(self, **more: object) -> None:
        """Print what was measured, for whoever started this program."""
        taken = {"seconds": self.seconds, "cpu": self.cpu, "peak": peak()}
        print(json.dumps({**taken, **more}), flush=True)


async def measured(work: Callable[[Task], Awaitable[object]]) -> None:
    """Do the work; print its seconds and CPU seconds, imports and start-up left out."""
    task = given()
    with Stopwatch() as watch:
        await work(task)
    watch.report()


async def repeated(work: Callable[[int], Awaitable[object]], size: int = 1_000_000) -> None:
    """Do the work on `size` items as often as the task asks, and print what came out each time.

    Calling it gets the items ready, awaiting what it returns is measured.
    """
    left, results, watch = given().messages, list[object](), Stopwatch()
    while left > 0:
        job = work(min(size, left))
        with watch:
            results.append(await job)
        left -= size
    watch.report(results=results)
