"""Spans: what those of deliveries and of writes are named and say, after OpenTelemetry's conventions.

https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/ and …/messaging/rabbitmq/, which
are in development; the names are those of Python's opentelemetry-semantic-conventions 0.66. Nothing here
is out of a body, and of an error there is the type alone: its text may quote what it could not read.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ackflow.streams.core import Delivery, Epoch, Kind, Verb

Attributes = dict[str, str | int | bool]

PROCESS = {"messaging.operation.name": "process", "messaging.operation.type": "process"}
COUNT = "messaging.batch.message_count"
OUTCOMES = {
    (Verb.ACK, Kind.ACCEPTED): "accepted",
    (Verb.ACK, Kind.SKIPPED): "skipped",
    (Verb.ACK, Kind.REJECT): "dead_lettered",
    (Verb.REJECT, Kind.REJECT): "rejected",
}
"""What became of a delivery; what is not here was requeued, by the broker or through the retry queue."""
LOST = "lost"
"""The channel went before the delivery was settled; the broker hands it out again."""


def error_type(error: BaseException) -> str:
    """Return the full name of an error's type, that of a builtin without its module.

    Example:
        >>> error_type(ValueError("what must not be told"))
        'ValueError'

    """
    kind = type(error)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{module}{kind.__qualname__}"


def origin(epoch: Epoch[Any], raw: Any) -> str:
    """Return the name of the queue that a raw delivery comes from."""
    broker: Any = epoch.broker
    return broker.queue(raw) if hasattr(broker, "queue") else broker.name  # type: ignore[no-any-return]


def outcome(epoch: Epoch[Any], verb: Verb, kind: Kind) -> str:
    """Return what became of deliveries that were settled so."""
    found = OUTCOMES.get((verb, kind), "requeued")
    discards = found == "dead_lettered" and epoch.policy.dead_letter == "discard"
    return "discarded" if discards else found


def of_delivery(delivery: Delivery, tag: int, system: str) -> Attributes:
    """Return what is said of one delivery."""
    key = "" if delivery.routing_key == delivery.source else delivery.routing_key
    place = [part for part in (delivery.exchange, key, delivery.source) if part]
    found: Attributes = {"messaging.destination.name": ":".join(place)}
    if system == "rabbitmq":
        found["messaging.rabbitmq.message.delivery_tag"] = tag
        if delivery.routing_key:
            found["messaging.rabbitmq.destination.routing_key"] = delivery.routing_key
    if isinstance(delivery.body, str | bytes):
        found["messaging.message.body.size"] = len(delivery.body)
    if delivery.redelivered:
        found["ackflow.redelivered"] = True
    for name, property in (("id", "message_id"), ("conversation_id", "correlation_id")):
        if property in delivery.properties:
            found[f"messaging.message.{name}"] = str(delivery.properties[property])
    return found


def of_write(sink: Any, count: int) -> tuple[str, Attributes]:
    """Return the name of a write's span, and what is said of it."""
    told: Mapping[str, Any] = sink.trace_attributes
    found: Attributes = {**told}
    if count > 1 or sink.chunks:
        found[COUNT] = count
    operation = _first(told, "messaging.operation.name", "db.operation.name")
    target = _first(told, "messaging.destination.name", "db.collection.name")
    name = f"{operation} {target}".rstrip() if operation else sink.name
    return name, found


def _first(told: Mapping[str, Any], *names: str) -> str:
    return next((str(told[name]) for name in names if name in told), "")


def among(open_tags: Mapping[int, Any], tags: Sequence[int]) -> list[int]:
    """Return those of `tags` that are in `open_tags`, by whichever way is the shorter."""
    if isinstance(tags, range) and len(open_tags) < len(tags):
        return [tag for tag in open_tags if tag in tags]
    return [tag for tag in tags if tag in open_tags]
