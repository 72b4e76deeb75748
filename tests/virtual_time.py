"""Virtual time: a loop whose clock jumps to the next timer as soon as nothing else is to be done."""

import asyncio
import selectors
from typing import Any


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop that never sleeps. Starts at 0.0; `time()` is virtual."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Selector(self))
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock on."""
        self._now += seconds


class _Selector(selectors.DefaultSelector):
    """Selects without waiting, and moves the clock on instead."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if events or timeout == 0:
            return events
        if timeout is None:
            raise RuntimeError("virtual time: nothing is ready and no timer is set, so it hangs")
        self._loop.advance(timeout)
        return []


def run(coroutine: Any) -> Any:
    """Run a coroutine in virtual time, for tests that Hypothesis drives."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(coroutine)
