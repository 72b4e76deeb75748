"""Workers: several processes of one program, from one command, drained by one signal.

    python -m ackflow.streams.workers 4 -- python words.py

Why a runner of its own, where systemd, Kubernetes and supervisord exist: one process takes what one core
takes, so a machine needs as many as it has cores, and a developer's, a test and a container have no
supervisor. It does what these do with one program, and no more; under one of them it may run as well.
Why processes from a command, and not from `multiprocessing`: a worker is then the same program that runs
alone, shares nothing with the others, and is started anew when it has died, whatever it died of.
"""

import argparse
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import inf

from ackflow.streams.core import RetryState, exponential

NUMBER = "ACKFLOW_WORKER"
"""Holds a worker's number, from 0 up."""
COUNT = "ACKFLOW_WORKERS"
"""Holds how many there are."""
ABORTED = 130
"""Exit code after a second signal: 128 + SIGINT, as a pipeline's."""
NOT_STARTED = 127
"""Exit code when there is no such command, as shells have it."""
PAUSE = exponential(first=0.25, longest=30.0)
"""Before a worker that died is started again; spread, for many may die of the same thing."""
STEADY = 60.0
"""Seconds of life after which a worker's earlier deaths are forgotten."""
ABORT_WITHIN = 5.0
"""Seconds between a second signal, which pipelines abort at, and SIGKILL."""
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
NEVER = inf


class Worker:
    """One place among the workers, and the process that has it now."""

    def __init__(self, number: int, count: int) -> None:
        self.number = number
        self.process: subprocess.Popen[bytes] | None = None
        self.code = 0
        """How its last process ended."""
        self.deaths = 0
        """How many of its processes died in a row, none of which had lived for long."""
        self.due = 0.0
        """When its next process is to start, by the monotonic clock."""
        self._count = count
        self._began = 0.0

    def start(self, command: Sequence[str]) -> None:
        """Start its process, in a group of its own: a Ctrl-C is the runner's to pass on, once."""
        self.due, self._began = NEVER, time.monotonic()
        parent = os.getpid()
        self.process = subprocess.Popen(  # noqa: S603 the command is the user's own
            command,
            env={**os.environ, NUMBER: str(self.number), COUNT: str(self._count)},
            stdin=subprocess.DEVNULL,
            process_group=0,
            preexec_fn=lambda: _end_with(parent),  # safe: there are no threads here
        )

    def ended(self) -> bool:
        """Say whether its process has ended since the last look; kill what that has left behind."""
        if self.process is None or (code := self.process.poll()) is None:
            return False
        self.kill()
        self.code, self.process = code, None
        return True

    def restart(self) -> float:
        """Plan its next process; return the seconds until then."""
        now = time.monotonic()
        self.deaths = 1 if now - self._began >= STEADY else self.deaths + 1
        seconds = PAUSE(RetryState(self.deaths))
        self.due = now + seconds
        return seconds

    def signal(self, number: int) -> None:
        """Pass a signal on to its process, and to nothing that one has started: that is its own."""
        if self.process is not None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """Kill its process, and all that is left of its group."""
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)


