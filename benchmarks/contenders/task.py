"""What a contender is asked to do, and how it reports."""

import json
import os
import resource
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter


@dataclass(frozen=True)
class Task:
    """Messages from one queue into one index, prefetch 512, bulks of 256."""

    amqp: str
    elasticsearch: str
    queue: str
    index: str
    messages: int
    prefetch: int = 512
    chunk: int = 256


def given() -> Task:
    """Return the task this program was started for."""
    return Task(**json.loads(os.environ["BENCHMARK_TASK"]))


def used() -> float:
    """Return the CPU seconds this process has used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def measured(work: Callable[[Task], Awaitable[object]]) -> None:
    """Do the work; print its seconds and CPU seconds, imports and start-up left out."""
    task = given()
    began, before = perf_counter(), used()
    await work(task)
    print(json.dumps({"seconds": perf_counter() - began, "cpu": used() - before}))
