"""A run's handle: who looks at it, and what an interrupted cell makes of it."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Handle


async def linger(value: object) -> None:
    await asyncio.sleep(1)


def interrupted(handle: Any) -> AbstractContextManager[Callable[[], bool]]:
    return nullcontext(lambda: True)


async def awaited(handle: Any) -> Any:
    return await handle


async def test_an_interrupted_cell_drains_and_gives_back_the_rest(
    monkeypatch: pytest.MonkeyPatch, virtual_clock: Any
) -> None:
    monkeypatch.setattr(Handle, "interrupts", staticmethod(interrupted))
    queue = streams.memory.queue(["a", "b", "c"])
    cell = asyncio.create_task(awaited((queue | sinks.each(linger)).start()))
    await asyncio.sleep(0.5)
    cell.cancel()
    with pytest.raises(asyncio.CancelledError, match="interrupted: 3 delivered, 1 accepted") as end:
        await cell
    assert (queue.acked, queue.ready, queue.unsettled) == (["a"], ["b", "c"], [])
    (line,) = end.value._render_traceback_()  # type: ignore[attr-defined]
    assert line.startswith("interrupted: 3 delivered, 1 accepted, 2 requeued")


async def test_a_second_interrupt_aborts_the_drain(
    monkeypatch: pytest.MonkeyPatch, virtual_clock: Any
) -> None:
    monkeypatch.setattr(Handle, "interrupts", staticmethod(interrupted))
    queue = streams.memory.queue(["a", "b"])
    handle = (queue | op.map_async(lambda value: asyncio.sleep(20)) | sinks.to_list()).start()
    cell = asyncio.create_task(awaited(handle))
    await asyncio.sleep(0.5)
    cell.cancel()
    await asyncio.sleep(0.5)
    handle.give_up()
    with pytest.raises(asyncio.CancelledError, match="interrupted"):
        await cell
    assert virtual_clock.now < 2
    assert (queue.acked, queue.unsettled) == ([], [])


async def test_a_cell_that_is_cancelled_while_it_drains_aborts(
    monkeypatch: pytest.MonkeyPatch, virtual_clock: Any
) -> None:
    monkeypatch.setattr(Handle, "interrupts", staticmethod(interrupted))
    handle = (streams.memory.queue(["a"]) | op.map_async(linger) | sinks.to_list()).start()
    cell = asyncio.create_task(awaited(handle))
    await asyncio.sleep(0.1)
    cell.cancel()
    await asyncio.sleep(0.1)
    cell.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cell
    assert handle.done
    assert virtual_clock.now < 0.5


async def test_who_looks_is_told_of_the_end_once_it_is_there() -> None:
    told: list[bool] = []
    handle = (streams.of(1) | sinks.to_list()).start()
    handle.when_done(lambda: told.append(handle.done))
    await handle
    await asyncio.sleep(0)
    assert told == [True]


async def test_a_notebook_shows_a_run_as_it_was_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[object] = []
    monkeypatch.setattr(Handle, "shows", staticmethod(shown.append))
    handle = (streams.of(1) | sinks.to_list()).start()
    handle._ipython_display_()
    await handle
    assert shown == [handle]


@pytest.mark.parametrize("turns", range(12))
async def test_an_abort_while_the_sources_open_is_heeded_at_once(
    turns: int, virtual_clock: Any
) -> None:
    """In whichever turn of the loop it comes, the one in which the last source is open included."""
    one: Any = streams.memory.queue()
    other: Any = streams.memory.queue()
    handle = (one | op.merge(other) | sinks.to_list()).start()
    for _ in range(turns):
        await asyncio.sleep(0)
    await handle.abort()
    assert virtual_clock.now == 0.0
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_run_tells_of_its_sources_in_the_order_in_which_they_open() -> None:
    first, second = streams.memory.queue([1, 2]), streams.memory.queue([3])
    handle = (first | op.merge(second) | sinks.each(linger)).start()
    assert handle.inlets == ()
    await asyncio.sleep(0)
    assert [inlet.name for inlet in handle.inlets] == ["memory.queue", "memory.queue"]
    await handle.abort()
