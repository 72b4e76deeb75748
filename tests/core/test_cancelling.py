"""Cancelling: tasks that are told to end, and those that go on."""

import asyncio
import gc
from typing import Any

import pytest

from ackflow.streams.core import cancelled
from ackflow.streams.core.cancelling import end_if_cancelled, to_the_end


async def stubborn(seconds: float) -> str:
    """Goes on for so long, however often it is cancelled."""
    end = asyncio.get_running_loop().time() + seconds
    while (left := end - asyncio.get_running_loop().time()) > 0:
        try:
            await asyncio.sleep(left)
        except asyncio.CancelledError:
            continue
    return "done"


async def failing() -> None:
    try:
        await asyncio.sleep(1000)
    finally:
        raise OSError("while it ended")


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_tasks_are_cancelled_and_waited_for() -> None:
    first, second = (asyncio.create_task(asyncio.sleep(1000)) for _ in range(2))
    await asyncio.sleep(1)
    assert await cancelled(first, None, second)
    assert first.cancelled()
    assert second.cancelled()
    assert now() == 1


async def test_no_task_and_one_that_is_done_need_no_waiting() -> None:
    done = asyncio.create_task(asyncio.sleep(0))
    await done
    assert await cancelled()
    assert await cancelled(None, done)
    assert now() == 0


async def test_one_that_fails_while_it_ends_has_ended() -> None:
    task = asyncio.create_task(failing())
    await asyncio.sleep(1)
    assert await cancelled(task)
    assert isinstance(task.exception(), OSError)


async def test_nobody_is_told_that_its_error_was_not_looked_at() -> None:
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
    task = asyncio.create_task(failing())
    await asyncio.sleep(1)
    await cancelled(task)
    del task
    gc.collect()
    assert told == []


async def test_one_that_goes_on_is_left_behind_with_a_warning(caplog: Any) -> None:
    task = asyncio.create_task(stubborn(10), name="a call")
    ending = asyncio.create_task(asyncio.sleep(1000))
    await asyncio.sleep(1)
    assert not await cancelled(task, ending)
    assert now() == pytest.approx(2.5)
    assert ending.cancelled()
    (record,) = caplog.records
    assert record.message.startswith("a call goes on 1.5 s after it was cancelled")
    assert await task == "done"


async def test_one_that_ends_in_time_is_not_left_behind(caplog: Any) -> None:
    task = asyncio.create_task(stubborn(3))
    await asyncio.sleep(1)
    assert await cancelled(task, within=2.5)
    assert now() == 3
    assert caplog.records == []


async def test_work_is_waited_for_to_the_end_by_who_is_cancelled_meanwhile() -> None:
    steps: list[float] = []

    async def work() -> None:
        await asyncio.sleep(5)
        steps.append(now())

    task = asyncio.create_task(to_the_end(work()))
    for _ in range(2):
        await asyncio.sleep(1)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert steps == [5]
    await to_the_end(work())
    assert steps == [5, 10]


async def test_an_error_of_such_work_is_raised() -> None:
    async def work() -> None:
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        await to_the_end(work())


async def test_a_cancellation_that_a_function_swallowed_is_raised_again() -> None:
    async def swallowing() -> str:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            end_if_cancelled()
        return "goes on"

    end_if_cancelled()
    task = asyncio.create_task(swallowing())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
