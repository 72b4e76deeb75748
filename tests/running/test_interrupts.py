"""Interrupts as a kernel of Jupyter hands them on: the handler cancels the cell, and wakes nobody."""

import asyncio
import selectors
import signal
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from ackflow import sinks, streams
from ackflow.streams import Handle
from ackflow.streams.running.interrupts import noted


class Interrupting(selectors.DefaultSelector):
    """Gets a SIGINT in its sleep, when there is nothing to wait for but that."""

    def select(self, timeout: float | None = None) -> Any:
        if timeout is not None:
            return super().select(timeout)
        signal.raise_signal(signal.SIGINT)
        woken = super().select(0)
        assert woken, "the loop sleeps on"
        return woken


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """Run a cell in a loop that is interrupted as soon as it has nothing to do."""
    monkeypatch.setattr(Handle, "interrupts", staticmethod(noted))
    before = signal.getsignal(signal.SIGINT)
    loop = asyncio.SelectorEventLoop(Interrupting())

    def run(cell: Coroutine[Any, Any, Any]) -> Any:
        task = loop.create_task(cell)
        signal.signal(signal.SIGINT, lambda number, frame: task.cancel())
        return loop.run_until_complete(task)

    yield run
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    signal.signal(signal.SIGINT, before)


def test_an_idle_run_is_woken_and_drains(kernel: Any) -> None:
    queue = streams.memory.queue(["1"])

    async def cell() -> Any:
        return await (queue | sinks.to_list())

    with pytest.raises(asyncio.CancelledError, match="interrupted: 1 delivered, 1 accepted"):
        kernel(cell())
    assert (queue.acked, queue.unsettled) == (["1"], [])


def test_a_peek_that_waits_is_woken_and_gives_back(kernel: Any) -> None:
    queue = streams.memory.queue(["1"])

    async def cell() -> Any:
        return await queue.peek(10)

    with pytest.raises(asyncio.CancelledError, match="interrupted: what was not settled"):
        kernel(cell())
    assert (queue.ready, queue.unsettled) == (["1"], [])
