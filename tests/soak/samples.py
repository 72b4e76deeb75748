"""What a process takes while it runs, and what follows from that."""

import asyncio
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

ROUNDS = 5
"""The first of them is for warming up."""
MOST_GROWTH = 5.0
"""Per cent by which memory may have grown from the second round to the last."""
GONE_WITHIN = 10.0
"""Seconds in which what was ended on a broken connection is gone."""
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


@dataclass(frozen=True)
class Sample:
    """What a process takes at one time of a round: 0 before all of them, `drained` after one."""

    round: int
    messages: int
    rss_kib: int
    fds: int
    tasks: int
    drained: bool = False


def take(round_: int, messages: int, *, drained: bool = False) -> Sample:
    """Look at the process that this is, from within its loop."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    fds = len(os.listdir("/proc/self/fd")) - 1  # listing them takes one more
    tasks = len(asyncio.all_tasks())
    return Sample(round_, messages, pages * PAGE_KIB, fds, tasks, drained)


def tell(sample: Sample) -> None:
    """Print a sample, for who started this process."""
    print(json.dumps(asdict(sample)), flush=True)


async def drained(before: Sample, round_: int, messages: int) -> Sample:
    """Look at this process after a drain, when what it opened has had its time to go."""
    deadline = asyncio.get_running_loop().time() + GONE_WITHIN
    while True:
        now = take(round_, messages, drained=True)
        gone = now.fds <= before.fds and now.tasks <= before.tasks
        if gone or asyncio.get_running_loop().time() > deadline:
            return now
        await asyncio.sleep(0.1)


def account(samples: Sequence[Sample]) -> dict[str, Any]:
    """Say what a process took after its warm-up and in the end, and what is wrong with that."""
    before, *rest = samples
    ends = [sample for sample in rest if sample.drained]
    warm, last = (_memory(rest, round_) for round_ in (2, ROUNDS))
    growth = 100 * (last - warm) / warm
    found = {
        "messages": max(sample.messages for sample in rest),
        "rss_after_warm_up_mib": round(warm / 1024, 1),
        "rss_at_end_mib": round(last / 1024, 1),
        "growth_percent": round(growth, 2),
        "fds_before": before.fds,
        "fds_after": max(sample.fds for sample in ends),
        "tasks_before": before.tasks,
        "tasks_after": max(sample.tasks for sample in ends),
    }
    return {**found, "wrong": [*_wrong(found)]}


def _memory(samples: Iterable[Sample], round_: int) -> float:
    return median(s.rss_kib for s in samples if s.round == round_ and not s.drained)


def _wrong(found: dict[str, Any]) -> Iterable[str]:
    if not found["messages"]:
        yield "no message came through"
    if found["growth_percent"] > MOST_GROWTH:
        yield f"memory grew by {found['growth_percent']} %, {MOST_GROWTH:g} % are allowed"
    for name in ("fds", "tasks"):
        if found[f"{name}_after"] > found[f"{name}_before"]:
            left = found[f"{name}_after"] - found[f"{name}_before"]
            yield f"{left} {name} left over after a drain"