class Workers:
    """Keeps `count` processes of a command running until all of them have ended well, or are told to.

    Example:
        sys.exit(Workers(["python", "words.py"], count=4).run())

    A process that dies, by a signal or with another exit code than 0, is started again after a wait
    that grows, from 0.25 s to 30 s; one that ends with 0 is not. `restarts`: how many deaths in a row of
    one worker, each within a minute, are made good; at one more all are drained (None: no limit).
    SIGTERM and SIGINT are passed on to all of them, and each drains. A second one is passed on as well,
    which aborts them, and what lives 5 s later is killed. When the runner itself is killed, they drain
    on Linux; elsewhere they go on.
    """

    def __init__(self, command: Sequence[str], count: int, *, restarts: int | None = None) -> None:
        self.command = list(command)
        self.restarts = restarts
        self._workers = [Worker(number, count) for number in range(count)]
        self._arrived: list[int] = []
        """Signals that nobody has looked at yet."""
        self._signals = 0
        self._kill_at: float | None = None
        self._failed = 0
        """The exit code that says why all had to end, or 0."""

    def run(self) -> int:
        """Run them in the main thread, and return the exit code that tells how it went.

        0: each ended well, or drained. 1: one ended otherwise while it drained, or died too often.
        127: the command can't be started. 130: they were aborted.
        """
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _: self._arrived.append(number))
        signal.signal(signal.SIGCHLD, lambda *_: None)  # it only wakes the loop
        try:
            while self._turn():
                select.select([reader], [], [], self._seconds())
                with suppress(BlockingIOError):
                    os.read(reader, 512)
        finally:
            self._each(Worker.kill)
        if self._signals > 1:
            return ABORTED
        return self._failed or int(any(worker.code for worker in self._workers))

    def _turn(self) -> bool:
        """Do what is due; say whether anything runs, or is still to start."""
        while self._arrived:
            self._signalled(self._arrived.pop(0))
        for worker in self._workers:
            if worker.ended():
                self._ended(worker)
        now = time.monotonic()
        for worker in self._workers:
            if worker.due <= now:
                self._start(worker)
        if self._kill_at is not None and self._kill_at <= now:
            self._kill_at = None
            self._each(Worker.kill)
        return any(worker.process or worker.due < NEVER for worker in self._workers)

    def _seconds(self) -> float | None:
        """Return how long there is nothing to do, unless a signal comes."""
        due = min(self._kill_at or NEVER, *(worker.due for worker in self._workers))
        return None if due == NEVER else max(0.0, due - time.monotonic())

    def _start(self, worker: Worker) -> None:
        try:
            worker.start(self.command)
        except OSError as error:
            say(f"{self.command[0]!r} can't be started: {error.strerror}")
            self._end(NOT_STARTED)

    def _ended(self, worker: Worker) -> None:
        if worker.code == 0 or self._stopping:
            return
        what = f"worker {worker.number} ended with {worker.code}"
        seconds = worker.restart()
        if self.restarts is not None and worker.deaths > self.restarts:
            say(f"{what}, {worker.deaths} times in a row; draining all")
            self._end(1)
        else:
            say(f"{what}; another one starts in {seconds:.2f} s")

    @property
    def _stopping(self) -> bool:
        return bool(self._signals or self._failed)

    def _signalled(self, number: int) -> None:
        self._signals += 1
        if self._signals == 1:
            say("draining; once more to abort")
        elif self._kill_at is None:
            self._kill_at = time.monotonic() + ABORT_WITHIN
        self._pass_on(number)

    def _end(self, code: int) -> None:
        """Drain all, for a reason that is no signal of anybody's."""
        self._failed = code
        self._pass_on(signal.SIGTERM)

    def _pass_on(self, number: int) -> None:
        for worker in self._workers:
            worker.due = NEVER
            worker.signal(number)

    def _each(self, act: Callable[[Worker], None]) -> None:
        for worker in self._workers:
            act(worker)


def say(text: str) -> None:
    """Tell whoever looks at the runner's error output."""
    sys.stderr.write(f"workers: {text}\n")  # in one piece: all the workers write there, too
    sys.stderr.flush()


def _end_with(parent: int) -> None:
    """In a new process: have Linux send it SIGTERM, which drains, when its parent ends."""
    if LIBC is not None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(ABORTED)


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(
                f"must be a whole number from {least} up, got {text!r}"
            )
        return int(text)

    return number


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m ackflow.streams.workers",
        description="Run several processes of one command; SIGTERM or SIGINT drains them all.",
        epilog=f"Each finds its number, from 0 up, in {NUMBER}, and how many there are in {COUNT}. "
        "Exit codes: 0 all ended well or drained, 1 one did not, 127 no such command, 130 aborted.",
    )
    parser.add_argument("count", type=_at_least(1), help="how many processes: one a core")
    parser.add_argument(
        "--restarts", type=_at_least(0), metavar="N", help="deaths in a row to make good (no limit)"
    )
    parser.add_argument("command", nargs="+", help="behind --, such as: -- python words.py")
    given = parser.parse_args(arguments)
    return Workers(given.command, given.count, restarts=given.restarts).run()


if __name__ == "__main__":
    sys.exit(main())
