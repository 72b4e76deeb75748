"""What is measured: the contenders of each measure, and the figures that come out of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.running import Contender
from benchmarks.worlds import Empty, Faked, Queued, Warm, Words, World

OURS = "ackflow"


@dataclass(frozen=True)
class Measure:
    """One kind of work, and who does it. The first contender is ackflow."""

    name: str
    what: str
    contenders: tuple[Contender, ...]
    world: type[World] = World
    ratios: Mapping[str, str] = field(default_factory=dict)
    """Keys of results.json: how many times as fast as another contender ackflow is."""
    own: Mapping[str, str] = field(default_factory=dict)
    """Keys of results.json: what ackflow alone takes per message."""
    limit: str | None = None
    """What is no library, but as fast as it can be."""
    beside: str | None = None
    """Who is shown for comparison alone."""
    unit: str = "messages"
    tiny: int = 512
    step: int = 256
    """Amounts of work are a multiple of this."""
    fixed: int | None = None
    """The amount of work, where time is not what is measured."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What differs from a Task's defaults."""

    @property
    def required(self) -> frozenset[str]:
        """Who has a part in a required figure."""
        return frozenset({self.contenders[0].name, *self.ratios.values()})

    @property
    def timed(self) -> tuple[Contender, ...]:
        """Who has to have enough work: all libraries, and whoever has a part in a required figure."""
        apart = {self.limit, self.beside} - self.required
        return tuple(each for each in self.contenders if each.name not in apart)


def _contenders(measure: str, *more: tuple[str, str, str | None]) -> tuple[Contender, ...]:
    ours = Contender(f"{measure}.{OURS}", OURS)
    return ours, *(Contender(f"{measure}.{name}", title, pins) for name, title, pins in more)


MEASURES = (
    Measure(
        "consume",
        "take and ack messages of 300 B, prefetch 512",
        _contenders(
            "consume",
            ("socket", "a bare socket", None),
            ("aiormq", "aiormq's callback, cumulative acks", "aio_pika"),
            ("aio_pika", "aio-pika's iterator, an ack each", "aio_pika"),
        ),
        Queued,
        {
            "consume_vs_aio_pika": "aio_pika",
            "consume_vs_aiormq": "aiormq",
            "consume_vs_socket": "socket",
        },
        limit="socket",
    ),
    Measure(
        "end_to_end",
        "words from RabbitMQ into Elasticsearch, prefetch 512, bulks of 256",
        _contenders(
            "end_to_end",
            ("asyncworker", "asyncworker", "asyncworker"),
            ("aioamqp_consumer_best", "aioamqp-consumer-best", "aioamqp_consumer_best"),
            ("aio_pika", "aio-pika's iterator, async_bulk", "aio_pika"),
            ("aio_pika_aiostream", "aio-pika, aiostream, async_bulk", "aio_pika"),
            ("faststream", "FastStream, async_bulk", "faststream"),
            ("bulks", "bulks alone, ready made", None),
        ),
        Words,
        {
            "end_to_end_vs_asyncworker": "asyncworker",
            "end_to_end_vs_handwritten": "aio_pika",
        },
        own={"end_to_end_cpu_us": "cpu_us"},
        limit="bulks",
    ),
    Measure(
        "publish",
        "publish messages of 300 B, persistent and confirmed",
        _contenders(
            "publish",
            ("socket", "a bare socket, 500 in flight", None),
            ("aio_pika", "aio-pika, 500 in flight", "aio_pika"),
        ),
        Empty,
        {"publish_vs_aio_pika": "aio_pika"},
        limit="socket",
        tiny=1000,
        step=1000,
    ),
    Measure(
        "operators",
        "map, filter and chunk(256) over 10⁶ integers; ackflow tracks them",
        _contenders(
            "operators",
            ("queue", "ackflow, from a queue with acks", None),
            ("async_generators", "plain async generators", None),
            ("async_generators_iterable", "the same, the source a plain loop", None),
            ("loop", "one loop, nothing asynchronous", None),
            ("streamable", "streamable", "operators"),
            ("aiostream", "aiostream", "operators"),
            ("streamz", "streamz", "operators"),
        ),
        ratios={
            "operators_vs_async_generators": "async_generators",
            "operators_vs_aiostream": "aiostream",
        },
        limit="loop",
        beside="async_generators_iterable",
        unit="integers",
        tiny=10_000,
        step=1_000_000,
    ),
    Measure(
        "map_async",
        "calls of 10 ms, 256 at once, results in order; ackflow tracks them",
        _contenders(
            "map_async",
            ("workers", "256 asyncio tasks, in any order", None),
            ("streamable", "streamable", "operators"),
            ("aiostream", "aiostream", "operators"),
        ),
        ratios={"map_async_vs_streamable": "streamable"},
        limit="workers",
        unit="calls",
        tiny=1024,
    ),
    Measure(
        "bulk",
        "bulks of 256 documents of 299 B into a fake Elasticsearch on the other processor",
        _contenders(
            "bulk",
            ("socket", "requests made before, one at a time", None),
            ("helpers", "helpers.async_streaming_bulk", "elasticsearch"),
        ),
        Faked,
        {"bulk_vs_helpers": "helpers"},
        limit="socket",
        unit="documents",
        tiny=2560,
    ),
    Measure(
        "memory",
        "resident memory of a buffered message with a body of 300 B, prefetch 10,000",
        _contenders(
            "memory",
            ("aio_pika", "aio-pika", "aio_pika"),
            ("socket", "a bare socket, bodies in a list", None),
        ),
        Warm,
        limit="socket",
        own={"bytes_per_buffered_message": "bytes"},
        tiny=2000,
        fixed=10_000,
    ),
)
