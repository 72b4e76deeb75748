"""Tracing: spans by the real SDK, of runs on the broker in memory."""

import asyncio
import contextvars
import subprocess
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
)
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Message, Reject, Requeue, Skip, Unavailable, running
from ackflow.streams.core.letters import ATTEMPTS_HEADER
from ackflow.streams.testing import FlakySink
from tests.queues import closed

pytestmark = pytest.mark.usefixtures("virtual_clock")

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE}-{PARENT}-01"
UNSAMPLED = f"00-{TRACE}-{PARENT}-00"
SECRET = "body-of-a-message-77aa"


class Spans:
    """A provider, a tracing that uses it, and what it has exported."""

    def __init__(self, sampler: Any = None, **settings: Any) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(sampler=sampler or ParentBased(ALWAYS_ON))
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.provider = provider
        self.tracing = running.Tracing(provider, **settings)

    @property
    def all(self) -> Sequence[ReadableSpan]:
        return self._exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.all if span.name == name]

    @property
    def processed(self) -> list[ReadableSpan]:
        return self.named("process memory.queue")

    def outcomes(self) -> list[Any]:
        return sorted(told(span)["ackflow.outcome"] for span in self.processed)


def told(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def ids(spans: Iterable[Any]) -> set[int]:
    return {span.get_span_context().span_id for span in spans}


def current() -> Any:
    return trace.get_current_span().get_span_context()


def header(context: Any) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}"


async def test_each_delivery_has_a_span_with_its_outcome() -> None:
    spans = Spans()
    queue = closed([1, 2, 3], dead_letter="exchange")

    def judge(value: int) -> int:
        if value == 2:
            raise Skip("not this one")
        if value == 3:
            raise ValueError(SECRET)
        return value

    await (queue | op.map(judge) | sinks.count()).start(tracing=spans.tracing)
    assert spans.outcomes() == ["accepted", "rejected", "skipped"]
    for span in spans.processed:
        assert span.kind is SpanKind.CONSUMER
        assert span.parent is None
        assert (
            told(span).items()
            >= {
                "messaging.system": "memory",
                "messaging.operation.name": "process",
                "messaging.operation.type": "process",
                "messaging.destination.name": "memory.queue",
                "ackflow.attempts": 1,
            }.items()
        )
        failed = told(span)["ackflow.outcome"] == "rejected"
        assert told(span).get("error.type") == ("ValueError" if failed else None)
        assert span.status.status_code is (StatusCode.ERROR if failed else StatusCode.UNSET)


async def test_nothing_out_of_a_body_or_an_errors_text_is_in_a_span() -> None:
    spans = Spans()
    dead = sinks.to_list()
    queue = closed([SECRET], dead_letter=dead)
    store = FlakySink([ConnectionError(SECRET), Reject(SECRET)])

    async def pass_on(value: str) -> str:
        return value

    await (queue | op.map_async(pass_on) | store).start(tracing=spans.tracing)
    assert len(dead.values) == 1
    assert spans.all
    for span in spans.all:
        assert SECRET not in span.to_json()
    (processed,) = spans.processed
    assert told(processed)["ackflow.outcome"] == "dead_lettered"
    assert told(processed)["error.type"] == "ackflow.streams.core.errors.Reject"
    assert told(processed)["messaging.message.body.size"] == len(SECRET)


async def test_attempts_are_counted_and_each_failure_is_an_event() -> None:
    spans = Spans()
    queue = closed(["a"], wait=lambda state: 10)
    failures = [OSError("one"), Requeue(after=1), KeyError("no, that is permanent")][:2]

    def flaky(value: str) -> str:
        if failures:
            raise failures.pop(0)
        return value

    await (queue | op.map(flaky) | sinks.count()).start(tracing=spans.tracing)
    (span,) = spans.processed
    assert told(span)["ackflow.outcome"] == "accepted"
    assert told(span)["ackflow.attempts"] == 2
    assert "error.type" not in told(span)
    assert [(event.name, dict(event.attributes or {})) for event in span.events] == [
        ("exception", {"exception.type": "OSError"}),
        ("requeue", {"error.type": "ackflow.streams.core.errors.Requeue"}),
    ]


async def test_attempts_that_another_process_has_made_are_counted() -> None:
    spans = Spans()
    queue = streams.memory.queue(attempts=5, dead_letter="discard")
    queue.put("a", headers={ATTEMPTS_HEADER: 4})
    queue.close()

    def fail(value: str) -> str:
        raise OSError("flaky")

    await (queue | op.map(fail) | sinks.count()).start(tracing=spans.tracing)
    (span,) = spans.processed
    assert told(span)["ackflow.attempts"] == 5


