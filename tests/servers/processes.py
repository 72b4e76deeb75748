"""Processes that are tracked by id, ended by id, and never outlive the tests.

Each one leads a process group of its own, so that pausing and killing reach its children too,
and has a guardian: a shell that waits for this Python to end, in whatever way, and then kills
the group. `atexit` alone would not run after a SIGKILL.
"""

from __future__ import annotations

import atexit
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.servers.errors import ServerError

# Below the ephemeral ports of Linux (32768) and macOS (49152): while a node is down no outgoing
# connection can take its port, and no client can connect to itself.
PORTS = range(15_000, 30_000)
POLL_EVERY = 0.05
LOG_LINES = 120
GUARDIAN = 'read -r word || { kill -9 "-$1"; sleep 1; rm -rf -- "$2"; }'

_handed_out: set[int] = set()


def free_port() -> int:
    """Return a loopback port that nothing listens on and that was not handed out before."""
    for port in random.sample(PORTS, k=200):
        if port not in _handed_out and _is_free(port):
            _handed_out.add(port)
            return port
    raise ServerError(f"free_port(): none free of 200 tried from {PORTS.start} to {PORTS.stop}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def accepts(port: int) -> bool:
    """Say whether something on this machine accepts connections on *port*."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(done: Callable[[], bool], within: float) -> bool:
    """Poll *done* until it is true, for at most *within* seconds; say whether it became true."""
    deadline = time.monotonic() + within
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_EVERY)
    return True


def account() -> pwd.struct_passwd | None:
    """Return the account that servers run under: `nobody` when we are root, else our own (None).

    Elasticsearch refuses to run as root, and no test server needs to.
    """
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def hand_over(folder: Path) -> None:
    """Give *folder* and all in it to the servers' account."""
    owner = account()
    if owner is not None:
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)


def spawn(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, output: int
) -> subprocess.Popen[bytes]:
    """Start *command* in *folder* under the servers' account, in a process group of its own."""
    owner = account()
    return subprocess.Popen(
        command,
        env=dict(environment),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        user=owner.pw_uid if owner else None,
        group=owner.pw_gid if owner else None,
        extra_groups=[] if owner else None,
    )


def run(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, within: float = 60
) -> str:
    """Run *command* to its end under the servers' account and return its standard output."""
    owner = account()
    try:
        done = subprocess.run(
            command,
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=within,
            user=owner.pw_uid if owner else None,
            group=owner.pw_gid if owner else None,
            extra_groups=[] if owner else None,
        )
    except subprocess.TimeoutExpired:
        raise ServerError(f"{' '.join(command)}: no end within {within:g} s") from None
    if done.returncode:
        said = (done.stderr + done.stdout).strip()
        raise ServerError(f"{' '.join(command)}: ended with {done.returncode}: {said}")
    return done.stdout


class Process:
    """One process at a time, startable again, with the output of all of them in *log*."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.log = folder / f"{name}.log"
        self._child: subprocess.Popen[bytes] | None = None
        self._guardian: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the process lives, paused or not."""
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        """The id of the process and of its group."""
        if self._child is None or not self.running:
            raise ServerError(f"{self.name}: not running{self.log_tail()}")
        return self._child.pid

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start *command*; a process that runs already is an error."""
        if self.running:
            raise ServerError(f"{self.name}: start() of what runs already, as process {self.pid}")
        with self.log.open("ab") as log:
            self._child = spawn(command, environment, self.folder, log.fileno())
        self._guardian = subprocess.Popen(
            ["sh", "-c", GUARDIAN, "guardian", str(self._child.pid), str(self.folder)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        _alive.append(self)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and its children."""
        os.killpg(self.pid, number)

    def stop(self, within: float = 30) -> None:
        """End the process with SIGTERM, after *within* seconds with SIGKILL."""
        if self.running:
            self.signal(signal.SIGCONT)
            # To the leader alone: a launcher must outlive the server that it ends.
            os.kill(self.pid, signal.SIGTERM)
            wait_until(lambda: not self.running, within)
        self.kill()

    def kill(self) -> None:
        """End the process and its children with SIGKILL, now."""
        if self._child is None:
            return
        # Also where the leader has ended: a child of its may live on in the group.
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        self._child = None
        self._dismiss_guardian()
        _alive.remove(self)

    def _dismiss_guardian(self) -> None:
        if self._guardian is not None:
            self._guardian.communicate(b"dismissed\n")
            self._guardian = None

    def log_tail(self) -> str:
        """Return the last lines of the log, ready to be put behind an error message."""
        if not self.log.exists():
            return f" (no log at {self.log})"
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_LINES:]
        return f"; the end of {self.log}:\n  " + "\n  ".join(lines)


_alive: list[Process] = []


@atexit.register
def _kill_all() -> None:
    """Kill what is left when Python ends in the usual way."""
    for process in list(_alive):
        process.kill()
        shutil.rmtree(process.folder, ignore_errors=True)
