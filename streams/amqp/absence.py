"""Absences: queues that went away while others of the same source go on."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from ackflow.streams.amqp.line import Line
from ackflow.streams.core import RetryState, SourceError, Unavailable, describe, exponential

logger = logging.getLogger("ackflow.amqp")


class Absences:
    """Consumes again from queues that went away, as soon as they are back, on the same line."""

    def __init__(self, name: str, line: Line, consume: Callable[[str], Awaitable[None]]) -> None:
        self._name = name
        self._line = line
        self._consume = consume
        self._tasks: set[asyncio.Task[None]] = set()
        line.lost.add_done_callback(lambda _: self._stop())

    def goes_on(self, queue: str) -> bool:
        """Note that the broker ended a queue's consumer; False where no other is left."""
        if not self._line.queues:
            return False
        self.add(queue, SourceError("the broker ended its consumer"))
        return True

    def add(self, queue: str, error: SourceError) -> None:
        """Try to consume from a queue until that works or the line ends."""
        logger.warning(
            "%s: goes on without queue %r until it is back: %s",
            self._name,
            queue,
            reason := describe(error),
            extra={"event": "queue_away", "part": self._name, "queue": queue, "reason": reason},
        )
        task = asyncio.create_task(self._return(queue), name=f"{self._name}: queue {queue}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _return(self, queue: str) -> None:
        wait, attempt = exponential(0.25, 5.0), 0
        while not self._line.lost.done():
            attempt += 1
            await asyncio.sleep(wait(RetryState(attempt)))
            try:
                await self._consume(queue)
            except (SourceError, Unavailable, OSError, TimeoutError) as error:
                logger.debug(
                    "%s: queue %r is still away: %s",
                    self._name,
                    queue,
                    describe(error),
                    extra={"event": "queue_still_away", "part": self._name, "queue": queue},
                )
            else:
                logger.warning(
                    "%s: queue %r is back",
                    self._name,
                    queue,
                    extra={"event": "queue_back", "part": self._name, "queue": queue},
                )
                return

    def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
