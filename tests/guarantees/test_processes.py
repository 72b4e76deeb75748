"""A process that ends in the middle of its work, and a broker that does."""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from tests.servers.rabbitmq import RabbitMQ
from tests.streams.amqp.tools import Collect, declare, eventually, fill, ready, unique

PREFETCH = 100
MESSAGES = 4000

PROGRAM = """
import asyncio, os, sys
from ackflow import sinks, streams

url, name, path = sys.argv[1:]
log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

async def store(body):
    await asyncio.sleep(0.005)
    os.write(log, body + b"\\n")

(streams.amqp.queue(name, url=url, prefetch=100) | sinks.each(store, concurrency=20)).run()
"""


@asynccontextmanager
async def consumer(url: str, queue: str, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A pipeline in a process of its own, which writes down what it has stored."""
    nothing = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, url, queue, str(log), stdout=nothing, stderr=nothing
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def lines(log: Path) -> list[bytes]:
    return log.read_bytes().split() if log.exists() else []


def reaches(log: Path, count: int) -> bool:
    return len(lines(log)) > count


@pytest.mark.parametrize(
    ("ending", "repeats"), [(signal.SIGTERM, 0), (signal.SIGKILL, PREFETCH)], ids=str
)
async def test_processes_that_end_in_the_middle_lose_nothing(
    rabbitmq: RabbitMQ, tmp_path: Path, ending: signal.Signals, repeats: int
) -> None:
    """Nothing comes again through SIGTERM, and at most prefetch for each SIGKILL."""
    queue, url, log = unique("ending"), rabbitmq.url, tmp_path / "log"
    await declare(url, queue)
    await fill(url, queue, (b"%d" % number for number in range(MESSAGES)))
    for share in (1, 2, 3):
        async with consumer(url, queue, log) as process:
            await eventually(partial(reaches, log, share * MESSAGES // 4))
            process.send_signal(ending)
            code = await asyncio.wait_for(process.wait(), 30)
            assert code == (0 if ending is signal.SIGTERM else -ending)
    async with consumer(url, queue, log):
        await eventually(lambda: len(set(lines(log))) == MESSAGES)
    seen = Counter(lines(log))
    assert len(seen) == MESSAGES
    assert seen.total() - MESSAGES <= 3 * repeats


@pytest.mark.parametrize("kind", ["classic", "quorum"])
async def test_a_broker_that_is_killed_is_come_back_to(
    own_rabbitmq: RabbitMQ, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    url, bodies = own_rabbitmq.url, [b"%d" % number for number in range(MESSAGES)]
    await declare(url, "words", **{"x-queue-type": kind})
    await asyncio.to_thread(own_rabbitmq.remember)
    # With confirms: what a killed broker had not confirmed is not its own to keep.
    confirmed = sinks.amqp.publish(url, routing_key="words")
    await (streams.from_iterable(bodies) | op.chunk(500) | confirmed)
    killed = asyncio.Event()

    async def slowly(_: bytes) -> None:
        await asyncio.sleep(0 if killed.is_set() else 0.001)

    sink = Collect(slowly)
    run = (streams.amqp.queue("words", url=url, prefetch=PREFETCH) | sink).start()
    await eventually(lambda: len(sink.items) > MESSAGES // 4)
    await asyncio.to_thread(own_rabbitmq.kill)
    killed.set()
    await asyncio.to_thread(own_rabbitmq.start)
    await eventually(lambda: set(sink.items) == set(bodies))
    summary = await run.drain()
    assert summary.reconnects == 1
    assert await ready(url, "words") == 0
    assert "PRECONDITION_FAILED" not in caplog.text
    # A classic queue writes acks down late: those that it had not come again, however many.
    assert kind == "classic" or len(sink.items) - MESSAGES <= PREFETCH
