"""Scripts: what a broker in memory does, step by step, for tests of what a pipeline makes of it."""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from typing import Any

from ackflow.streams.core import check_count, check_duration, shown
from ackflow.streams.memory import MemoryQueue
from ackflow.streams.memory import queue as memory_queue

NEVER = "a broker that never hands out anything again is one whose script has no further step"


class Step(ABC):
    """One thing that a broker does."""

    seconds = 0.0
    """How long it takes before the next one."""

    @abstractmethod
    def play(self, queue: MemoryQueue[Any]) -> None:
        """Do it."""

    def done(self, queue: MemoryQueue[Any]) -> bool:
        """Say whether the next step may come."""
        return True


class _Deliver(Step):
    def __init__(self, values: tuple[Any, ...]) -> None:
        self.values = values

    def play(self, queue: MemoryQueue[Any]) -> None:
        queue.put(*self.values)

    def done(self, queue: MemoryQueue[Any]) -> bool:
        return not queue.untouched


class _Disconnect(Step):
    def play(self, queue: MemoryQueue[Any]) -> None:
        queue.disconnect()


class _Pause(Step):
    def __init__(self, seconds: float) -> None:
        check_duration("testing.pause(seconds)", seconds, NEVER)
        self.seconds = seconds

    def play(self, queue: MemoryQueue[Any]) -> None:
        queue.pause(self.seconds)


class _Fail(Step):
    def __init__(self, error: Exception, times: int) -> None:
        if not isinstance(error, Exception):
            raise TypeError(
                f"testing.fail(error): must be an exception, got {shown(error)}; "
                'SourceError("away") is one'
            )
        check_count("testing.fail(times)", times, 1, "leave it out for 1")
        self.error = error
        self.times = times

    def play(self, queue: MemoryQueue[Any]) -> None:
        queue.fail(self.error, self.times)


class _End(Step):
    def play(self, queue: MemoryQueue[Any]) -> None:
        queue.close()


def deliver(*values: Any) -> Step:
    """Put messages into the queue; the next step comes when all of them have been handed out.

    Acks: they are handed out as prefetch lets them, and open until they are settled.
    """
    return _Deliver(values)


def disconnect() -> Step:
    """Break the connection; by hand it is `queue.disconnect()`.

    Acks: what is not settled goes back to its place in the queue, counts as requeued, and is handed
    out again over a new connection. What was under way with it settles nothing any more, so it may
    reach a sink twice, as with any broker.
    """
    return _Disconnect()


def pause(seconds: float) -> Step:
    """Hand out nothing for `seconds`, then go on; by hand it is `queue.pause(seconds)`.

    Acks: what is handed out stays so, and is settled meanwhile as the pipeline gets on.
    Raises ValueError where `seconds` is no time.
    """
    return _Pause(seconds)


def fail(error: Exception, times: int = 1) -> Step:
    """Have the next `times` attempts to connect fail with `error`; by hand it is `queue.fail(…)`.

    Acks: nothing changes for what is handed out; put `disconnect()` before it to have it come again.
    A first connection is tried for 10 s, a later one for ever. An error that is no outage (no OSError,
    SourceError or Unavailable) ends the run at once.
    Raises ValueError where `times` is below 1, TypeError where `error` is no exception.
    """
    return _Fail(error, times)


def end() -> Step:
    """Let the stream end once all is settled; by hand it is `queue.close()`.

    Acks: what is handed out stays so until it is settled; a script without `end()` never ends.
    """
    return _End()


def scripted_queue(*steps: Step, **options: Any) -> MemoryQueue[Any]:
    """Make a queue in memory whose broker follows a script, from the first attempt to connect on.

    Example:
        queue = testing.scripted_queue(
            testing.deliver("a", "b"),
            testing.pause(5.0),
            testing.disconnect(),
            testing.fail(SourceError("the broker restarts"), times=2),
            testing.deliver("c"),
            testing.end(),
        )
        await (queue | op.map(str.upper) | sinks.to_list())     # ['A', 'B', 'C']

    A step comes as soon as the one before is done: without a `pause` between them, `disconnect` after
    `deliver` meets messages that are not acked yet. Pauses are in the loop's time, so in virtual time
    they take none. What can be scripted can also be done by hand, at any moment: `queue.put`,
    `.disconnect`, `.pause`, `.fail`, `.close`.
    Acks: as on a broker; each step says what becomes of messages that are not settled.
    `options`: those of `streams.memory.queue`.
    Raises TypeError where a step is none.
    """
    for step in steps:
        if not isinstance(step, Step):
            raise TypeError(
                "testing.scripted_queue(*steps): must be steps, that is calls of deliver, disconnect, "
                f"pause, fail and end, got {shown(step)}; write testing.end(), with its parentheses"
            )
    queue: MemoryQueue[Any] = memory_queue(**options)
    queue.watch(_Player(queue, steps).look)
    return queue


class _Player:
    """Plays a script on a queue, by timers and not in a task, so that a run leaves none behind."""

    def __init__(self, queue: MemoryQueue[Any], steps: tuple[Step, ...]) -> None:
        self._queue = queue
        self._steps = deque(steps)
        self._step: Step | None = None
        self._waits = False

    def look(self) -> None:
        """Go on where the broker has done what the current step asks."""
        while not self._waits and (self._step is None or self._step.done(self._queue)):
            if not self._steps:
                return
            self._step = self._steps.popleft()
            self._step.play(self._queue)
            if self._step.seconds:
                self._wait(self._step.seconds)

    def _wait(self, seconds: float) -> None:
        self._waits = True
        asyncio.get_running_loop().call_later(seconds, self._wake)

    def _wake(self) -> None:
        self._waits = False
        self.look()
