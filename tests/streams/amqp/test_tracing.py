"""Traces through RabbitMQ: context out of the headers of what comes, into those of what is sent."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from pamqp.commands import Basic

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Delivery, running
from tests.servers.rabbitmq import RabbitMQ
from tests.streams.amqp.tools import declare, fill, take, unique

pytestmark = pytest.mark.usefixtures("way")

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-01", "lang": "pt"}
UNSAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-00"}


class Traced:
    """Runs pipelines with a tracer, and has their spans by name."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracing = running.Tracing(provider)

    async def run(self, pipeline: Any) -> Any:
        return await pipeline.start(tracing=self.tracing)

    def __getitem__(self, name: str) -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if span.name == name]


async def put(url: str, queue: str, bodies: Sequence[bytes], headers: Mapping[str, Any]) -> None:
    await fill(url, queue, bodies, Basic.Properties(headers=dict(headers), message_id="m-1"))


def parent(span: ReadableSpan) -> str:
    assert span.parent is not None
    return f"{span.parent.span_id:016x}"


def own(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.span_id:016x}"


def source(queue: str, url: str, **settings: Any) -> Any:
    return streams.amqp.queue(queue, url=url, until_idle=0.3, prefetch=64, **settings)


async def test_a_trace_goes_through_two_pipelines(rabbitmq: RabbitMQ) -> None:
    url, first, second, traced = rabbitmq.url, unique("first"), unique("second"), Traced()
    await declare(url, first)
    await declare(url, second)
    await put(url, first, [b"a b"], SAMPLED)
    words = source(first, url) | op.flat_map(bytes.split)
    await traced.run(words | sinks.amqp.publish(url, routing_key=second))
    (one,) = traced[f"process {first}"]
    assert one.kind is SpanKind.CONSUMER
    assert parent(one) == PARENT
    assert dict(one.attributes or {}) == {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": first,
        "messaging.message.id": "m-1",
        "messaging.message.body.size": 3,
        "messaging.rabbitmq.destination.routing_key": first,
        "messaging.rabbitmq.message.delivery_tag": 1,
        "server.address": "127.0.0.1",
        "server.port": rabbitmq.port,
        "ackflow.outcome": "accepted",
        "ackflow.attempts": 1,
    }
    sends = traced[f"send {second}"]
    assert {link.context.span_id for send in sends for link in send.links} == {one.context.span_id}
    assert {send.kind for send in sends} == {SpanKind.CLIENT}

    await traced.run(source(second, url) | sinks.count())
    after = traced[f"process {second}"]
    assert [parent(span) for span in after] == [own(one)] * 2
    assert {f"{span.context.trace_id:032x}" for span in (one, *sends, *after)} == {TRACE}


async def test_a_delivery_that_is_sent_on_belongs_to_who_sends_it(rabbitmq: RabbitMQ) -> None:
    url, first, second, traced = rabbitmq.url, unique("first"), unique("second"), Traced()
    await declare(url, first)
    await declare(url, second)
    await put(url, first, [b"sampled"], SAMPLED)
    await put(url, first, [b"not"], UNSAMPLED)
    deliveries = streams.amqp.deliveries(first, url=url, until_idle=0.3, prefetch=64)
    await traced.run(deliveries | sinks.amqp.publish(url, routing_key=second))
    (span,) = traced[f"process {first}"]
    found = {message.body: message.header.properties.headers for message in await take(url, second)}
    assert found[b"sampled"]["traceparent"][:53] == f"00-{TRACE}-{own(span)}-01"[:53]
    assert found[b"sampled"]["lang"] == "pt"
    assert found[b"not"] == UNSAMPLED


async def test_a_context_that_the_user_gives_stays(rabbitmq: RabbitMQ) -> None:
    url, queue, traced = rabbitmq.url, unique("own"), Traced()
    await declare(url, queue)
    memory = streams.memory.queue([b"a"])
    memory.close()
    given = sinks.amqp.publish(url, routing_key=queue, headers=SAMPLED)
    await traced.run(memory | given)
    (message,) = await take(url, queue)
    assert message.header.properties.headers == SAMPLED

    await put(url, queue, [b"b"], {"traceparent": f"00-{TRACE[::-1]}-{PARENT}-01"})
    sent = unique("sent")
    await declare(url, sent)
    deliveries = streams.amqp.deliveries(queue, url=url, until_idle=0.3)
    await traced.run(deliveries | sinks.amqp.publish(url, routing_key=sent, headers=SAMPLED))
    (message,) = await take(url, sent)
    assert message.header.properties.headers == SAMPLED


async def test_what_no_broker_delivered_belongs_to_the_write_that_sends_it(
    rabbitmq: RabbitMQ,
) -> None:
    url, queue, traced = rabbitmq.url, unique("lines"), Traced()
    await declare(url, queue)
    await traced.run(streams.of(b"a", b"b") | sinks.amqp.publish(url, routing_key=queue))
    sends = {own(span): span for span in traced[f"send {queue}"]}
    assert {span.kind for span in sends.values()} == {SpanKind.PRODUCER}
    contexts = [m.header.properties.headers["traceparent"] for m in await take(url, queue)]
    assert {context.split("-")[2] for context in contexts} <= sends.keys()
    assert len(contexts) == 2


async def test_dead_letters_and_further_tries_belong_to_the_trace(rabbitmq: RabbitMQ) -> None:
    url, queue, dead, traced = rabbitmq.url, unique("failing"), unique("dead"), Traced()
    await declare(url, queue)
    await declare(url, dead)
    await put(url, queue, [b"1", b"2", b"3"], SAMPLED)

    def fail(body: bytes) -> bytes:
        raise OSError(f"flaky with {body!r}")

    failing = streams.amqp.queue(
        queue,
        url=url,
        prefetch=4,
        until_idle=1.0,
        attempts=2,
        wait=lambda state: 0.2,
        retry_queue=True,
        dead_letter=sinks.amqp.publish(url, routing_key=dead),
    )
    await traced.run(failing | op.map(fail) | sinks.count())
    processed = {own(span): span for span in traced[f"process {queue}"]}
    outcomes = [dict(span.attributes or {})["ackflow.outcome"] for span in processed.values()]
    assert outcomes.count("dead_lettered") == 3
    assert len(outcomes) > 3, "none went through the retry queue"
    parents = Counter(parent(span) for span in processed.values())
    assert parents[PARENT] == 3
    assert parents.keys() <= {PARENT, *processed}
    for letter in await take(url, dead):
        context = letter.header.properties.headers["traceparent"].split("-")
        assert context[1] == TRACE
        (last,) = [span for name, span in processed.items() if name == context[2]]
        assert dict(last.attributes or {})["ackflow.outcome"] == "dead_lettered"


async def test_a_span_says_which_of_several_queues_it_is_of(rabbitmq: RabbitMQ) -> None:
    url, queues, traced = rabbitmq.url, [unique("one"), unique("two")], Traced()
    for queue in queues:
        await declare(url, queue)
        await put(url, queue, [queue.encode()], {"traceparent": 7})
    several = streams.amqp.deliveries(queues, url=url, until_idle=0.3)
    seen: list[Delivery] = await traced.run(several | sinks.to_list())
    assert sorted(delivery.source for delivery in seen) == sorted(queues)
    for queue in queues:
        (span,) = traced[f"process {queue}"]
        assert span.parent is None
        assert dict(span.attributes or {})["messaging.destination.name"] == queue
