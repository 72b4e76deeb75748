"""Progress: how far runs are, on stderr, while they run; needs the extra `progress`."""

import asyncio
import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from ackflow.streams.core import Handle, cancelled, shown
from ackflow.streams.graphs.pace import Pace

try:
    from rich.console import Console
    from rich.live import Live
except ImportError:
    raise ImportError(
        "pipeline.run(progress): needs the package rich: pip install 'ackflow[progress]'; "
        "or leave progress out, and look at `status=` or at pipeline.summary"
    ) from None

from ackflow.streams.running.table import Size, Tables, head

REDRAW = 0.2
"""Seconds between two pictures on a terminal."""
PLAIN = 10.0
"""Seconds between two lines where there is no terminal."""


class Progress:
    """Shows runs on stderr: a line for each stage on a terminal, a line now and then elsewhere.

    Example:
        async with running.Progress() as progress:
            progress.show(pipeline.start(measure=True))
            progress.show(words=first.start(measure=True), mails=second.start())     # or several
            ...

    What the program prints and logs meanwhile stands above the lines. At the end come the summaries.
    A run that is not measured has no lines for its stages.
    Raises ImportError without the extra `progress`, TypeError for what is no handle.
    """

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._runs: dict[str, Handle[Any]] = {}
        self._drawing: asyncio.Task[None] | None = None
        self._stack = ExitStack()
        self._live: Live | None = None
        self._tables = Tables()

    def show(self, handle: Handle[Any] | None = None, /, **named: Handle[Any]) -> None:
        """Show runs from now on."""
        runs = {**({} if handle is None else {"": handle}), **named}
        for run in runs.values():
            if not isinstance(run, Handle):
                raise TypeError(
                    f"progress.show(handle): must be a handle, got {shown(run)}; "
                    "pipeline.start(measure=True) returns one"
                )
        self._runs.update(runs)

    async def __aenter__(self) -> "Progress":
        terminal = sys.stderr is not None and sys.stderr.isatty()
        if terminal and not self._console.is_dumb_terminal:
            self._live = self._stack.enter_context(_live(self._console))
        draw = self._lines() if self._live is None else self._pictures(self._live)
        self._drawing = asyncio.create_task(draw, name="progress")
        return self

    async def __aexit__(self, *error: object) -> None:
        await cancelled(self._drawing)
        try:
            if self._live is not None:
                self._draw(self._live)
        except (OSError, ValueError):
            return
        finally:
            self._stack.close()
        for name, run in self._runs.items():
            _write(f"{name + ': ' if name else ''}{run.stats()}\n")

    async def _pictures(self, live: Live) -> None:
        """Draw until cancelled; who has closed the terminal sees nothing more."""
        try:
            while True:
                self._draw(live)
                await asyncio.sleep(REDRAW)
        except (OSError, ValueError):
            return

    def _draw(self, live: Live) -> None:
        size = Size(self._console.width, self._console.height)
        live.update(self._tables.draw(self._runs, size), refresh=True)

    async def _lines(self) -> None:
        paces: dict[str, Pace] = {}
        while True:
            await asyncio.sleep(PLAIN)
            for name, run in self._runs.items():
                stats, now = run.stats(), run.loop.time()
                pace = paces.setdefault(name, Pace(now - stats.seconds))
                _write(f"{head(name, run, pace.at(now, stats.acked + stats.rejected))}\n")


def _write(text: str) -> None:
    """Write in one piece, beside other processes; nothing where nobody reads."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        return


@contextmanager
def _live(console: Console) -> Iterator[Live]:
    """Keep the last lines of a terminal for a picture; what is printed and logged goes above it."""
    out, err = sys.stdout, sys.stderr
    with Live(
        console=console,
        auto_refresh=False,
        redirect_stdout=out is not None and out.isatty(),
        vertical_overflow="crop",
    ) as live:
        moved = [
            (handler, handler.setStream(sys.stdout if handler.stream is out else sys.stderr))
            for handler in _handlers()
            if handler.stream is err or (handler.stream is out and sys.stdout is not out)
        ]
        try:
            yield live
        finally:
            for handler, stream in moved:
                handler.setStream(stream)


def _handlers() -> Iterator[Any]:
    """Yield the handlers of all loggers that write to a stream they were given before."""
    loggers = [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]
    seen: set[logging.Handler] = set()
    for logger in loggers:
        for handler in getattr(logger, "handlers", ()):
            if isinstance(handler, logging.StreamHandler) and handler not in seen:
                seen.add(handler)
                yield handler
