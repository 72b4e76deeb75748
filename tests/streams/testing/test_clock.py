"""Virtual time: what the kit's loop does with timers, threads, sockets and hangs."""

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import streams
from ackflow.streams.testing import FlakySink, Hang, VirtualClock, VirtualLoop, jumping, run


async def forever() -> None:
    await asyncio.Event().wait()


async def test_an_hour_takes_no_time(virtual_clock: VirtualClock) -> None:
    began = time.monotonic()
    await asyncio.sleep(3600)
    assert virtual_clock.now == 3600
    assert time.monotonic() - began < 60


async def test_advance_runs_what_is_due_in_between_in_order(virtual_clock: VirtualClock) -> None:
    seen: list[tuple[str, float]] = []

    async def note(name: str, *waits: float) -> None:
        for wait in waits:
            await asyncio.sleep(wait)
            seen.append((name, virtual_clock.now))

    tasks = [asyncio.create_task(note("a", 1, 2, 4)), asyncio.create_task(note("b", 2, 2))]
    await virtual_clock.advance(4)
    assert (virtual_clock.now, seen) == (4, [("a", 1), ("b", 2), ("a", 3), ("b", 4)])
    await virtual_clock.advance(0)
    assert virtual_clock.now == 4
    await asyncio.gather(*tasks)
    assert seen[-1] == ("a", 7)


async def test_idle_lets_all_go_on_that_needs_no_time(virtual_clock: VirtualClock) -> None:
    steps = []

    async def work() -> None:
        for step in range(100):
            steps.append(step)
            await asyncio.sleep(0)
        await asyncio.sleep(1)
        steps.append(-1)

    task = asyncio.create_task(work())
    await virtual_clock.idle()
    assert (len(steps), virtual_clock.now) == (100, 0)
    await task


@pytest.mark.usefixtures("virtual_clock")
async def test_who_waits_for_a_time_just_ahead_gets_there_while_others_are_busy() -> None:
    loop = asyncio.get_running_loop()
    now, due = 3.969999999999997, 3.9699999999999998
    await asyncio.sleep(now)
    assert loop.time() < due

    async def be_busy() -> None:
        while loop.time() < due:
            await asyncio.sleep(0)

    busy = asyncio.create_task(be_busy())
    for _ in range(3):
        woken = asyncio.Event()
        loop.call_at(due, woken.set)
        await woken.wait()
    assert loop.time() >= due
    await busy


async def test_cancelled_timers_are_not_waited_for(virtual_clock: VirtualClock) -> None:
    loop = asyncio.get_running_loop()
    for seconds in (5, 1, 9):
        loop.call_later(seconds, lambda: None).cancel()
    await asyncio.wait_for(asyncio.sleep(2), timeout=100)
    assert virtual_clock.now == 2


@pytest.mark.parametrize("seconds", [-1, float("nan")])
async def test_time_does_not_go_back(virtual_clock: VirtualClock, seconds: float) -> None:
    with pytest.raises(ValueError, match="must be a finite number of seconds"):
        await virtual_clock.advance(seconds)


def test_run_gives_the_result_and_each_run_begins_at_zero() -> None:
    async def main() -> float:
        await asyncio.sleep(5)
        return VirtualClock().now

    assert [run(main()), run(main())] == [5, 5]


async def test_run_inside_a_running_loop_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match="plain `def`"):
        run(forever())


def test_the_clock_of_a_real_loop_is_refused() -> None:
    async def main() -> None:
        await VirtualClock().advance(1)

    with pytest.raises(RuntimeError, match="whose time is real"):
        asyncio.run(main())


# -- hangs ------------------------------------------------------------------------------------------


def hang_of(main: Callable[[], Awaitable[Any]]) -> str:
    with pytest.raises(Hang) as raised:
        run(main())  # type: ignore[arg-type]
    return str(raised.value)


def test_a_hang_is_an_error_that_names_the_tasks_and_where_they_wait() -> None:
    async def main() -> None:
        task = asyncio.create_task(forever(), name="the one that waits")
        await asyncio.sleep(1)
        await task

    began = time.monotonic()
    text = hang_of(main)
    assert time.monotonic() - began < jumping.PATIENCE
    assert "the one that waits waits in forever (testing/test_clock.py:" in text


