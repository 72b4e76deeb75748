"""Tracing: spans of deliveries and of what is done for them; needs the extra `tracing`."""

import contextvars
import logging
import random
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec, TypeVar

from ackflow.streams.core import (
    Epoch,
    Kind,
    Outcome,
    RootToken,
    Stretch,
    Token,
    Verb,
    shown,
    texts_among,
)
from ackflow.streams.running import spans
from ackflow.streams.running.spans import Attributes

try:
    from opentelemetry import context as contexts
    from opentelemetry import propagate, trace
    from opentelemetry.context import Context
    from opentelemetry.propagators.textmap import TextMapPropagator
    from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider
except ImportError:
    raise ImportError(
        "pipeline.run(tracing): needs the package opentelemetry-api: pip install 'ackflow[tracing]'; "
        "or leave tracing out"
    ) from None

P = ParamSpec("P")
T = TypeVar("T")

NOWHERE = Context()
"""Of what has no parent: a run may go on for days, and is no part of whatever began it."""
LONGEST = 8_192
"""Characters of a header that a context is read from: https://www.w3.org/TR/baggage/#limits"""
NOT_SAMPLED = re.compile(
    "(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f][02468ace]"
).fullmatch
"""Says whether a traceparent is one that says so: https://www.w3.org/TR/trace-context/#sampled-flag"""

logger = logging.getLogger("ackflow.tracing")


def guarded(
    method: "Callable[Concatenate[Tracing, P], T]",
) -> "Callable[Concatenate[Tracing, P], T | None]":
    """Return a method that answers None where tracing fails: no message is to suffer for it."""

    def safe(self: "Tracing", /, *args: P.args, **named: P.kwargs) -> T | None:
        try:
            return method(self, *args, **named)
        except Exception as error:
            self._complain(error)
            return None

    update_wrapper(safe, method)
    return safe


class Trace:
    """One delivery's place in a trace: its span, recorded or not, and what has happened to it."""

    __slots__ = ("attempts", "context", "error", "recorded", "span")

    def __init__(self, span: Span, parent: Context) -> None:
        self.span = span
        self.context = trace.set_span_in_context(span, parent)
        self.recorded = span.is_recording()
        self.attempts = 0
        self.error = ""

    def failed(self, error: Exception, *, attempt: bool) -> None:
        """Note an attempt that failed, or a wish to have the message later."""
        kind = spans.error_type(error)
        if attempt:
            self.attempts += 1
            self.error = kind
            self.span.add_event("exception", {"exception.type": kind})
        else:
            self.span.add_event("requeue", {"error.type": kind})

    def end(self, outcome: str, attempts: int) -> None:
        """Say what became of the delivery."""
        good = outcome in ("accepted", "skipped")
        self.span.set_attribute("ackflow.outcome", outcome)
        self.span.set_attribute("ackflow.attempts", max(self.attempts, attempts) + good)
        if self.error and not good:
            self.span.set_attribute("error.type", self.error)
            self.span.set_status(Status(StatusCode.ERROR))
        self.span.end()


