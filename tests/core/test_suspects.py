"""Suspects: what may be the end of the process is handed out alone, what was before it is acked."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams.core.backlog import Backlog
from ackflow.streams.core.suspects import Suspects
from tests.cases import CASES
from tests.queues import assert_all_closed


def now() -> float:
    return round(asyncio.get_running_loop().time())


def waiting(*tags: int) -> Backlog:
    backlog = Backlog()
    backlog.add(tags)
    return backlog


def test_without_suspects_all_may_go() -> None:
    suspects = Suspects()
    assert not suspects
    assert suspects.room(waiting(1, 2, 3), 0, busy=True) == 3
    suspects.add([2])
    assert suspects
    suspects.forget([2, 3])
    assert suspects.room(waiting(1, 2, 3), 0, busy=True) == 3


def test_what_is_before_a_suspect_goes_then_the_suspect_alone_then_the_others() -> None:
    suspects = Suspects()
    suspects.add([3, 4])
    assert suspects.room(waiting(1, 2, 3, 4, 5), 0, busy=True) == 2
    assert suspects.room(waiting(3, 4, 5), 1, busy=True) == 0
    assert suspects.room(waiting(3, 4, 5), 2, busy=False) == 1
    assert suspects.room(waiting(4, 5), 2, busy=True) == 0
    suspects.forget([3])
    assert suspects.room(waiting(4, 5), 3, busy=False) == 1
    assert suspects.room(waiting(5), 3, busy=True) == 0
    suspects.forget([4])
    assert suspects
    assert suspects.room(waiting(5), 4, busy=True) == 0, "it is settled, and not yet told"
    assert suspects.room(waiting(5), 5, busy=False) == 1
    assert not suspects


def test_a_suspect_that_is_held_keeps_back_no_other() -> None:
    suspects = Suspects()
    suspects.add([1])
    assert suspects.room(waiting(1, 2, 3), 0, busy=False) == 1
    assert suspects.room(waiting(2, 3), 0, busy=False) == 2
    assert suspects.room(waiting(4), 0, busy=True) == 1


def test_nothing_waits_for_a_suspect_for_longer_than_10_s() -> None:
    suspects = Suspects()
    suspects.add([1, 2, 3])
    assert suspects.room(waiting(1, 2, 3), 5, busy=True) == 0
    assert suspects.due == 15
    assert suspects.room(waiting(1, 2, 3), 14.9, busy=True) == 0
    assert suspects.due == 15
    assert suspects.room(waiting(1, 2, 3), 15, busy=True) == 1
    assert suspects.due is None
    assert suspects.room(waiting(2, 3), 16, busy=True) == 0
    assert suspects.due == 26
    assert suspects.room(waiting(2, 3), 17, busy=False) == 1
    assert suspects.due is None
    assert suspects.room(waiting(3), 18, busy=True) == 0
    assert suspects.room(waiting(3), 30, busy=True) == 1, "whoever looks late finds it due"


def suspicious(queued: Any, suspect: Callable[[Any], bool]) -> Any:
    """Have a memory queue's deliveries suspected as those of a broker that counts."""
    connect = queued._broker.connect

    async def connecting(epoch: Any) -> Any:
        deliver = epoch.deliver
        epoch.deliver = lambda entries: deliver(
            entries, {}, [at for at, entry in enumerate(entries) if suspect(entry[1])]
        )
        return await connect(epoch)

    queued._broker.connect = connecting
    return queued


async def test_a_suspect_is_handed_out_when_all_before_it_is_acked_and_nothing_beside_it() -> None:
    queued = suspicious(streams.memory.queue(range(8), prefetch=64), lambda n: n in (2, 3, 6))
    queued.close()
    together: dict[int, set[int]] = {}
    acked: dict[int, list[int]] = {}
    running: set[int] = set()

    async def work(value: int) -> int:
        acked[value] = list(queued.acked)
        running.add(value)
        await asyncio.sleep(1)
        together[value] = set(running)
        running.remove(value)
        return value

    assert await (queued | op.map_async(work) | sinks.to_list()) == list(range(8))
    assert together[2] == {2}
    assert together[3] == {3}
    assert together[6] == {6}
    assert together[4] == {4, 5}
    assert acked == {n: list(range(m)) for n, m in enumerate([0, 0, 2, 3, 4, 4, 6, 7])}
    assert_all_closed(queued)


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_suspects_do_not_wait_for_a_chunk_to_fill(count: int) -> None:
    queued = suspicious(streams.memory.queue(range(count), prefetch=64), lambda n: True)
    chunks: list[list[int]] = []
    handle = (queued | op.chunk(8, timeout=None) | sinks.each(chunks.append)).start()
    await asyncio.sleep(10)
    # Behind the last one nothing waits: it is no more in a hurry than any other.
    assert chunks == [[n] for n in range(count - 1)]
    queued.close()
    await handle
    assert queued.acked == list(range(count))