def test_the_line_inside_an_async_generator_is_found() -> None:
    async def values() -> Any:
        yield 1
        await forever()

    async def main() -> None:
        async for _ in values():
            pass

    assert "in forever" in hang_of(main)
    assert "called from values" in hang_of(main)


def test_a_pipeline_that_waits_for_its_queue_is_a_hang() -> None:
    async def main() -> None:
        await (streams.memory.queue([1]) | op.map(str) | FlakySink())

    assert "pipeline memory.queue() | map(f=str) | FlakySink" in hang_of(main)


def test_timers_without_end_are_a_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jumping, "MOST", 100)

    async def main() -> None:
        while True:
            await asyncio.sleep(1)

    assert "after 100 timers, at 100 virtual seconds" in hang_of(main)


def test_what_is_never_idle_is_a_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jumping, "MOST", 100)

    async def spin() -> None:
        while True:
            await asyncio.sleep(0)

    async def main() -> None:
        task = asyncio.create_task(spin())
        await VirtualClock().idle()
        await task

    assert "never idle" in hang_of(main)


# -- threads and sockets ----------------------------------------------------------------------------


async def tick() -> None:
    while True:
        await asyncio.sleep(1)


async def test_the_clock_stands_still_while_an_executor_is_at_work(
    virtual_clock: VirtualClock,
) -> None:
    ticking = asyncio.create_task(tick())
    await asyncio.to_thread(time.sleep, 0.05)
    with ThreadPoolExecutor(1) as pool:
        await asyncio.get_running_loop().run_in_executor(pool, time.sleep, 0.05)
    assert virtual_clock.now == 0
    ticking.cancel()


async def test_hold_waits_for_threads_that_the_loop_does_not_know(
    virtual_clock: VirtualClock,
) -> None:
    ticking = asyncio.create_task(tick())
    with ThreadPoolExecutor(1) as pool, virtual_clock.hold():
        await asyncio.wrap_future(pool.submit(time.sleep, 0.05))
    assert virtual_clock.now == 0
    ticking.cancel()


def test_a_thread_of_ones_own_is_waited_for_before_a_hang_is_declared() -> None:
    async def main() -> str:
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def work() -> None:
            time.sleep(0.05)
            loop.call_soon_threadsafe(done.set)

        threading.Thread(target=work).start()
        await done.wait()
        return "done"

    assert run(main()) == "done"


def test_a_thread_that_answers_and_ends_while_the_loop_looks_for_threads_is_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    enumerate_threads = threading.enumerate

    async def main() -> str:
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        looked = threading.Event()

        def work() -> None:
            looked.wait()
            loop.call_soon_threadsafe(done.set)

        thread = threading.Thread(target=work)
        thread.start()

        def end_and_enumerate() -> list[threading.Thread]:
            looked.set()
            thread.join()
            return enumerate_threads()

        monkeypatch.setattr(threading, "enumerate", end_and_enumerate)
        await done.wait()
        return "done"

    assert run(main()) == "done"


def test_a_call_in_an_executor_that_takes_too_long_is_a_hang(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jumping, "CALL_PATIENCE", 0.05)
    released = threading.Event()

    async def main() -> None:
        pool = ThreadPoolExecutor(1)
        future = asyncio.get_running_loop().run_in_executor(pool, released.wait)
        try:
            await future
        finally:
            released.set()
            pool.shutdown(wait=False)

    assert "a call in an executor" in hang_of(main)


async def test_sockets_are_given_time_before_the_clock_jumps(
    virtual_clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jumping, "GRACE", 30.0)  # as long as a busy machine may take
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        asyncio.get_running_loop().call_later(1, ours.close)
        threading.Timer(0.02, theirs.send, [b"hello"]).start()
        assert await asyncio.get_running_loop().sock_recv(ours, 10) == b"hello"
    assert virtual_clock.now == 0


def test_a_callback_comes_at_the_turn_it_was_told() -> None:
    turns: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        for ahead in (3, 1):
            loop.at_turn(loop.turns + ahead, lambda: turns.append(loop.turns))
        await asyncio.sleep(1)
        await asyncio.sleep(1)

    run(main())
    assert [after - turns[0] for after in turns] == [0, 2]
