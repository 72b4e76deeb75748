"""Pull: a wait that can be interrupted without ending the source."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ackflow.streams.core import END, Pull, close
from ackflow.streams.core.pulling import Ready


class Letters:
    """Hands out a letter a second, and says what was done to it."""

    def __init__(self, letters: str = "abc", error: BaseException | None = None) -> None:
        self.left = list(letters)
        self.error = error
        self.pulls = 0
        self.cancelled = self.closed = False

    def __aiter__(self) -> "Letters":
        return self

    async def __anext__(self) -> str:
        self.pulls += 1
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if not self.left:
            raise self.error or StopAsyncIteration
        return self.left.pop(0)

    async def aclose(self) -> None:
        self.closed = True


async def rung(pull: Pull[str], wake: asyncio.Event) -> None:
    pull.start()
    await wake.wait()
    wake.clear()


async def test_a_pull_rings_when_there_is_something_to_take() -> None:
    wake = asyncio.Event()
    pull = Pull(Letters("ab"), wake)
    assert not pull.ready
    taken: list[Any] = []
    while not pull.ended:
        await rung(pull, wake)
        assert pull.ready
        taken.append(pull.take())
    assert taken == ["a", "b", END]
    assert asyncio.get_running_loop().time() == 3


async def test_one_pull_is_in_flight_however_often_it_is_started() -> None:
    source = Letters()
    pull = Pull(source, asyncio.Event())
    pull.start()
    pull.start()
    await asyncio.sleep(5)
    pull.start()
    assert (source.pulls, pull.ready, pull.take()) == (1, True, "a")
    assert not pull.ready


async def test_after_the_end_nothing_is_pulled_any_more() -> None:
    source, wake = Letters(""), asyncio.Event()
    pull = Pull(source, wake)
    await rung(pull, wake)
    assert pull.take() is END
    pull.start()
    await asyncio.sleep(5)
    assert source.pulls == 1
    assert not pull.ready


async def test_an_error_of_the_source_is_raised_by_take_and_is_the_end() -> None:
    source, wake = Letters("", OSError("disk")), asyncio.Event()
    pull = Pull(source, wake)
    await rung(pull, wake)
    with pytest.raises(OSError, match="disk"):
        pull.take()
    assert pull.ended
    pull.start()
    await asyncio.sleep(5)
    assert source.pulls == 1


async def test_close_cancels_the_pull_in_flight_and_closes_the_source() -> None:
    source = Letters()
    pull = Pull(source, asyncio.Event())
    pull.start()
    await asyncio.sleep(0.5)
    await pull.close()
    assert source.cancelled
    assert source.closed
    pull.start()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_close_leaves_a_pull_that_is_done_alone() -> None:
    source = Letters()
    pull = Pull(source, asyncio.Event())
    pull.start()
    await asyncio.sleep(2)
    await pull.close()
    assert not source.cancelled
    assert source.closed


async def test_an_iterator_that_cannot_be_closed_is_left_alone() -> None:
    class Endless:
        def __aiter__(self) -> "Endless":
            return self

        async def __anext__(self) -> int:
            return 1

    endless: AsyncIterator[int] = Endless()
    await close(endless)
    assert await anext(endless) == 1


async def test_what_need_not_be_waited_for_is_ready_until_its_end_and_is_closed() -> None:
    events: list[str] = []

    def letters() -> Any:
        try:
            yield "a"
            yield "b"
        finally:
            events.append("closed")

    ready = Ready(letters())
    ready.start()
    assert (ready.ready, ready.take(), ready.take()) == (True, "a", "b")
    assert (ready.take(), ready.ready) == (END, False)
    early = Ready(letters())
    assert early.take() == "a"
    await early.close()
    assert (early.ready, events) == (False, ["closed", "closed"])


def test_what_raises_while_it_is_taken_is_not_ready_again() -> None:
    def broken() -> Any:
        yield "a"
        raise OSError("disk")

    ready = Ready(broken())
    assert ready.take() == "a"
    with pytest.raises(OSError, match="disk"):
        ready.take()
    assert not ready.ready