class Tracing:
    """Makes OpenTelemetry spans of a run: one of each delivery that is sampled, one of each write.

    Example:
        pipeline.run(tracing=True)                              # the global tracer provider
        pipeline.run(tracing=running.Tracing(ratio=0.01))

    A delivery's span goes from when it is handed to the first operator until it is settled, or its
    channel is lost. It is a child of the context in its headers; where that says that it is not sampled
    there is none. What `amqp.publish` sends has in its headers the context of what it was made of.

    Acks: nothing changes; a tracer that raises is logged once, and the run goes on.
    `tracer_provider`: whose sampler decides (the global one). `ratio`: the share of deliveries without
    a context in their headers for which it is asked at all, 0 to 1: asking takes longer than tracking a
    message does. `propagator`: what reads and writes headers (the global one).
    One may serve several runs.
    Raises ValueError or TypeError for settings that can't be meant, and ImportError without the extra.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        *,
        ratio: float = 1.0,
        propagator: TextMapPropagator | None = None,
    ) -> None:
        if tracer_provider is not None and not hasattr(tracer_provider, "get_tracer"):
            raise TypeError(
                f"Tracing(tracer_provider): must have get_tracer(), got {shown(tracer_provider)}; "
                "leave it out for the global one"
            )
        if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 0 <= ratio <= 1:
            raise ValueError(
                f"Tracing(ratio): must be from 0 to 1, got {shown(ratio)}; leave it out for 1"
            )
        self._tracer = trace.get_tracer("ackflow", tracer_provider=tracer_provider)
        self._ratio = ratio
        self._propagator = propagate.get_global_textmap() if propagator is None else propagator
        self._fields = tuple(sorted(self._propagator.fields))
        self._traces: dict[Epoch[Any], dict[int, Trace]] = {}
        self._complained = False

    # -- deliveries -------------------------------------------------------------------------------

    @guarded
    def taken(self, epoch: Epoch[Any], tags: Sequence[int]) -> None:
        """Begin the spans of deliveries."""
        texts = self._reader(epoch)
        for tag, raw in zip(tags, epoch.ledger.items(tags), strict=True):
            carrier = texts(raw)
            if not carrier:
                if self._ratio < 1 and random.random() >= self._ratio:
                    continue
            elif NOT_SAMPLED(carrier.get("traceparent", "")):
                continue
            self._begin(epoch, tag, raw, carrier)

    def _reader(self, epoch: Epoch[Any]) -> Callable[[Any], Mapping[str, str]]:
        """Return what reads the headers that may hold a context out of a raw delivery."""
        broker, fields = epoch.broker, self._fields
        quick: Any = getattr(broker, "texts", None)
        if quick is not None:
            return lambda raw: quick(raw, fields)

        return lambda raw: texts_among(broker.describe(raw).headers, fields)

    @guarded
    def _begin(self, epoch: Epoch[Any], tag: int, raw: Any, carrier: Mapping[str, str]) -> None:
        told: Attributes = {**getattr(epoch.broker, "trace_attributes", {}), **spans.PROCESS}
        parent = self._extracted(carrier)
        name = f"process {spans.origin(epoch, raw)}"
        span = self._tracer.start_span(name, parent, SpanKind.CONSUMER, told)
        self._traces.setdefault(epoch, {})[tag] = found = Trace(span, parent)
        if found.recorded:
            system = str(told.get("messaging.system", ""))
            span.set_attributes(spans.of_delivery(epoch.broker.describe(raw), tag, system))

    def _extracted(self, carrier: Mapping[str, str]) -> Context:
        fit = {name: text for name, text in carrier.items() if len(text) <= LONGEST}
        return self._propagator.extract(fit, NOWHERE) if fit else NOWHERE

    @guarded
    def failed(self, epoch: Epoch[Any], tags: Sequence[int], outcome: Outcome) -> None:
        """Note what deliveries have failed with."""
        traces = self._traces.get(epoch)
        if traces and outcome.cause is not None:
            spent = outcome.attempt or outcome.kind is Kind.REJECT
            for tag in spans.among(traces, tags):
                traces[tag].failed(outcome.cause, attempt=spent)

    @guarded
    def settled(self, epoch: Epoch[Any], tags: Sequence[int], verb: Verb, kind: Kind) -> None:
        """End the spans of deliveries."""
        traces = self._traces.get(epoch)
        if traces:
            outcome = spans.outcome(epoch, verb, kind)
            for tag in spans.among(traces, tags):
                self._end(traces.pop(tag), outcome, epoch.attempts.get(tag, 0))

    @guarded
    def ended(self, epoch: Epoch[Any]) -> None:
        """End what spans are left."""
        for tag, found in self._traces.pop(epoch, {}).items():
            self._end(found, spans.LOST, epoch.attempts.get(tag, 0))

    @guarded
    def _end(self, found: Trace, outcome: str, attempts: int) -> None:
        if found.recorded:
            found.end(outcome, attempts)

    # -- tokens -----------------------------------------------------------------------------------

    @guarded
    def context(self, token: Token) -> contextvars.Context | None:
        """Return a context whose current span is that of a message; none where it has none."""
        found = self._context(token)
        if found is None:
            return None
        own = contextvars.copy_context()
        own.run(contexts.attach, found)
        return own

    def headers(self, token: Token) -> Mapping[str, str]:
        """Return the context of a message, or of the write that sends what several were made into."""
        return self._headers(token) or {}

    @guarded
    def _headers(self, token: Token) -> Mapping[str, str]:
        found = self._context(token)
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, contexts.get_current() if found is None else found)
        return carrier

    def _context(self, token: Token) -> Context | None:
        """Return the context of a message that comes from one delivery of a broker, sampled or not."""
        roots = set(token[0].roots(token[1]))
        if len(roots) != 1:
            return None
        ((epoch, tag),) = roots
        if not isinstance(epoch, Epoch) or epoch.closed:
            return None
        found = self._traces.get(epoch, {}).get(tag)
        return self._unsampled(epoch, tag) if found is None else found.context

    def _unsampled(self, epoch: Epoch[Any], tag: int) -> Context:
        """Return the context of a delivery that is not sampled: so is nothing that is made of it."""
        if carrier := self._reader(epoch)(epoch.ledger.item(tag)):
            return self._extracted(carrier)
        made = trace.SpanContext(random.getrandbits(128), random.getrandbits(64), is_remote=False)
        return trace.set_span_in_context(trace.NonRecordingSpan(made), NOWHERE)

    # -- writes -----------------------------------------------------------------------------------

    def written(self, sink: Any, tokens: Sequence[Token], writing: Awaitable[T]) -> Awaitable[T]:
        """Return a write with a span around it, where one of its messages is sampled."""
        begun = self._write(sink, tokens)
        return writing if begun is None else self._within(begun, writing)

    @guarded
    def _write(self, sink: Any, tokens: Sequence[Token]) -> Context | None:
        members = self._members(tokens)
        if members is None:
            return None
        name, told = spans.of_write(sink, len(set(_roots(tokens))) or len(tokens))
        # A ratio would drop nearly all of these spans if they had no parent: their members were sampled.
        parent = members[0].context if members else NOWHERE
        links = [trace.Link(member.span.get_span_context()) for member in members]
        span = self._tracer.start_span(name, parent, _kind(told, members), told, links)
        return trace.set_span_in_context(span, parent)

    def _members(self, tokens: Sequence[Token]) -> list[Trace] | None:
        """Return the sampled deliveries behind tokens: none where no broker is, None where none is."""
        if isinstance(tokens, Stretch) and isinstance(tokens.account, Epoch):
            traces = self._traces.get(tokens.account, {})
            found = [traces[tag] for tag in spans.among(traces, tokens.tags)]
        else:
            roots = dict.fromkeys(_roots(tokens))
            if not any(isinstance(epoch, Epoch) for epoch, _ in roots):
                return []
            traces_of: Any = self._traces
            each = (traces_of.get(epoch, {}).get(tag) for epoch, tag in roots)
            found = [one for one in each if one is not None]
        return [one for one in found if one.recorded] or None

    async def _within(self, begun: Context, writing: Awaitable[T]) -> T:
        span = trace.get_current_span(begun)
        attached = contexts.attach(begun)
        try:
            answer = await writing
            self._answered(span, answer)
            return answer
        except Exception as error:
            self._raised(span, error)
            raise
        finally:
            contexts.detach(attached)
            self._done(span)

    @guarded
    def _answered(self, span: Span, answer: object) -> None:
        failures = [each for each in answer if each] if isinstance(answer, list | tuple) else []
        if failures:
            span.set_attribute("ackflow.failed_messages", len(failures))

    @guarded
    def _raised(self, span: Span, error: Exception) -> None:
        span.set_attribute("error.type", spans.error_type(error))
        span.set_status(Status(StatusCode.ERROR))

    @guarded
    def _done(self, span: Span) -> None:
        span.end()

    def _complain(self, error: Exception) -> None:
        """Say once that tracing fails, by the error's type: its text may hold anything."""
        if not self._complained:
            self._complained = True
            kind = spans.error_type(error)
            logger.warning(
                "tracing fails, and the run goes on: %s",
                kind,
                extra={"event": "tracing_failed", "error": kind},
            )


def _kind(told: Attributes, members: Sequence[Trace]) -> SpanKind:
    """Return the kind of a write's span; that of one whose messages have no context puts its own in."""
    if "messaging.operation.name" in told and not members:
        return SpanKind.PRODUCER
    return SpanKind.INTERNAL if told.keys() <= {spans.COUNT} else SpanKind.CLIENT


def _roots(tokens: Sequence[Token]) -> Iterator[RootToken]:
    for account, tag in tokens:
        yield from account.roots(tag)
