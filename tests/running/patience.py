"""How long a test waits for what a program of its own prints."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

SECONDS = 60.0


@contextmanager
def patience(process: "subprocess.Popen[str]") -> Iterator[None]:
    """Kill a program whose lines are awaited for too long: with it they end, and the test fails."""
    timer = Timer(SECONDS, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
