"""Running a pipeline in a script: a loop of its own, and signals that drain."""

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any

from ackflow.streams.core import Handle, Pipeline, check_flag

if TYPE_CHECKING:
    from ackflow.streams.running.progress import Progress
    from ackflow.streams.running.status import Status
    from ackflow.streams.running.tally import Tally
    from ackflow.streams.running.tracing import Tracing

ABORTED = 130
"""Exit code after a second signal: 128 + SIGINT, as shells have it."""


def run(
    pipeline: Pipeline[Any],
    *,
    limit: int | None = None,
    timeout: float | None = None,
    status: "str | Status | None" = None,
    progress: bool = False,
    tracing: "bool | Tracing" = False,
) -> Any:
    """Run a pipeline until its stream ends, or SIGINT or SIGTERM drain it.

    Example:
        pipeline.run(limit=1000)

    The first signal drains: nothing new is taken, what is under way finishes, the rest goes back to
    the broker; then the result is returned as usual. A second one aborts with exit code 130.
    `status`: host and port, or a `Status`, where the run shows itself over HTTP until it is over.
    `progress`: show on stderr what each stage does, and at the end a summary (extra `progress`).
    `tracing`: make OpenTelemetry spans of it; True, or a `Tracing` with its settings (extra `tracing`).
    Raises OSError where nobody can listen at `status`, before anything is consumed, RuntimeError inside
    a running loop, and whatever ended the pipeline.
    """
    check_flag("pipeline.run(progress)", progress)
    shown = None if status is None else _status(status)
    display = _progress() if progress else None
    spans = _tracing() if tracing is True else tracing or None
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(_run(pipeline, limit, timeout, shown, display, spans))
    raise RuntimeError(
        "pipeline.run(): a loop is running already, as it does in Jupyter; write `await pipeline`"
    )


def _status(status: "str | Status") -> "Status":
    """Import what serves only where it is asked for."""
    from ackflow.streams.running.status import Status

    return status if isinstance(status, Status) else Status(status)


def _progress() -> "Progress":
    from ackflow.streams.running.progress import Progress

    return Progress()


def _tally(tracing: "Tracing | None") -> "Tally":
    from ackflow.streams.running.tally import Tally

    return Tally(tracing)


def _tracing() -> "Tracing":
    from ackflow.streams.running.tracing import Tracing

    return Tracing()


async def _run(
    pipeline: Pipeline[Any],
    limit: int | None,
    timeout: float | None,
    status: "Status | None",
    progress: "Progress | None",
    tracing: "Tracing | None",
) -> Any:
    async with AsyncExitStack() as stack:
        board = None if status is None else await stack.enter_async_context(status.serve())
        if progress is not None:
            await stack.enter_async_context(progress)
        told = status is not None and status.measure
        handle = pipeline.start(
            limit=limit,
            timeout=timeout,
            measure=progress is not None or told or None,
            tracing=_tally(tracing) if told else tracing,
        )
        if progress is not None:
            progress.show(handle)
        if board is not None:
            board.show(handle)
        return await _with_signals(handle)


async def _with_signals(handle: Handle[Any]) -> Any:
    signals = _Signals(handle)
    signals.install()
    try:
        return await handle
    except asyncio.CancelledError:
        if signals.aborted:
            raise SystemExit(ABORTED) from None
        if signals.draining:
            return handle.stats()
        raise
    finally:
        signals.remove()


class _Signals:
    """Drains at the first signal and aborts at the second."""

    def __init__(self, handle: Handle[Any]) -> None:
        self._handle = handle
        self._drain: asyncio.Task[Any] | None = None
        self._abort: asyncio.Task[Any] | None = None

    @property
    def draining(self) -> bool:
        """Whether there was a first signal."""
        return self._drain is not None

    @property
    def aborted(self) -> bool:
        """Whether there was a second one."""
        return self._abort is not None

    def install(self) -> None:
        """Take SIGINT and SIGTERM; where a loop can't (Windows), Ctrl-C stays KeyboardInterrupt."""
        self._each(lambda loop, number: loop.add_signal_handler(number, self._signalled))

    def remove(self) -> None:
        """Give the signals back."""
        self._each(lambda loop, number: loop.remove_signal_handler(number))

    def _each(self, act: Callable[[asyncio.AbstractEventLoop, signal.Signals], object]) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError, RuntimeError, ValueError):
                act(asyncio.get_running_loop(), number)

    def _signalled(self) -> None:
        if self._drain is None:
            sys.stderr.write("draining; once more to abort\n")  # in one piece, beside other workers
            self._drain = asyncio.ensure_future(self._handle.drain())
        elif self._abort is None:
            self._abort = asyncio.ensure_future(self._handle.abort())
