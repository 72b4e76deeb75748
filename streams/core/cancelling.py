"""Cancelling: tasks that are told to end, and how long anybody waits for that."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

logger = logging.getLogger("ackflow.cancelling")

GRACE = 1.5
"""Seconds that a task may go on after it was cancelled, before it is left behind."""


async def cancelled(*tasks: "asyncio.Task[Any] | None", within: float = GRACE) -> bool:
    """Cancel tasks and wait until they have ended; say whether all have.

    One that goes on after `within` seconds, since a user's function swallows CancelledError, is left
    behind, with a warning: nobody can end it.
    """
    told = [task for task in tasks if task is not None and not task.done()]
    for task in told:
        task.cancel()
    if not told:
        return True
    ended, left = await asyncio.wait(told, timeout=within)
    for task in ended:
        if not task.cancelled():
            task.exception()  # it counts as looked at
    for task in left:
        logger.warning(
            "%s goes on %g s after it was cancelled, and is left behind; let CancelledError through: "
            "`except Exception` does, `except:` does not",
            task.get_name(),
            within,
            extra={"event": "task_left", "task": task.get_name(), "seconds": within},
        )
    return not left


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Wait for work that must not be cut short; who was cancelled meanwhile is cancelled after it."""
    task = asyncio.ensure_future(work)
    told = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            told = True
    task.result()
    if told:
        raise asyncio.CancelledError


def end_if_cancelled() -> None:
    """Raise CancelledError where the task was told to end, and a user's function has swallowed that."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
