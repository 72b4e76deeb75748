"""Assertions on what became of messages, with errors that show what differs."""

import asyncio
from collections.abc import Collection, Sequence
from difflib import ndiff
from types import EllipsisType
from typing import Any

from ackflow.streams.memory import MemoryQueue

Expected = Sequence[Any] | EllipsisType
"""Values in the order expected, or `...` for what the test does not care about."""

SERVERS = ("aiohttp",)
"""Packages whose tasks belong to a server in the same process, which outlives the run."""


def assert_settled(
    queue: MemoryQueue[Any],
    *,
    acked: Expected = (),
    rejected: Expected = (),
    requeued: Expected = (),
    ready: Expected = (),
    in_order: bool = True,
    tasks: Collection["asyncio.Task[Any]"] = (),
) -> None:
    """Assert what became of a queue's messages, and that the run has left nothing behind.

    Example:
        queue = streams.memory.queue(["1", "x", "3"], dead_letter="exchange")
        queue.close()
        await (queue | op.map(int) | sinks.to_list())
        testing.assert_settled(queue, acked=["1", "3"], rejected=["x"])

    Acks: `acked`, `rejected` and `requeued` are the values in the order in which the broker heard of
    them, `ready` those that wait in the queue. What is not named must be empty; `...` leaves it
    open. `rejected` is what the broker saw as a reject: with a sink or "discard" as its dead letter, a
    rejected message is acked once the letter is taken care of.
    `in_order=False`: the values may come in any order, each as often as expected. `tasks`: tasks of
    the test's own that may go on.
    Raises AssertionError with the difference, and the order of all settlements, where something
    differs; where a message is unsettled, a channel open, or a task of the run not done.
    """
    __tracebackhide__ = True
    expected = {"acked": acked, "rejected": rejected, "requeued": requeued, "ready": ready}
    wrong = [
        difference(name, getattr(queue, name), values, in_order)
        for name, values in expected.items()
        if not isinstance(values, EllipsisType)
    ]
    faults = [text for text in (*wrong, *_left(queue, tasks)) if text]
    if faults:
        order = ", ".join(f"{verb} {value!r}" for verb, value in queue.settlements) or "nothing"
        raise AssertionError("\n".join([*faults, f"in order: {order}"]))


def assert_closed(*queues: MemoryQueue[Any], tasks: Collection["asyncio.Task[Any]"] = ()) -> None:
    """Assert that nothing is unsettled, no channel is open, and no task was left behind.

    Example:
        await pipeline
        testing.assert_closed(queue)

    Acks: what was requeued is settled too; where it matters how, use `assert_settled`.
    `tasks`: tasks of the test's own that may go on; those of an aiohttp server may in any case.
    Raises AssertionError that names what was left.
    """
    __tracebackhide__ = True
    faults = [text for queue in queues for text in _queue_left(queue)] + _tasks_left(tasks)
    if faults:
        raise AssertionError("\n".join(faults))


def difference(name: str, actual: Sequence[Any], expected: Sequence[Any], in_order: bool) -> str:
    """Say how values differ from those expected, in lines; "" where they don't."""
    found, wanted = list(actual), list(expected)
    if found == wanted or (not in_order and multiset(found) == multiset(wanted)):
        return ""
    if not in_order:
        found, wanted = sorted(found, key=repr), sorted(wanted, key=repr)
    lines = [line for line in ndiff([*map(repr, wanted)], [*map(repr, found)]) if line[0] != "?"]
    order = "" if in_order else ", in any order"
    count = f"{len(wanted)} values were expected{order}, there are {len(found)}"
    return "\n".join([f"{name}: {count} (- expected, + found)", *map(str.rstrip, lines[:60])])


def multiset(values: Sequence[Any]) -> list[Any]:
    """Return values in an order of their own, so that equal ones in any order compare equal.

    Values need be neither hashable nor ordered: a list of pairs, each distinct value and how often.
    """
    counted: dict[str, int] = {}
    for value in values:
        counted[repr(value)] = counted.get(repr(value), 0) + 1
    return sorted(counted.items())


def _left(queue: MemoryQueue[Any], tasks: Collection["asyncio.Task[Any]"]) -> list[str]:
    return [*_queue_left(queue), *_tasks_left(tasks)]


def _queue_left(queue: MemoryQueue[Any]) -> list[str]:
    faults = []
    if queue.unsettled:
        faults.append(
            f"unsettled: {queue.unsettled!r}; has the run ended? await the pipeline first"
        )
    if queue.channels:
        faults.append(f"open channels: {queue.channels}; a run closes its channel at its end")
    return faults


def _tasks_left(own: Collection["asyncio.Task[Any]"]) -> list[str]:
    try:
        current = asyncio.current_task()
    except RuntimeError:  # no loop is running, so nothing runs on it
        return []
    left = [
        task.get_name()
        for task in asyncio.all_tasks()
        if task is not current and task not in own and not _of_a_server(task)
    ]
    return [f"tasks left behind: {', '.join(sorted(left))}"] if left else []


def _of_a_server(task: "asyncio.Task[Any]") -> bool:
    frame = getattr(task.get_coro(), "cr_frame", None)
    module = frame.f_globals.get("__name__", "") if frame is not None else ""
    return module.split(".")[0] in SERVERS
