"""JumpingSelector: where a loop would wait for time to pass, its clock jumps; where for others, not."""

import selectors
import threading
from typing import TYPE_CHECKING

from ackflow.streams.testing.waiting import Hang, whereabouts

if TYPE_CHECKING:
    from ackflow.streams.testing.clock import VirtualLoop

GRACE = 0.01
"""Real seconds that sockets and threads of others are given before the clock jumps."""
PATIENCE = 10.0
"""Real seconds to wait for sockets and threads of others where nothing else can happen."""
CALL_PATIENCE = 60.0
"""Real seconds that a call in an executor, or a hold, may take."""
MOST = 1_000_000
"""Timers, or turns without time passing, after which a loop is taken to go round in circles."""

Events = list[tuple[selectors.SelectorKey, int]]


class JumpingSelector(selectors.DefaultSelector):
    """Selects without waiting, and moves the clock of its loop on instead."""

    def __init__(self, loop: "VirtualLoop") -> None:
        super().__init__()
        self._loop = loop
        self._jumps = 0
        self._jumped_at = 0
        self._before = set(threading.enumerate())

    def select(self, timeout: float | None = None) -> Events:
        """Return what is ready; `timeout` is the virtual time until the loop's next timer."""
        turned = self._loop.turn()
        events = super().select(0)
        if events or turned or timeout == 0:
            self._expect_an_end()
            return events
        if self._loop.waits:
            return self._await_calls()
        others = self._others()
        # Looked at again even without others: a thread may have answered and ended in between.
        events = super().select(GRACE if others else 0)
        if events or self._loop.wake_idlers():
            return events
        if timeout is None:
            return self._await_others(others)
        self._jump(timeout)
        return []

    def _await_calls(self) -> Events:
        events = super().select(CALL_PATIENCE)
        if not events:
            raise Hang(
                f"virtual time: a call in an executor, or a hold of the clock, took more than "
                f"{CALL_PATIENCE:.0f} real seconds{whereabouts(self._loop)}"
            )
        return events

    def _await_others(self, others: bool) -> Events:
        events = super().select(PATIENCE) if others else []
        if not events:
            after = f", and {PATIENCE:.0f} real seconds brought nothing" if others else ""
            raise Hang(
                "virtual time: everything waits and no timer is set, so nothing will ever happen"
                f"{after}{whereabouts(self._loop)}"
            )
        return events

    def _jump(self, seconds: float) -> None:
        self._jumps += 1
        self._jumped_at = self._loop.turns
        if self._jumps > MOST:
            raise Hang(
                f"virtual time: after {MOST:,} timers, at {self._loop.time():,.0f} virtual seconds, "
                f"the test has not ended{whereabouts(self._loop)}"
            )
        self._loop.jump(seconds)

    def _expect_an_end(self) -> None:
        """Raise where somebody waits for nothing to go on, and something always does."""
        if self._loop.turns - self._jumped_at > MOST and self._loop.wake_idlers():
            raise Hang(
                f"virtual time: something still goes on after {MOST:,} turns of the loop without "
                f"time passing, so that it is never idle{whereabouts(self._loop)}"
            )

    def _others(self) -> bool:
        """Say whether something may come from outside: a socket is open, or a thread may call."""
        return len(self.get_map()) > 1 or any(map(self._unknown, threading.enumerate()))

    def _unknown(self, thread: threading.Thread) -> bool:
        """Say whether a thread may be at work of which the loop knows nothing.

        The workers of executors are known: what they do for the loop went through `run_in_executor`.
        """
        worker = thread.name.startswith(("asyncio_", "ThreadPoolExecutor-"))
        manager = type(thread).__name__ == "_ExecutorManagerThread" or "QueueFeeder" in thread.name
        return not (thread in self._before or worker or manager)
