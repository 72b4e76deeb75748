"""Interrupts: a cell of a notebook that awaits a run, or looks at a stream, is interrupted and ends."""

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol


class Awaited(Protocol):
    """What a cell awaits: a run, or the next values of a stream that is looked at."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop it runs in."""
        ...

    def give_up(self) -> None:
        """Begin to end at once."""
        ...


def in_kernel() -> bool:
    """Say whether this process is a kernel of Jupyter; asking imports nothing."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


def nothing() -> None:
    """Do nothing: the loop wakes for it."""


@contextmanager
def noted(run: Awaited) -> Iterator[Callable[[], bool]]:
    """Note interrupts for as long as a run is awaited; whoever handled them goes on doing so.

    A kernel answers the first one of a cell by cancelling the cell, and no other: so a second one,
    while the run drains, aborts it here. It cancels from within the signal's handler, which wakes no
    loop that sleeps: so that is done here as well.
    """
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    count = 0

    def note(number: int, frame: Any) -> None:
        nonlocal count
        count += 1
        run.loop.call_soon_threadsafe(run.give_up if count > 1 else nothing)
        before(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: count > 0
    finally:
        if signal.getsignal(signal.SIGINT) is note:
            signal.signal(signal.SIGINT, before)
