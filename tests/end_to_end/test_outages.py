"""What a pipeline needs goes away: nothing is lost, nothing is rejected, it goes on by itself.

The outages under load last two minutes, and tell their figures, with
    ACKFLOW_OUTAGE=120 pytest -s -o faulthandler_timeout=0 tests/end_to_end/test_outages.py -k under_load
"""

import asyncio
import os
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from tests.end_to_end.tools import (
    KINDS,
    WITHIN,
    document,
    fill,
    fresh,
    left,
    ready,
    until,
)
from tests.servers.elasticsearch import Elasticsearch
from tests.servers.rabbitmq import RabbitMQ


def words(amqp: RabbitMQ, queue: str, url: str, index: str, **settings: Any) -> Any:
    return (
        streams.amqp.queue(queue, url=amqp.url, prefetch=512, until_idle=2.0)
        | op.map(orjson.loads)
        | op.chunk(256, timeout=1.0)
        | sinks.elasticsearch.bulk(url, index=index, id="word", **settings)
    )


async def test_elasticsearch_down_at_start_and_in_the_middle(
    rabbitmq: RabbitMQ, own_elasticsearch: Elasticsearch
) -> None:
    queue, index, messages = fresh("down"), fresh("down"), 30_000
    await fill(rabbitmq, queue, (document(n) for n in range(messages)))
    await asyncio.to_thread(own_elasticsearch.stop)
    pipeline = words(rabbitmq, queue, own_elasticsearch.url, index)
    handle = pipeline.start()
    await until(lambda: handle.state.startswith("halted: elasticsearch.bulk"), "halted at start")
    await asyncio.to_thread(own_elasticsearch.start)
    await until(lambda: handle.stats().accepted > 1_000, "indexing")
    await asyncio.to_thread(own_elasticsearch.kill)
    await until(lambda: handle.state.startswith("halted: elasticsearch.bulk"), "halted again")
    await asyncio.to_thread(own_elasticsearch.start)
    async with asyncio.timeout(2 * WITHIN):
        summary = await handle
    assert own_elasticsearch.count(index) == messages
    assert summary.accepted == messages
    assert summary.rejected == summary.requeued == 0
    assert await left(rabbitmq, queue) == (0, 0)


async def test_401_and_403_halt_and_resume_when_they_are_mended(
    rabbitmq: RabbitMQ, make_elasticsearch: Callable[..., Elasticsearch]
) -> None:
    search = make_elasticsearch(security=True)
    queue, messages = fresh("forbidden"), 1_000
    await fill(rabbitmq, queue, (document(n) for n in range(messages)))
    credentials = ("writer", "secret-of-the-writer")
    pipeline = words(rabbitmq, queue, search.url, "words", basic_auth=credentials)
    handle = pipeline.start()
    await until(lambda: "401" in handle.state, "halted by 401")
    search.add_role("nobody", indices={})
    search.add_user(*credentials, roles=["nobody"])
    await until(lambda: "403" in handle.state, "halted by 403")
    assert "secret-of-the-writer" not in handle.state
    search.add_role("nobody", cluster=["all"], indices={"*": ["all"]})
    async with asyncio.timeout(WITHIN):
        summary = await handle
    assert (summary.accepted, summary.rejected, summary.requeued) == (messages, 0, 0)