async def test_a_suspect_that_failed_comes_again_after_its_wait_and_others_pass() -> None:
    queued = suspicious(
        streams.memory.queue(range(4), prefetch=64, wait=lambda _: 100.0), lambda n: n == 1
    )
    queued.close()
    seen: list[tuple[int, float]] = []

    def work(value: int) -> int:
        seen.append((value, now()))
        if value == 1 and len(seen) < 4:
            raise RuntimeError("the first time")
        return value

    assert await (queued | op.map(work) | sinks.to_list()) == [0, 2, 3, 1]
    assert seen == [(0, 0), (1, 0), (2, 0), (3, 0), (1, 100)]


async def test_what_is_settled_is_forgotten_whatever_its_outcome() -> None:
    queued = suspicious(streams.memory.queue(["1", "x"], dead_letter="discard"), lambda n: True)
    handle = (queued | op.map(int) | sinks.to_list()).start()
    await asyncio.sleep(1)
    (channel,) = queued._broker.channels
    assert channel._epoch.suspects._tags == set()
    await handle.drain()


async def test_a_suspect_that_takes_long_is_waited_for_10_s() -> None:
    queued = suspicious(streams.memory.queue(range(3), prefetch=64), lambda n: n == 0)
    begun: dict[int, float] = {}

    async def work(value: int) -> int:
        begun[value] = now()
        await asyncio.sleep(100 if value == 0 else 1)
        return value

    handle = (queued | op.map_async(work) | sinks.to_list()).start()
    await asyncio.sleep(50)
    assert begun == {0: 0, 1: 10, 2: 10}
    queued.close()
    assert await handle == [0, 1, 2]


async def test_the_wait_for_a_suspect_does_not_hold_up_what_comes_again() -> None:
    queued = suspicious(
        streams.memory.queue(range(3), prefetch=64, wait=lambda _: 3.0), lambda n: n == 1
    )
    queued.close()
    begun: list[tuple[int, float]] = []

    async def work(value: int) -> int:
        begun.append((value, now()))
        if len(begun) == 1:
            raise RuntimeError("the first time")
        await asyncio.sleep(20 if value == 1 else 0)
        return value

    pipeline = queued | op.map_async(work, ordered=False) | sinks.to_list()
    assert await pipeline == [0, 2, 1]
    assert begun == [(0, 0), (1, 0), (0, 3), (2, 10)]


async def test_intake_that_pauses_while_a_suspect_is_waited_for_keeps_the_loop_idle() -> None:
    queued = suspicious(
        streams.memory.queue(range(3), prefetch=4, wait=lambda _: 1000.0), lambda n: n >= 1
    )

    async def work(value: int) -> int:
        if value == 0:
            raise RuntimeError("broken")
        await asyncio.sleep(100)
        return value

    handle = (queued | op.map_async(work) | sinks.to_list()).start()
    await asyncio.sleep(20)
    handle.pause()
    handle.resume()
    await asyncio.sleep(480)
    assert (handle.stats().held, queued.acked) == (1, [])
    await handle.drain()
    assert_all_closed(queued)


@pytest.mark.parametrize("row", CASES)
async def test_every_operator_comes_to_its_end_where_all_are_suspects(row: str) -> None:
    case = CASES[row]
    values = case.values[:6] if isinstance(case.values, list) else list(range(6))
    queued = suspicious(streams.memory.queue(values, prefetch=64), lambda n: True)
    queued.close()
    await (queued | case.operator | sinks.to_list())
    assert Counter(queued.acked) + Counter(queued.ready) == Counter(values)
    assert_all_closed(queued)