async def test_a_span_is_a_child_of_the_context_in_the_headers() -> None:
    spans = Spans()
    queue = streams.memory.queue()
    queue.put("a", headers={"traceparent": SAMPLED, "tracestate": "shop=1"})
    queue.close()
    await (queue | sinks.count()).start(tracing=spans.tracing)
    (span,) = spans.processed
    assert span.parent is not None
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == PARENT
    assert span.context.trace_state.get("shop") == "1"


async def test_a_run_is_no_part_of_the_trace_that_began_it() -> None:
    spans = Spans()
    with spans.provider.get_tracer("shop").start_as_current_span("whatever began it"):
        await (closed(["a"]) | sinks.count()).start(tracing=spans.tracing)
        await (streams.of(1) | sinks.each(print)).start(tracing=spans.tracing)
    (span,), (write,) = spans.processed, spans.named("each")
    assert span.parent is write.parent is None


class Noting(TraceContextTextMapPropagator):
    """Notes what it is given."""

    def __init__(self) -> None:
        self.given: list[dict[str, str]] = []

    def extract(self, carrier: Any, *args: Any, **named: Any) -> Any:
        self.given.append(dict(carrier))
        return super().extract(carrier, *args, **named)


async def test_headers_that_no_context_may_have_are_not_read() -> None:
    propagator = Noting()
    queue = streams.memory.queue()
    for length in (8_192, 8_193):
        queue.put("a", headers={"traceparent": SAMPLED, "tracestate": "x" * length, "shop": "1"})
    queue.close()
    await (queue | sinks.count()).start(tracing=Spans(propagator=propagator).tracing)
    first, second = propagator.given
    assert first == {"traceparent": SAMPLED, "tracestate": "x" * 8_192}
    assert second == {"traceparent": SAMPLED}


async def test_a_context_that_is_not_sampled_has_no_span_whatever_the_sampler_says() -> None:
    spans = Spans(ALWAYS_ON)
    queue = streams.memory.queue()
    queue.put("a", headers={"traceparent": UNSAMPLED})
    queue.close()
    await (queue | op.chunk(2) | sinks.count()).start(tracing=spans.tracing)
    assert spans.all == ()
    assert queue.acked == ["a"]


MALFORMED = [
    b"00-" + TRACE.encode() + b"-00f067aa0ba902b7-01",
    17,
    None,
    ["00"],
    "",
    "garbage",
    "garbage-00",
    f"00-{'0' * 32}-{PARENT}-00",
    f"00-{TRACE}-{'0' * 16}-00",
    f"ff-{TRACE}-{PARENT}-00",
    f"00-{'g' * 32}-{PARENT}-00",
    "0" * 100_000,
    f"00-{TRACE}-{PARENT}-01" * 1000,
    "00-\x00\ud83d-01",
]


@pytest.mark.parametrize("traceparent", MALFORMED, ids=lambda value: repr(value)[:20])
async def test_a_malformed_traceparent_is_as_none(traceparent: Any) -> None:
    spans = Spans()
    queue = streams.memory.queue()
    queue.put("a", headers={"traceparent": traceparent})
    queue.close()
    await (queue | sinks.count()).start(tracing=spans.tracing)
    (span,) = spans.processed
    assert span.parent is None
    assert queue.acked == ["a"]


