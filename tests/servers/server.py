"""What all test servers share: a folder, a process, and the verbs on it."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers.errors import ServerError
from tests.servers.processes import Process, accepts, hand_over, wait_until


class Server:
    """A server of one's own in a temporary folder, on ports that stay its own.

    Data and ports outlive `stop`, `kill` and `restart`; only `close` deletes the folder.
    As a context manager it is started at the beginning and closed at the end.
    """

    port: int
    start_within = 120.0
    stop_within = 30.0

    def __init__(self, name: str) -> None:
        self.name = name
        self.folder = Path(tempfile.mkdtemp(prefix=f"ackflow-{name}-"))
        self.process = Process(name, self.folder)
        self._prepared = False

    def start(self) -> None:
        """Start the server and return when it is ready to serve."""
        if not self.folder.exists():
            raise ServerError(f"{self.name}.start(): closed, its folder is gone; make a new one")
        if not self.process.running and accepts(self.port):
            raise ServerError(
                f"{self.name}.start(): something else listens on port {self.port}; "
                "end it or take another port (free ones are the default)"
            )
        self.ensure_prepared()
        self.process.start(self.command(), self.environment())
        wait_until(lambda: not self.process.running or self.is_ready(), self.start_within)
        if not self.process.running:
            self._give_up("ended while it started")
        if not self.is_ready():
            self._give_up(f"not ready within {self.start_within:g} s")

    def ensure_prepared(self) -> None:
        """Fill the folder, unless that has happened."""
        if not self._prepared:
            self.prepare()
            hand_over(self.folder)
            self._prepared = True

    def _give_up(self, reason: str) -> None:
        tail = self.process.log_tail()
        self.process.kill()
        raise ServerError(f"{self.name}.start(): {reason}{tail}")

    def stop(self) -> None:
        """End the server in its own orderly way; nothing if it does not run."""
        self.process.stop(self.stop_within)
        self._wait_until_gone()

    def kill(self) -> None:
        """End the server with SIGKILL, as a crash would."""
        self.process.kill()
        self._wait_until_gone()

    def _wait_until_gone(self) -> None:
        """Wait for children of the process, which may outlive it by a moment."""
        if not wait_until(lambda: not accepts(self.port), within=10):
            raise ServerError(f"{self.name}: ended, but something still listens on {self.port}")

    def pause(self) -> None:
        """Freeze the server with SIGSTOP: connections stay open and nothing answers."""
        self.process.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        self.process.signal(signal.SIGCONT)

    def restart(self) -> None:
        """Stop the server if it runs, and start it with its data."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End the server at once and delete its folder; may be called again."""
        self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # What a kind of server defines:

    @property
    def url(self) -> str:
        """Where clients find the server."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Fill the folder before the first start."""
        raise NotImplementedError

    def command(self) -> Sequence[str]:
        """Return the command that runs the server in the foreground."""
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        """Return the whole environment of the command."""
        raise NotImplementedError

    def is_ready(self) -> bool:
        """Ask the server itself whether it serves."""
        raise NotImplementedError
