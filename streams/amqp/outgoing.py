"""Outgoing: a message on its way to an exchange, encoded as AMQP wants it."""

import math
import struct
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from ackflow.streams.amqp import table
from ackflow.streams.amqp.raw import DELIVERY_COUNT, PROPERTIES
from ackflow.streams.core import Delivery

if TYPE_CHECKING:
    from ackflow.streams.amqp.encoding import Properties

ROUTING_HEADERS = ("CC", "BCC")
"""Headers that RabbitMQ routes by: https://www.rabbitmq.com/docs/sender-selected"""
COUNTS = (DELIVERY_COUNT, "x-acquired-count")
"""Headers in which a queue counts; a copy in another queue begins anew."""
OURS = "x-ackflow-"
"""How the headers of dead letters begin that say what became of the message."""
DROPPED = "x-ackflow-dropped-headers"
MOST_NAMED = 20
"""Dropped headers that are named."""
AROUND = 64
"""Bytes of the frames around a body and properties, with short names."""
LONGEST_EXPIRATION = 4_294_967.295
"""Seconds: RabbitMQ refuses an expiration of more than 32 bits of milliseconds."""


class Outgoing(NamedTuple):
    """A message on its way to an exchange."""

    body: bytes
    exchange: str
    routing_key: str
    properties: "Properties"
    mandatory: bool = True

    @property
    def size(self) -> int:
        """Bytes that it has on its way, about."""
        return len(self.body) + len(self.properties.encoded) + AROUND


def content(value: object) -> bytes:
    """Return the bytes of a body; raise TypeError for what has none."""
    match value:
        case bytes():
            return value
        case str():
            return value.encode()
        case bytearray() | memoryview():
            return bytes(value)
        case Delivery():
            return content(value.body)
    raise TypeError(
        f"amqp.publish: a body is bytes or str, got {type(value).__name__}; "
        "op.map(orjson.dumps) makes bytes of it"
    )


def properties(given: Mapping[str, Any], headers: Mapping[str, Any] | None = None) -> "Properties":
    """Encode properties under their AMQP names, with _ or -; raise ValueError for unknown ones."""
    from ackflow.streams.amqp.encoding import Properties

    named: dict[str, Any] = {}
    for name, value in given.items():
        attribute = PROPERTIES.get(name.replace("-", "_"))
        if attribute is None:
            raise ValueError(
                f"amqp.publish: there is no property {name!r}; there are {', '.join(PROPERTIES)}"
            )
        named[attribute] = value
    if isinstance(named.get("expiration"), int | float | timedelta):
        named["expiration"] = _milliseconds(named["expiration"])
    if isinstance(named.get("timestamp"), int | float):
        named["timestamp"] = datetime.fromtimestamp(named["timestamp"]).astimezone()
    if headers:
        named["headers"] = table.encode(headers)
    found = Properties(**named)
    try:
        found.encoded  # noqa: B018 — what can't be sent raises now that it is known whose it is
    except (TypeError, ValueError, struct.error) as error:
        raise ValueError(f"amqp.publish: properties can't be sent: {error}") from error
    return found


def of_delivery(delivery: Delivery, user: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the properties and headers that a delivery keeps when it is published again.

    Not those that would route it back to where it came from, that count for its old queue, or that
    name a user other than the one who publishes, which RabbitMQ refuses.
    """
    kept = {
        name: value
        for name, value in delivery.properties.items()
        if name != "user_id" or value == user
    }
    dropped = {*ROUTING_HEADERS, *COUNTS}
    headers = {name: value for name, value in delivery.headers.items() if name not in dropped}
    return kept, headers


def is_dead_letter(value: object) -> bool:
    """Say whether a value is a delivery on its way to where failed messages go."""
    return isinstance(value, Delivery) and f"{OURS}error" in value.headers


def shortened(letter: Delivery, excess: int) -> Delivery:
    """Return a dead letter without its largest headers, `excess` bytes of them, named in one of ours.

    Headers have to fit into one frame, and those that say what went wrong come on top of what the
    publisher made full. A letter that can't be sent would be kept for ever.
    """
    sizes = {
        name: len(table.encode({name: value}))
        for name, value in letter.headers.items()
        if not name.startswith(OURS)
    }
    excess += MOST_NAMED * (table.LONGEST_NAME + 5) + len(DROPPED)
    kept, dropped = dict(letter.headers), []
    for name in sorted(sizes, key=lambda name: -sizes[name]):
        if excess > 0:
            del kept[name]
            dropped.append(name)
            excess -= sizes[name] - 4
    return replace(letter, headers={**kept, DROPPED: dropped[:MOST_NAMED]})


def _milliseconds(expiration: float | timedelta) -> str:
    seconds = expiration.total_seconds() if isinstance(expiration, timedelta) else expiration
    if not 0 <= seconds <= LONGEST_EXPIRATION:
        raise ValueError(
            f"amqp.publish: expiration is 0 to {LONGEST_EXPIRATION:,.0f} seconds, got {seconds}"
        )
    return str(math.ceil(seconds * 1000))
