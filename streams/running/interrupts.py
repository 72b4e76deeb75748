"""Interrupts: a cell of a notebook that awaits a run is interrupted, and the run drains."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ackflow.streams.core import Handle


def in_kernel() -> bool:
    """Say whether this process is a kernel of Jupyter; asking imports nothing."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


@contextmanager
def noted(handle: Handle[Any]) -> Iterator[Callable[[], bool]]:
    """Note interrupts for as long as a run is awaited; whoever handled them goes on doing so.

    A kernel answers the first one of a cell by cancelling the cell, and no other: so a second one,
    while the run drains, aborts it here.
    """
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    count = 0

    def note(number: int, frame: Any) -> None:
        nonlocal count
        count += 1
        if count > 1:
            handle.loop.call_soon_threadsafe(handle.give_up)
        before(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: count > 0
    finally:
        if signal.getsignal(signal.SIGINT) is note:
            signal.signal(signal.SIGINT, before)