class ByName(Sampler):
    """Samples by the name of the span and what is known when it begins."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def should_sample(self, *args: Any, **named: Any) -> SamplingResult:
        _, _, name, _, attributes, *_ = [*args, *named.values(), None]
        self.asked.append((name, dict(attributes or {})))
        return SamplingResult(Decision.DROP)

    def get_description(self) -> str:
        return "by name"


async def test_the_sampler_is_asked_once_for_each_message_with_what_is_the_same_for_all() -> None:
    sampler = ByName()
    spans = Spans(sampler)
    failures = [OSError("flaky")]

    def flaky(value: int) -> int:
        if failures:
            raise failures.pop()
        return value

    queue = closed([1, 2], wait=lambda state: 1)
    await (queue | op.map(flaky) | sinks.count()).start(tracing=spans.tracing)
    process = {
        "messaging.system": "memory",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
    }
    assert sampler.asked == [("process memory.queue", process)] * 2
    assert spans.all == ()


@pytest.mark.parametrize(("ratio", "expected"), [(0, 0), (1, 200), (0.5, 100)])
async def test_the_ratio_is_the_share_of_those_without_a_context(
    ratio: float, expected: int
) -> None:
    spans = Spans(ratio=ratio)
    queue = streams.memory.queue(range(200))
    queue.put("sampled", headers={"traceparent": SAMPLED})
    queue.close()
    await (queue | sinks.count()).start(tracing=spans.tracing)
    assert sum(span.parent is not None for span in spans.processed) == 1
    assert abs(len(spans.processed) - 1 - expected) <= (60 if 0 < ratio < 1 else 0)


# -- ends -------------------------------------------------------------------------------------------


async def test_a_lost_connection_ends_spans_and_those_of_the_next_are_new() -> None:
    spans = Spans()
    queue = streams.memory.queue(["a", "b"], until_idle=5)
    waits = [1000, 1000, 0, 0]

    async def slow(value: str) -> str:
        await asyncio.sleep(waits.pop(0))
        return value

    handle = (queue | op.map_async(slow) | sinks.count()).start(tracing=spans.tracing)
    await asyncio.sleep(1)
    queue.disconnect()
    await asyncio.sleep(0.01)
    assert spans.outcomes() == ["lost", "lost"]
    await handle
    assert len(ids(spans.processed)) == len(spans.processed) == 4
    found = [told(span).get("ackflow.redelivered", False) for span in spans.processed]
    assert found == [False, False, True, True]
    assert spans.outcomes() == ["accepted", "accepted", "lost", "lost"]


async def test_of_what_is_settled_nothing_is_kept() -> None:
    spans = Spans()
    queue = streams.memory.queue(range(20))
    handle = (queue | sinks.count()).start(tracing=spans.tracing)
    await asyncio.sleep(1)
    assert len(spans.processed) == 20
    assert not any(spans.tracing._traces.values())
    await handle.drain()


async def test_a_drain_gives_back_and_ends_every_span() -> None:
    spans = Spans()
    queue = streams.memory.queue(range(20))

    slow = sinks.each(lambda value: asyncio.sleep(5), concurrency=4)
    handle = (queue | slow).start(tracing=spans.tracing)
    await asyncio.sleep(1)
    await handle.drain()
    assert spans.outcomes().count("accepted") == 4
    assert set(spans.outcomes()) == {"accepted", "requeued"}
    assert not any(span.status.status_code is StatusCode.ERROR for span in spans.processed)
    assert not spans.tracing._traces


async def test_an_abort_ends_every_span_those_of_writes_too() -> None:
    spans = Spans()
    queue = streams.memory.queue(range(20))
    forever = sinks.each(lambda value: asyncio.sleep(1000), concurrency=3)
    handle = (queue | forever).start(tracing=spans.tracing)
    await asyncio.sleep(1)
    await handle.abort()
    assert len(spans.named("each")) == 3
    assert set(spans.outcomes()) == {"lost"}
    assert not spans.tracing._traces


async def test_a_message_that_is_kept_ends_with_what_it_failed_with() -> None:
    spans = Spans()
    queue = streams.memory.queue(["a"])

    def fail(value: str) -> str:
        raise LookupError("nothing there")

    handle = (queue | op.map(fail) | sinks.count()).start(tracing=spans.tracing)
    await asyncio.sleep(1)
    await handle.drain()
    (span,) = spans.processed
    assert told(span)["ackflow.outcome"] == "requeued"
    assert told(span)["error.type"] == "LookupError"
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description is None


# -- tracers that fail --------------------------------------------------------------------------------


class Broken:
    """Raises, in whatever is asked of it; as a span it can be begun."""

    def __init__(self, *fine: str) -> None:
        self._fine = fine

    def __getattr__(self, name: str) -> Any:
        if name in ("get_tracer", *self._fine):
            return lambda *args, **named: self
        if name == "is_recording":
            return lambda: True
        raise RuntimeError(f"{name} is broken")


@pytest.mark.parametrize(
    "fine", [(), ("start_span",), ("start_span", "set_attributes", "add_event")]
)
async def test_a_tracer_that_raises_is_said_once_and_touches_nothing(
    fine: tuple[str, ...], caplog: Any
) -> None:
    dead = sinks.to_list()
    queue = closed(range(10), dead_letter=dead, wait=lambda state: 1)

    async def odd(value: int) -> int:
        if value % 2:
            raise Reject("even only")
        return value

    tracing = running.Tracing(Broken(*fine))  # type: ignore[arg-type]
    target = streams.memory.queue()
    pipeline = queue | op.map_async(odd) | op.chunk(3) | op.unchunk() | sinks.to_queue(target)
    summary = await pipeline.start(tracing=tracing)
    assert (summary.accepted, summary.rejected) == (5, 5)
    assert target.ready == [0, 2, 4, 6, 8]
    (record,) = [record for record in caplog.records if record.name == "ackflow.tracing"]
    assert (record.event, record.error) == ("tracing_failed", "RuntimeError")
    assert "broken" not in record.getMessage()
    assert not tracing._traces


# -- writes -------------------------------------------------------------------------------------------


async def test_a_batch_has_a_span_that_is_linked_to_its_members() -> None:
    spans = Spans()
    current: list[Any] = []
    queue = closed(range(5))
    store = sinks.each(lambda chunk: current.append(trace.get_current_span()))
    await (queue | op.chunk(3) | store).start(tracing=spans.tracing)
    first, second = spans.named("each")
    assert [len(first.links), len(second.links)] == [3, 2]
    linked = {link.context.span_id for span in (first, second) for link in span.links}
    assert linked == ids(spans.processed)
    assert told(first) == {"messaging.batch.message_count": 3}
    assert first.kind is SpanKind.INTERNAL
    assert first.parent is not None
    assert first.parent.span_id == first.links[0].context.span_id
    assert ids(current) == ids([first, second])
    assert not trace.get_current_span().get_span_context().is_valid


async def test_a_batch_counts_deliveries_whatever_was_made_of_them() -> None:
    spans = Spans()
    words = closed(["a b", "c"]) | op.flat_map(str.split) | op.chunk(3)
    await (words | sinks.each(lambda chunk: None)).start(tracing=spans.tracing)
    await (closed([["a list"]]) | sinks.to_list()).start(tracing=spans.tracing)
    (batch,), (single,) = spans.named("each"), spans.named("to_list")
    assert told(batch) == {"messaging.batch.message_count": 2}
    assert len(batch.links) == 2
    assert told(single) == {}
    assert "messaging.message.body.size" not in told(spans.processed[-1])


async def test_of_a_batch_with_few_sampled_members_these_are_linked() -> None:
    spans = Spans(ParentBased(ALWAYS_OFF))
    queue = streams.memory.queue(range(10))
    queue.put("one", headers={"traceparent": SAMPLED})
    queue.put("two", headers={"traceparent": SAMPLED})
    queue.close()
    await (queue | op.chunk(12) | sinks.each(lambda chunk: None)).start(tracing=spans.tracing)
    (batch,) = spans.named("each")
    assert {link.context.span_id for link in batch.links} == ids(spans.processed)
    assert told(batch) == {"messaging.batch.message_count": 12}


async def test_a_write_that_is_not_sampled_is_in_no_span_of_the_one_before() -> None:
    spans = Spans(ParentBased(ALWAYS_OFF))
    seen: list[bool] = []
    queue = streams.memory.queue()
    for headers in ({"traceparent": SAMPLED}, {}):
        queue.put("a", headers=headers)
    queue.close()
    store = sinks.each(lambda value: seen.append(current().is_valid))
    await (queue | store).start(tracing=spans.tracing)
    assert seen == [True, False]


async def test_a_write_that_sends_what_has_no_context_is_a_producers() -> None:
    class Sending:
        trace_attributes = {  # noqa: RUF012
            "messaging.operation.name": "send",
            "messaging.destination.name": "words",
        }

        async def write(self, items: Sequence[Any]) -> None:
            """Send."""

    spans = Spans()
    await (streams.of(1) | Sending()).start(tracing=spans.tracing)
    await (closed([1]) | Sending()).start(tracing=spans.tracing)
    kinds = [span.kind for span in spans.named("send words")]
    assert kinds == [SpanKind.PRODUCER, SpanKind.CLIENT]


async def test_what_is_sent_after_its_connection_was_lost_belongs_to_the_write(caplog: Any) -> None:
    sent: list[str] = []

    class Late:
        async def write_messages(self, messages: Sequence[Message[Any]]) -> None:
            await asyncio.sleep(10 if not sent else 0)
            sent.extend(message.trace_headers["traceparent"] for message in messages)

    spans = Spans()
    queue = streams.memory.queue(["a"])
    handle = (queue | Late()).start(tracing=spans.tracing)
    await asyncio.sleep(1)
    queue.disconnect()
    await asyncio.sleep(20)
    await handle.abort()
    assert sent[0].startswith(header(spans.named("sink")[0].context))
    assert not [record for record in caplog.records if record.name == "ackflow.tracing"]


async def test_a_batch_of_which_none_is_sampled_has_no_span() -> None:
    spans = Spans(ParentBased(ALWAYS_OFF))
    await (closed(range(9)) | op.chunk(3) | sinks.count()).start(tracing=spans.tracing)
    assert spans.all == ()


async def test_every_call_of_a_sink_is_a_span_of_its_own_with_what_it_raised() -> None:
    spans = Spans()
    queue = closed(["a"])
    store = FlakySink([Unavailable(SECRET), None])
    await (queue | store).start(tracing=spans.tracing)
    failed, done = spans.named(store.name)
    assert told(failed)["error.type"] == "ackflow.streams.core.errors.Unavailable"
    assert failed.status.status_code is StatusCode.ERROR
    assert not failed.events
    assert done.status.status_code is StatusCode.UNSET
    (processed,) = spans.processed
    assert told(processed)["ackflow.attempts"] == 1


async def test_messages_that_a_sink_refuses_are_counted() -> None:
    class Picky:
        async def write(self, items: Sequence[Any]) -> list[Exception | None]:
            return [Reject("odd") if item % 2 else None for item in items[0]]

    spans = Spans()
    queue = closed(range(5), dead_letter="discard")
    await (queue | op.chunk(5) | Picky()).start(tracing=spans.tracing)
    (batch,) = spans.named("sink")
    assert told(batch)["ackflow.failed_messages"] == 2
    assert spans.outcomes() == ["accepted"] * 3 + ["discarded"] * 2


async def test_writes_of_what_no_broker_delivered_are_traces_of_their_own() -> None:
    spans = Spans()
    await (streams.of(1, 2, 3) | op.chunk(2) | sinks.each(lambda chunk: None)).start(
        tracing=spans.tracing
    )
    assert [span.parent for span in spans.named("each")] == [None, None]
    assert spans.processed == []


async def test_a_sink_of_ones_own_says_what_its_spans_are_called(tmp_path: Any) -> None:
    class Store:
        trace_attributes = {  # noqa: RUF012
            "db.system.name": "shopdb",
            "db.operation.name": "UPSERT",
            "db.collection.name": "orders",
        }

        async def write(self, items: Sequence[Any]) -> None:
            """Store."""

    spans = Spans()
    await (closed([1]) | Store()).start(tracing=spans.tracing)
    (span,) = spans.named("UPSERT orders")
    assert span.kind is SpanKind.CLIENT
    rows = closed([{"word": "a"}]) | op.chunk(1)
    await (rows | sinks.sqlite.insert(tmp_path / "words.db", table="words")).start(
        tracing=spans.tracing
    )
    (span,) = spans.named("INSERT words")
    assert told(span)["db.system.name"] == "sqlite"


# -- the current span, and what goes on ----------------------------------------------------------------


async def test_a_call_of_map_async_has_its_messages_span_as_the_current_one() -> None:
    spans = Spans()
    queue = streams.memory.queue(["a", "b"])
    queue.put("off", headers={"traceparent": UNSAMPLED})
    queue.close()
    seen: dict[str, Any] = {}

    async def look(value: str) -> str:
        await asyncio.sleep(1)
        seen[value] = trace.get_current_span().get_span_context()
        with spans.provider.get_tracer("shop").start_as_current_span(f"price of {value}"):
            return value

    await (queue | op.map_async(look) | sinks.count()).start(tracing=spans.tracing)
    assert {seen["a"].span_id, seen["b"].span_id} == ids(spans.processed)
    (price,) = spans.named("price of a")
    assert price.parent is not None
    assert price.parent.span_id == seen["a"].span_id
    assert header(seen["off"]) + "-00" == UNSAMPLED
    assert spans.named("price of off") == []


SHOP: contextvars.ContextVar[str] = contextvars.ContextVar("SHOP", default="")


async def test_a_call_has_what_else_is_in_the_context_of_the_run() -> None:
    SHOP.set("corner")

    async def look(value: int) -> str:
        return SHOP.get()

    looked = closed([1]) | op.map_async(look) | sinks.to_list()
    assert await looked.start(tracing=Spans().tracing) == ["corner"]


async def test_a_call_for_a_message_that_is_not_sampled_begins_no_trace() -> None:
    spans = Spans(ratio=0)
    seen: list[Any] = []

    async def look(value: int) -> int:
        seen.append(trace.get_current_span().get_span_context())
        with spans.provider.get_tracer("shop").start_as_current_span("price"):
            return value

    await (closed([1, 2]) | op.map_async(look) | sinks.count()).start(tracing=spans.tracing)
    assert spans.all == ()
    assert len({context.trace_id for context in seen}) == 2


async def test_a_call_for_a_chunk_has_no_message_to_belong_to() -> None:
    spans = Spans()
    seen: list[Any] = []

    async def look(chunk: list[int]) -> list[int]:
        seen.append(trace.get_current_span().get_span_context().is_valid)
        return chunk

    calls = closed([1, 2]) | op.chunk(2) | op.map_async(look)
    await (calls | sinks.count()).start(tracing=spans.tracing)
    assert seen == [False]


async def test_a_trace_goes_through_two_pipelines_in_one_process() -> None:
    spans = Spans()
    first, second = streams.memory.queue(), streams.memory.queue()
    first.put("a b", headers={"traceparent": SAMPLED})
    first.put("c", headers={"traceparent": UNSAMPLED})
    first.put("d")
    first.close()
    split = first | op.flat_map(str.split) | sinks.to_queue(second)
    await split.start(tracing=spans.tracing)
    second.close()
    assert second.ready == ["a", "b", "c", "d"]
    before = spans.processed
    await (second | op.chunk(4) | sinks.count()).start(tracing=spans.tracing)
    after = [span for span in spans.processed if span not in before]
    (root,) = [span for span in before if f"{span.context.trace_id:032x}" == TRACE]
    children = [span for span in after if f"{span.context.trace_id:032x}" == TRACE]
    assert {span.parent.span_id for span in children if span.parent} == ids([root])
    assert (len(before), len(after), len(children)) == (2, 3, 2)


async def test_a_message_made_of_several_belongs_to_the_write_that_sends_it() -> None:
    spans = Spans()
    target = streams.memory.queue()
    joined = closed(["a", "b"]) | op.chunk(2) | op.map("+".join)
    await (joined | sinks.to_queue(target)).start(tracing=spans.tracing)
    (write,) = spans.named("to_queue")
    assert {link.context.span_id for link in write.links} == ids(spans.processed)
    before = spans.processed
    target.close()
    await (target | sinks.count()).start(tracing=spans.tracing)
    (span,) = [span for span in spans.processed if span not in before]
    assert span.parent is not None
    assert span.parent.span_id == write.context.span_id


async def test_messages_by_hand_have_no_trace() -> None:
    async for message in closed(["a"]).messages():
        assert isinstance(message, Message)
        assert message.trace_headers == {}
        message.ack()


# -- settings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", [-0.1, 1.1, True, "1", None, float("nan")])
def test_a_ratio_that_is_no_share_is_refused(ratio: Any) -> None:
    with pytest.raises(ValueError, match=r"Tracing\(ratio\): must be from 0 to 1, got"):
        running.Tracing(ratio=ratio)


def test_what_is_no_provider_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Tracing\(tracer_provider\): must have get_tracer"):
        running.Tracing("otel")  # type: ignore[arg-type]


PROGRAM = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from ackflow import sinks, streams

trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(out := InMemorySpanExporter()))
queue = streams.memory.queue([1, 2])
queue.close()
(queue | sinks.count()).run(tracing={tracing})
print(*sorted(span.name for span in out.get_finished_spans()), sep=",")
"""


@pytest.mark.parametrize(
    ("tracing", "names"),
    [
        ("True", "count,process memory.queue,process memory.queue"),
        ("streams.running.Tracing(ratio=0)", ""),
        ("False", ""),
    ],
)
def test_a_script_traces_with_the_global_provider(tracing: str, names: str) -> None:
    code = PROGRAM.format(tracing=tracing)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == names


def test_opentelemetry_is_imported_where_it_is_asked_for_and_its_absence_names_the_extra() -> None:
    code = "import sys; sys.modules['opentelemetry'] = None; from ackflow import sinks, streams\n"
    run = "(streams.of(1) | sinks.count()).run({})"
    good = subprocess.run([sys.executable, "-c", code + run.format("")], check=True)
    assert good.returncode == 0
    bad = subprocess.run(
        [sys.executable, "-c", code + run.format("tracing=True")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ImportError: pipeline.run(tracing): needs the package opentelemetry-api" in bad.stderr
    assert "pip install 'ackflow[tracing]'" in bad.stderr
