"""The pipelines that chaos befalls: what each makes of a message, and where that is stored."""

import asyncio
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ackflow import operators as op
from ackflow import sinks, streams

PREFETCH = 512
WINDOW = 512
"""Messages that a publishing pipeline has unconfirmed at most."""
RETRIES = 0.02


@dataclass(frozen=True)
class Places:
    """Where a pipeline finds its servers and queues, and what it is to log."""

    amqp: str
    elasticsearch: str
    queues: tuple[str, ...]
    index: str
    target: str
    dead: str
    log: "Log"
    pace: int | None = None
    """Messages a second that it takes at most, None for all that it can."""


class Log:
    """A file that says which messages were taken, which of their parts were handed to which sink, and
    which of those it has accepted.

    It is written with single appends, so that what was written before a SIGKILL is there.
    """

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(self, mark: str, parts: Iterable[str]) -> None:
        """Append a line per part."""
        os.write(self._file, "".join(f"{mark} {part}\n" for part in parts).encode())


class Logged(streams.Sink[Any, streams.Summary]):
    """A sink that stores in the log alone: what it accepts is stored."""

    name = "logged"
    max_items = 64

    def __init__(self, store: str, log: Log, part: Callable[[Any], str]) -> None:
        self._store = store
        self._log = log
        self._part = part

    async def write(self, items: Sequence[Any]) -> None:
        """Log the call, let others have a turn, as a database would, and log that it is stored."""
        parts = [f"{self._store}:{self._part(item)}" for item in items]
        self._log.write("called", parts)
        await asyncio.sleep(0)
        self._log.write("stored", parts)


def logging(sink: Any, log: Log, part: Callable[[Any], str]) -> Any:
    """Have a sink log what it is called with, once for each delivery.

    While what it writes to is away, the same values are written again and again: that is one call.
    """
    recent: OrderedDict[int, Any] = OrderedDict()

    def note(items: Iterable[Any]) -> None:
        values = [v for item in items for v in (item if isinstance(item, list) else [item])]
        new = [value for value in values if recent.get(id(value)) is not value]
        recent.update((id(value), value) for value in new)
        while len(recent) > 4 * PREFETCH:
            recent.popitem(last=False)
        log.write("called", map(part, new))

    class Logging(type(sink)):  # type: ignore[misc]
        if hasattr(sink, "write_messages"):

            async def write_messages(self, messages: Any) -> None:
                note(message.value for message in messages)
                await super().write_messages(messages)

        async def write(self, items: Sequence[Any]) -> Any:
            note(items)
            return await super().write(items)

    sink.__class__ = Logging
    return sink


def number(document: Any) -> str:
    """Return what tells a message from all others."""
    return str(document["n"])


def source(places: Places, *queues: str) -> Any:
    """Consume queues as every scenario does."""
    consumed = streams.amqp.queue(
        list(queues or places.queues),
        url=places.amqp,
        prefetch=PREFETCH,
        dead_letter=sinks.amqp.publish(places.amqp, routing_key=places.dead),
        start_timeout=60,
        heartbeat=10,
    )
    taken = consumed | op.tap(lambda body: places.log.write("taken", [number_in(body)]))
    if places.pace is None:
        return taken
    return taken | op.rate_limit(places.pace // len(places.queues))


def bulk(places: Places) -> Any:
    """Index as every scenario does."""
    sink = sinks.elasticsearch.bulk(places.elasticsearch, index=places.index, id="n")
    return logging(sink, places.log, number)


def words(places: Places) -> Any:
    """The words pipeline."""
    return source(places) | op.map(orjson.loads) | op.chunk(256, timeout=0.5) | bulk(places)


def calls(places: Places) -> Any:
    """Sixteen calls in flight, each tried again where it fails, in an order of its own."""
    failing = iter(range(10**9))

    async def call(document: Any) -> Any:
        await asyncio.sleep(0)
        if next(failing) % 50 == 0:
            raise OSError("the service stumbled")
        return document

    step = op.retry(op.map_async(call, concurrency=16, ordered=False), wait=lambda _: RETRIES)
    return source(places) | op.map(orjson.loads) | step | op.chunk(128) | bulk(places)


def branches(places: Places) -> Any:
    """Two parts of each message, each to two sinks."""

    def halves(document: Any) -> list[str]:
        return [f"{document['n']}.0", f"{document['n']}.1"]

    left, right = (Logged(side, places.log, str) for side in ("left", "right"))
    both = sinks.tee(left, op.chunk(64) | op.unchunk() | right)
    return source(places) | op.map(orjson.loads) | op.flat_map(halves) | both


def keys(places: Places) -> Any:
    """Three queues merged, and a way for each key."""
    first, *others = places.queues
    merged = source(places, first) | op.merge(*(source(places, queue) for queue in others))
    step = op.map_async(_slowly, concurrency=2)
    by_key = op.partition(lambda document: document["n"] % 20, step)
    return merged | op.map(orjson.loads) | by_key | op.chunk(128) | bulk(places)


async def _slowly(document: Any) -> Any:
    await asyncio.sleep(0)
    return document


def publishing(places: Places) -> Any:
    """On to a second queue, with confirms."""
    sink = sinks.amqp.publish(places.amqp, routing_key=places.target, window=WINDOW)
    part = number_in
    return source(places) | op.chunk(100) | logging(sink, places.log, part)


def number_in(body: Any) -> str:
    return str(orjson.loads(body)["n"])


@dataclass(frozen=True)
class Scenario:
    """A pipeline, how many queues it consumes, which parts it makes of a message, where they are."""

    name: str
    make: Callable[[Places], Any]
    store: str
    queues: int = 1
    searches: bool = True
    """Whether Elasticsearch is a part of it."""
    parts: Callable[[int], list[str]] = lambda n: [str(n)]


def _both(n: int) -> list[str]:
    return [f"{side}:{n}.{half}" for side in ("left", "right") for half in (0, 1)]


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("words", words, "index"),
        Scenario("calls", calls, "index"),
        Scenario("branches", branches, "log", searches=False, parts=_both),
        Scenario("keys", keys, "index", queues=3),
        Scenario("publishing", publishing, "queue", searches=False),
    )
}
LIMIT = 3
KINDS: dict[str, dict[str, Any]] = {
    "classic": {"x-queue-type": "classic"},
    "quorum": {"x-queue-type": "quorum"},
    "limited": {"x-queue-type": "quorum", "x-delivery-limit": LIMIT},
}
"""The arguments of queues. A limited one sends what was delivered too often to the dead letters."""
