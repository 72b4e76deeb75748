"""Dask: a real scheduler and two workers in processes of their own, one of which is killed."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from distributed import Client, LocalCluster

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams.dask import Copies, Make
from tests.operators import workers
from tests.queues import assert_all_closed, closed
from tests.servers.rabbitmq import RabbitMQ
from tests.streams.amqp.tools import declare, eventually, fill, ready, unique

MESSAGES, PREFETCH = 8000, 50
Run = Callable[[Make, int], Copies]

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """A client of two workers with a thread each; whoever is killed is started again."""
    settings: dict[str, Any] = {"dashboard_address": None, "silence_logs": 60}
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, **settings) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def run(client: Any) -> Iterator[Run]:
    """A function that runs copies, which are drained at the end of the test if not before."""
    running: list[Copies] = []

    def start(make: Make, count: int) -> Copies:
        running.append(Copies(client, make, count))
        return running[-1]

    yield start
    for copies in running:
        copies.drain()


def pids(client: Any) -> list[int]:
    return list(client.run(os.getpid).values())


# -- map_in -------------------------------------------------------------------------------------------


async def test_calls_on_a_cluster_survive_the_death_of_a_worker(
    client: Any, tmp_path: Path
) -> None:
    """Dask calls again, on another worker, what was on the one that died."""
    queue = closed([str(tmp_path / "mark") if number == 20 else "" for number in range(40)])
    before = pids(client)
    on_dask = op.map_in(client.get_executor(pure=False), workers.killed_once, concurrency=4)
    values = await (queue | on_dask | sinks.to_list())
    assert_all_closed(queue)
    assert values == queue.acked
    assert len(values) == 40
    await eventually(lambda: len(pids(client)) == 2)
    assert pids(client) != before


# -- copies -------------------------------------------------------------------------------------------


class Storing:
    """Makes pipelines that write down each body, slowly, with who did it."""

    def __init__(self, url: str, queue: str, path: Path) -> None:
        self.url, self.queue, self.path = url, queue, path

    def __call__(self, number: int) -> Any:
        log = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

        async def store(body: bytes) -> None:
            await asyncio.sleep(0.005)
            os.write(log, b"%s %d %d\n" % (body, number, os.getpid()))

        return streams.amqp.queue(self.queue, url=self.url, prefetch=PREFETCH) | sinks.each(store)

    def rows(self) -> list[list[str]]:
        if not self.path.exists():
            return []
        return [line.split() for line in self.path.read_text().splitlines()]


async def test_copies_share_a_queue_survive_a_worker_and_drain(
    run: Run, rabbitmq: RabbitMQ, tmp_path: Path
) -> None:
    url, queue = rabbitmq.url, unique("dask")
    await declare(url, queue)
    await fill(url, queue, (b"%d" % number for number in range(MESSAGES)))
    storing = Storing(url, queue, tmp_path / "log")
    copies = run(storing, 2)
    await eventually(lambda: len({number for _, number, _ in storing.rows()}) == 2)
    assert set(await asyncio.to_thread(copies.stats)) == {0, 1}
    _, number, pid = storing.rows()[-1]
    os.kill(int(pid), signal.SIGKILL)

    def again() -> bool:
        return len({pid for _, of, pid in storing.rows() if of == number}) == 2

    await eventually(again)
    results = await asyncio.to_thread(copies.drain)
    assert set(results) == {0, 1}
    stored = Counter(body for body, _, _ in storing.rows())
    assert await ready(url, queue) == MESSAGES - len(stored) > 0
    assert stored.total() - len(stored) <= PREFETCH
    assert await asyncio.to_thread(copies.stats) == {}


class Failing:
    """Makes a pipeline that raises at first, and one that goes on for ever after that."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __call__(self, number: int) -> Any:
        if not self.mark.exists():
            self.mark.touch()
            raise RuntimeError("no model file")
        return streams.every(0.01) | sinks.count()


async def test_a_copy_that_raises_is_begun_anew(run: Run, tmp_path: Path) -> None:
    copies = run(Failing(tmp_path / "mark"), 1)
    await eventually(lambda: copies.restarts == 1)
    await eventually(lambda: asyncio.to_thread(copies.stats))
    assert list((await asyncio.to_thread(copies.drain)).keys()) == [0]


async def test_a_copy_that_ends_is_not_begun_anew(run: Run) -> None:
    copies = run(lambda number: streams.of(number) | sinks.to_list(), 3)
    assert await asyncio.to_thread(copies.drain) == {0: [0], 1: [1], 2: [2]}
    assert copies.restarts == 0


async def test_what_can_not_be_meant_is_an_error(client: Any) -> None:
    with pytest.raises(ValueError, match=r"dask\.Copies\(count\)"):
        Copies(client, lambda number: streams.of(1) | sinks.to_list(), 0)
    async with Client(client.scheduler.address, asynchronous=True) as other:
        with pytest.raises(TypeError, match=r"must be an ordinary client.*to_thread"):
            Copies(other, lambda number: streams.of(1) | sinks.to_list(), 1)
