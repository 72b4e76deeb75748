"""Reloading: a command that is started anew whenever a Python file below a folder changes."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from ackflow.streams.running.commands.problems import Code, say
from ackflow.streams.workers import Worker

LOOK_EVERY = 0.3
"""Seconds between looks: a saved file is noticed at once, as people count."""
DRAIN_WITHIN = 30.0
"""Seconds that a process has to end; a drain takes 25 at most."""

Seen = dict[str, tuple[int, int]]


class Reloader:
    """Keeps one process of a command running, drains it when code changes, and starts it anew.

    Example:
        sys.exit(Reloader(["python", "words.py"], os.getcwd()).run())

    A process that ends by itself, well or not, is started again at the next change. The first signal
    drains it and ends this, a second one aborts. It has a group of its own, so that a Ctrl-C comes once.
    """

    def __init__(self, command: Sequence[str], folder: str) -> None:
        self._command = command
        self._folder = folder
        self._worker = Worker(0, 1)
        self._signals: list[int] = []

    def run(self) -> int:
        """Run until a signal; return the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _: self._signals.append(number))
        seen = snapshot(self._folder)
        self._worker.start(self._command)
        try:
            while not self._signals:
                time.sleep(LOOK_EVERY)
                if self._worker.ended():
                    say(f"ended with exit code {self._worker.code}; waiting for a change")
                now = snapshot(self._folder)
                if now != seen:
                    self._renew(changed(seen, now))
                    seen = now
            return self._stop()
        finally:
            self._worker.kill()

    def _renew(self, name: str) -> None:
        say(f"{name} changed; starting anew")
        self._stop()
        if not self._signals:
            self._worker.start(self._command)

    def _stop(self) -> int:
        """Drain, and abort at one more signal; return the exit code."""
        heard = len(self._signals)
        self._worker.signal(signal.SIGTERM)
        until = time.monotonic() + DRAIN_WITHIN
        while self._worker.process is not None and not self._worker.ended():
            time.sleep(0.02)
            if len(self._signals) > max(heard, 1):
                heard = len(self._signals)
                self._worker.signal(signal.SIGTERM)
            if time.monotonic() > until:
                self._worker.kill()
        return self._worker.code if self._worker.code >= 0 else Code.FAILED


def snapshot(folder: str) -> Seen:
    """Return each Python file below a folder with its time and size."""
    found: Seen = {}
    for path in _files(folder):
        with suppress(OSError):  # it went away meanwhile
            state = os.stat(path)
            found[path] = (state.st_mtime_ns, state.st_size)
    return found


def _files(folder: str) -> Iterator[str]:
    """Yield Python files, without those of environments and hidden folders."""
    for here, folders, files in os.walk(folder):
        if "pyvenv.cfg" in files:
            folders.clear()
            continue
        folders[:] = [
            each
            for each in folders
            if not each.startswith(".") and each not in ("__pycache__", "node_modules")
        ]
        yield from (os.path.join(here, each) for each in files if each.endswith(".py"))


def changed(before: Seen, now: Seen) -> str:
    """Name what is not as it was."""
    names = {path for path in before.keys() | now.keys() if before.get(path) != now.get(path)}
    return ", ".join(sorted(Path(name).name for name in names)[:3])
