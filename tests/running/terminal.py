"""A real program on a terminal of a given size, and what stands on its screen at the end."""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from dataclasses import dataclass
from pathlib import Path

import pyte

from tests.running.patience import SECONDS

LINES = 24
OURS = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")


@dataclass
class Screen:
    """What a program has left on a terminal."""

    code: int
    raw: bytes
    lines: list[str]

    def __str__(self) -> str:
        return "\n".join(self.lines)


def on_terminal(
    program: Path, columns: int, *, interrupt_at: str = "", lines: int = LINES, **environment: str
) -> Screen:
    """Run a program to its end; send SIGINT when it has printed a text."""
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover - the other process
        # What readline puts into the environment of this process, os.environ knows nothing of.
        inherited = {name: value for name, value in os.environ.items() if name not in OURS}
        settings = {**inherited, "TERM": "xterm", **environment}
        os.execve(sys.executable, [sys.executable, str(program)], settings)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    try:
        raw = _read(pid, terminal, interrupt_at.encode())
    finally:
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
    return Screen(os.waitstatus_to_exitcode(status), raw, _drawn(raw, columns, lines))


def _read(pid: int, terminal: int, interrupt_at: bytes) -> bytes:
    raw, until = b"", time.monotonic() + SECONDS
    while time.monotonic() < until:
        ready, _, _ = select.select([terminal], [], [], 0.1)
        try:
            some = os.read(terminal, 65536) if ready else None
        except OSError:  # Linux says so when the other side has closed it
            return raw
        if some == b"":
            return raw
        raw += some or b""
        if interrupt_at and interrupt_at in raw:
            os.kill(pid, signal.SIGINT)
            interrupt_at = b""
    os.kill(pid, signal.SIGKILL)
    raise AssertionError(f"still running after {SECONDS} s: {raw[-2000:]!r}")


def _drawn(raw: bytes, columns: int, lines: int) -> list[str]:
    screen = pyte.HistoryScreen(columns, lines, history=10_000)
    pyte.ByteStream(screen).feed(raw)
    above = ["".join(line[at].data for at in range(columns)) for line in screen.history.top]
    return [line.rstrip() for line in (*above, *screen.display) if line.strip()]