async def test_a_connection_killed_in_the_middle_loses_nothing_and_repeats_at_most_prefetch(
    rabbitmq: RabbitMQ, elasticsearch: Elasticsearch, caplog: Any
) -> None:
    queue, index, messages = fresh("killed"), fresh("killed"), 100_000
    await fill(rabbitmq, queue, (document(n) for n in range(messages)))
    calls: Counter[int] = Counter()

    def seen(value: dict[str, int]) -> None:
        calls[value["n"]] += 1

    pipeline = (
        streams.amqp.queue(queue, url=rabbitmq.url, prefetch=512, until_idle=10.0)
        | op.map(orjson.loads)
        | op.tap(seen)
        | op.chunk(256, timeout=1.0)
        | sinks.elasticsearch.bulk(elasticsearch.url, index=index, id="word")
    )
    handle = pipeline.start()
    await until(lambda: handle.stats().accepted > messages // 3, "a third")
    await asyncio.to_thread(rabbitmq.close_connections, "test")
    async with asyncio.timeout(2 * WITHIN):
        summary = await handle
    assert elasticsearch.count(index) == messages
    assert summary.reconnects == 1
    assert sum(calls.values()) - messages <= 512
    assert not [record for record in caplog.records if "406" in record.getMessage()]
    assert await left(rabbitmq, queue) == (0, 0)


async def test_drain_in_the_middle_and_a_second_run_index_everything_once(
    rabbitmq: RabbitMQ, elasticsearch: Elasticsearch
) -> None:
    queue, index, messages = fresh("drained"), fresh("drained"), 30_000
    await fill(rabbitmq, queue, (document(n) for n in range(messages)))
    pipeline = words(rabbitmq, queue, elasticsearch.url, index)
    handle = pipeline.start()
    await until(lambda: handle.stats().accepted > 5_000, "some")
    first = await handle.drain()
    ready, unacked = await left(rabbitmq, queue)
    assert unacked == 0
    assert ready == messages - first.accepted
    second = await pipeline
    assert second.accepted == ready
    assert elasticsearch.count(index) == messages


# -- outages under load (contract 5) ----------------------------------------------------------------

OUTAGE = float(os.environ.get("ACKFLOW_OUTAGE", "3"))
"""Seconds for which something is away."""
RESUMES_WITHIN = 10.0
"""Seconds after which it goes on at the latest, once what was away is back."""
PREFETCH = 512
CHUNK = 64
PER_SECOND = 200
"""Messages published to each queue."""


class Load:
    """Two queues, one of each type, and a producer that goes on publishing to them."""

    def __init__(self, amqp: RabbitMQ) -> None:
        self.amqp = amqp
        self.queues = [fresh(f"load-{kind}") for kind in KINDS]
        self.published = 0
        self._stopped = False

    def source(self, **settings: Any) -> streams.Stream[bytes]:
        """Return a stream of both queues, in which a single failure would be a dead letter."""
        return streams.amqp.queue(
            self.queues, url=self.amqp.url, prefetch=PREFETCH, attempts=1, **settings
        )

    @asynccontextmanager
    async def producing(self) -> AsyncIterator[None]:
        """Publish for as long as this lasts; begin with two seconds' worth."""
        for queue, kind in zip(self.queues, KINDS, strict=True):
            await streams.amqp.declare(queue, url=self.amqp.url, declare=kind)  # type: ignore[arg-type]
        producers = [asyncio.create_task(self._produce(queue)) for queue in self.queues]
        try:
            yield
        finally:
            self._stopped = True
            await asyncio.gather(*producers)

    async def _produce(self, queue: str) -> None:
        sink = sinks.amqp.publish(self.amqp.url, routing_key=queue)
        await (streams.from_iterable(self._bodies()) | op.chunk(100, timeout=0.1) | sink)

    async def _bodies(self) -> AsyncIterator[bytes]:
        begun, own = asyncio.get_running_loop().time(), 0
        while not self._stopped:
            elapsed = asyncio.get_running_loop().time() - begun
            while own < (elapsed + 2.0) * PER_SECOND:
                number, self.published, own = self.published, self.published + 1, own + 1
                yield document(number)
            await asyncio.sleep(0.05)

    async def waiting(self) -> int:
        """Return how many messages wait in the queues."""
        return sum([await ready(self.amqp, queue) for queue in self.queues])


def number_of(value: dict[str, int]) -> int:
    return value["n"]


class Seen:
    """What came out of the source, and what was written: an outage is no reason to hand out twice."""

    def __init__(self) -> None:
        self.handed_out: Counter[int] = Counter()
        self.writes: list[list[int]] = []

    def __call__(self, value: dict[str, int]) -> None:
        self.handed_out[number_of(value)] += 1

    def watch(self, monkeypatch: pytest.MonkeyPatch, sink: Any) -> None:
        """Have a sink tell which documents each of its writes has."""
        kind = type(sink)
        write = kind.write

        async def watched(own: Any, chunks: Sequence[Sequence[dict[str, int]]]) -> Any:
            self.writes.append([number_of(value) for chunk in chunks for value in chunk])
            return await write(own, chunks)

        monkeypatch.setattr(kind, "write", watched)


def killed(server: Any) -> tuple[Callable[[], Awaitable[None]], Callable[[], Awaitable[None]]]:
    """Return what has a server be away, and what brings it back."""
    return partial(asyncio.to_thread, server.kill), partial(asyncio.to_thread, server.start)


def unsettled(handle: Any) -> int:
    """Return how many messages a pipeline has and has not settled."""
    stats = handle.stats()
    return int(stats.delivered - stats.accepted)


async def outage(
    load: Load,
    handle: Any,
    away: Callable[[], Awaitable[None]],
    back: Callable[[], Awaitable[None]],
    state: str,
) -> None:
    """Take something away under load, and see that the pipeline halts, waits, and goes on."""
    clock = asyncio.get_running_loop().time
    async with load.producing():
        await until(lambda: handle.stats().accepted > 500, "under way")
        await away()
        began = clock()
        await until(lambda: handle.state.startswith(state), "halted")
        halted = clock() - began
        await until(lambda: unsettled(handle) == 2 * PREFETCH, "both queues let out what they may")
        delivered, behind = handle.stats().delivered, await load.waiting()
        await asyncio.sleep(OUTAGE)
        assert handle.state.startswith(state)
        assert handle.stats().delivered == delivered, "intake has stopped"
        assert await load.waiting() > behind, "the load goes on"
        assert_nothing_is_blamed(handle.stats())
        accepted = handle.stats().accepted
        await back()
        mended = clock()
        await until(lambda: handle.stats().accepted > accepted, "it goes on")
        resumed = clock() - mended
        assert resumed <= RESUMES_WITHIN
        await until(lambda: handle.state == "running", "as before")
    await until(
        lambda: handle.stats().accepted == load.published, "it catches up", within=WITHIN + OUTAGE
    )
    caught_up = clock() - mended
    summary = await handle.drain()
    assert_nothing_is_blamed(summary)
    assert summary.delivered == summary.accepted == load.published
    assert await load.waiting() == 0
    print(
        f"{state[8:].partition(':')[0]}: away for {mended - began:.1f} s, halted after {halted:.2f} s, "
        f"went on {resumed:.2f} s after it was back, caught up after {caught_up:.1f} s; "
        f"{load.published:,} messages, {summary}"
    )


def assert_nothing_is_blamed(summary: Any) -> None:
    """Assert that no message has been blamed for an outage."""
    blamed = ("rejected", "dead_lettered", "requeued", "retried", "held", "skipped", "stale")
    assert {name: getattr(summary, name) for name in blamed} == dict.fromkeys(blamed, 0)
    assert summary.failures == {}
    assert summary.reconnects == 0


async def test_elasticsearch_away_under_load_blames_nothing_and_goes_on_within_10_s(
    rabbitmq: RabbitMQ, own_elasticsearch: Elasticsearch
) -> None:
    load, seen, dead, index = Load(rabbitmq), Seen(), sinks.to_list(), fresh("load")
    sink = sinks.elasticsearch.bulk(own_elasticsearch.url, index=index, id="word")
    handle = (
        load.source(dead_letter=dead)
        | op.map(orjson.loads)
        | op.tap(seen)
        | op.chunk(CHUNK, timeout=0.5)
        | sink
    ).start()
    await outage(load, handle, *killed(own_elasticsearch), "halted: elasticsearch.bulk")
    assert own_elasticsearch.count(index) == load.published
    assert seen.handed_out == Counter(range(load.published))
    assert (sink.statistics.bisects, sink.statistics.requeued) == (0, 0)
    assert dead.values == []


async def test_a_locked_database_under_load_blames_nothing_and_goes_on_within_10_s(
    rabbitmq: RabbitMQ, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, seen, dead, path = Load(rabbitmq), Seen(), sinks.to_list(), tmp_path / "words.db"
    sink = sinks.sqlite.insert(path, table="words", key="word", timeout=0.5)
    seen.watch(monkeypatch, sink)
    assert sink.idempotent, "an error that is no outage would be bisected"
    handle = (
        load.source(dead_letter=dead)
        | op.map(orjson.loads)
        | op.tap(seen)
        | op.chunk(CHUNK, timeout=0.5)
        | sink
    ).start()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:

        async def away() -> None:
            async with asyncio.timeout(WITHIN):
                while True:
                    try:
                        other.execute("BEGIN IMMEDIATE")
                        break
                    except sqlite3.OperationalError:  # it is being written to
                        await asyncio.sleep(0.01)

        async def back() -> None:
            other.execute("ROLLBACK")

        await outage(load, handle, away, back, "halted: sqlite.insert")
        assert other.execute("SELECT count(*) FROM words").fetchone() == (load.published,)
    assert seen.handed_out == Counter(range(load.published))
    whole = Counter(n for write in set(map(tuple, seen.writes)) for n in write)
    assert whole == seen.handed_out, "a chunk is tried again as it was"
    assert len(seen.writes) > len(set(map(tuple, seen.writes))), "it was tried again"
    assert dead.values == []


@pytest.mark.parametrize("kind", KINDS)
async def test_a_downstream_broker_away_under_load_blames_nothing_and_goes_on_within_10_s(
    rabbitmq: RabbitMQ, own_rabbitmq: RabbitMQ, kind: Any
) -> None:
    load, seen, dead = Load(rabbitmq), Seen(), sinks.to_list()
    await fill(own_rabbitmq, "words", [], kind)
    await asyncio.to_thread(own_rabbitmq.remember)
    handle = (
        load.source(dead_letter=dead)
        | op.map(orjson.loads)
        | op.tap(seen)
        | op.map(orjson.dumps)
        | sinks.amqp.publish(own_rabbitmq.url, routing_key="words")
    ).start()
    await outage(load, handle, *killed(own_rabbitmq), "halted: amqp.publish")
    assert seen.handed_out == Counter(range(load.published))
    words = streams.amqp.queue("words", url=own_rabbitmq.url, prefetch=PREFETCH, until_idle=3.0)
    arrived = Counter(map(number_of, await (words | op.map(orjson.loads) | sinks.to_list())))
    assert set(arrived) == set(range(load.published))
    assert arrived.total() - load.published <= 512, "what was unconfirmed came twice"
    assert dead.values == []
