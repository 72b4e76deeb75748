"""Observers: what one hears of a run, and that a run without one does the same."""

import asyncio
import contextvars
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Message, Reject, Sink, Summary
from tests.core.test_feed import refuse
from tests.queues import closed

HERE: contextvars.ContextVar[object] = contextvars.ContextVar("HERE", default=None)


class Recorder:
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.writes: list[tuple[str, str, int]] = []

    def taken(self, epoch: Any, tags: Sequence[int]) -> None:
        self.heard += [("taken", tag) for tag in tags]

    def failed(self, epoch: Any, tags: Sequence[int], outcome: Any) -> None:
        self.heard += [("failed", tag, type(outcome.cause).__name__) for tag in tags]

    def settled(self, epoch: Any, tags: Sequence[int], verb: Any, kind: Any) -> None:
        self.heard += [("settled", tag, kind.name) for tag in tags]

    def ended(self, epoch: Any) -> None:
        self.heard.append(("ended",))

    async def written(self, sink: Any, tokens: Sequence[Any], writing: Awaitable[Any]) -> Any:
        self.writes.append(("begin", sink.name, len(tokens)))
        try:
            return await writing
        finally:
            self.writes.append(("end", sink.name, len(tokens)))

    def context(self, token: Any) -> contextvars.Context | None:
        context = contextvars.copy_context()
        context.run(HERE.set, token[1])
        return context

    def headers(self, token: Any) -> Mapping[str, str]:
        return {"trace": str(token[1])}

    def of(self, tag: int) -> list[tuple[Any, ...]]:
        return [
            (what, *rest)
            for what, *about in self.heard
            for one, *rest in [about or [0]]
            if one == tag
        ]


async def test_deliveries_are_heard_of_from_when_they_are_handed_out_until_they_are_settled() -> (
    None
):
    queue = closed([1, 2, 3, 4], attempts=2, wait=lambda state: 10, dead_letter="discard")

    def judge(value: int) -> int:
        if value == 2:
            raise Reject("bad")
        if value == 3:
            raise OSError("flaky")
        return value

    pipeline = queue | op.filter(lambda value: value != 4) | op.map(judge) | sinks.to_list()
    assert await pipeline.start(tracing=(heard := Recorder())) == [1]
    assert heard.of(1) == [("taken",), ("settled", "ACCEPTED")]
    assert heard.of(2) == [("taken",), ("failed", "Reject"), ("settled", "REJECT")]
    twice = [("failed", "OSError"), ("failed", "OSError")]
    assert heard.of(3) == [("taken",), *twice, ("settled", "REJECT")]
    assert heard.of(4) == [("taken",), ("settled", "SKIPPED")]
    assert heard.heard[-1] == ("ended",)


async def test_a_refused_delivery_is_heard_of_although_nobody_gets_it() -> None:
    queue = closed([1, 2, 3], dead_letter="discard")
    refuse(queue, ValueError("unreadable"))
    await (queue | sinks.to_list()).start(tracing=(heard := Recorder()))
    assert heard.of(2) == [("taken",), ("failed", "ValueError"), ("settled", "REJECT")]


async def test_what_a_drain_or_a_lost_connection_leaves_is_heard_of() -> None:
    queue = streams.memory.queue([1, 2])
    stuck = queue | op.map_async(lambda value: asyncio.sleep(1000))
    handle = (stuck | sinks.count()).start(tracing=(heard := Recorder()))
    await asyncio.sleep(1)
    queue.disconnect()
    await asyncio.sleep(1)
    assert ("ended",) in heard.heard
    await handle.abort()
    assert heard.heard.count(("ended",)) == 2
    assert {each[0] for each in heard.heard} == {"taken", "ended"}


@pytest.mark.parametrize("concurrency", [1, 2])
async def test_every_write_goes_through_the_observer(concurrency: int) -> None:
    store = sinks.each(lambda chunk: None, concurrency=concurrency)
    queue = closed([1, 2, 3, 4, 5])
    await (queue | op.chunk(2) | store).start(tracing=(heard := Recorder()))
    assert sorted(heard.writes) == sorted(
        [(which, "each", count) for which in ("begin", "end") for count in (2, 2, 1)]
    )
    assert sorted(queue.acked) == [1, 2, 3, 4, 5]


class Sending(Sink[int, Summary]):
    """Sends messages on, with their headers."""

    name = "sending"
    max_items = 10

    def __init__(self) -> None:
        self.sent: list[Mapping[str, str]] = []

    async def write_messages(self, messages: Sequence[Message[Any]]) -> None:
        for message in messages:
            self.sent.append(message.trace_headers)
            message.accept()


async def test_a_sink_that_sends_messages_on_has_their_headers() -> None:
    sending = Sending()
    await (closed([1, 2]) | sending).start(tracing=(heard := Recorder()))
    assert sending.sent == [{"trace": "1"}, {"trace": "2"}]
    assert heard.writes == [("begin", "sending", 2), ("end", "sending", 2)]


async def test_an_observer_can_ask_who_handed_a_delivery_out_and_what_a_sink_says_of_itself() -> (
    None
):
    class Asking(Recorder):
        def taken(self, epoch: Any, tags: Sequence[int]) -> None:
            headers = [epoch.broker.describe(raw).headers for raw in epoch.ledger.items(tags)]
            self.heard += [(epoch.broker.name, epoch.policy.attempts, each) for each in headers]

        async def written(self, sink: Any, tokens: Sequence[Any], writing: Awaitable[Any]) -> Any:
            self.heard.append(dict(sink.trace_attributes))  # type: ignore[arg-type]
            return await writing

    class Plain:
        async def write(self, items: Sequence[Any]) -> None:
            """Take them."""

    class Telling(Plain):
        trace_attributes = {"db.system.name": "shopdb"}  # noqa: RUF012

    for sink, told in ((Plain(), {}), (Telling(), Telling.trace_attributes), (sinks.count(), {})):
        queue = streams.memory.queue(attempts=7)
        queue.put(1, headers={"lang": "pt"})
        queue.close()
        await (queue | sink).start(tracing=(heard := Asking()))
        assert heard.heard[:2] == [("memory.queue", 7, {"lang": "pt"}), told]


async def test_a_run_says_who_observes_it() -> None:
    pipeline = streams.of(1) | sinks.count()
    for observer in (Recorder(), None):
        handle = pipeline.start(tracing=observer)
        assert handle.observer is observer
        assert await handle == 1


async def test_without_an_observer_messages_have_no_headers() -> None:
    sending = Sending()
    await (closed([1, 2]) | sending)
    assert sending.sent == [{}, {}]


async def test_calls_have_the_context_of_their_message() -> None:
    async def where(value: int) -> object:
        await asyncio.sleep(1)
        return HERE.get()

    calls = closed([1, 2, 3]) | op.map_async(where)
    assert await (calls | sinks.to_list()).start(tracing=Recorder()) == [1, 2, 3]
    calls = closed([1, 2, 3]) | op.map_async(where)
    assert await (calls | sinks.to_list()) == [None, None, None]


async def test_what_can_not_observe_is_refused_at_the_start() -> None:
    pipeline = closed([1]) | sinks.count()
    for wrong in (True, "otel", object()):
        with pytest.raises(TypeError, match=r"start\(tracing\): must be a Tracing, got"):
            pipeline.start(tracing=wrong)  # type: ignore[arg-type]
