"""What the tests call in other processes: functions at the top level of a module."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any


def double(number: int) -> int:
    return 2 * number


def process(number: int) -> int:
    return os.getpid()


def unless_bad(number: int) -> int:
    if number < 0:
        raise ValueError(f"below zero: {number}")
    return number


def dies_at_three(number: int) -> int:
    if number == 3:
        os._exit(1)
    time.sleep(0.05)
    return number


def killed_once(mark: str) -> str:
    """Die at the first call for this path, by the signal of an OOM killer."""
    if mark and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return mark


def slowly_marked(path: str) -> str:
    """Make a file, which shows that the call has begun, and take a while."""
    Path(path).touch()
    time.sleep(0.1)
    return path


def exits(number: int) -> int:
    if number == 1:
        sys.exit("no more")
    return number


def unpicklable(number: int) -> Any:
    return (lambda: number) if number == 1 else number


def initializer_fails() -> None:
    raise OSError("no model file")
