"""Dead letters: what one says of itself, which are meant, and the copies that go back."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ackflow.streams.core import Delivery, Reject

OURS = "x-ackflow-"
"""How the headers begin that a dead letter got here, attempts among them."""
BROKERS = ("x-death", "x-first-death-", "x-last-death-")
"""How those begin that RabbitMQ adds: https://www.rabbitmq.com/docs/dlx#effects"""
CAUSES = ("es.status", "es.error.", "es.caused_by", "es.attempts")
"""How those begin that say why Elasticsearch refused a document."""
NOWHERE = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """What a dead letter says of itself; what it does not say is empty."""

    source: str
    """The queue it came from."""
    error: str
    """The type of the error; of what RabbitMQ dead-lettered, its reason, such as rejected."""
    text: str
    time: datetime | None

    @classmethod
    def of(cls, delivery: Delivery) -> "Letter":
        """Read the headers that ackflow writes, or those that RabbitMQ does."""
        headers = delivery.headers
        return cls(
            _text(headers.get("x-ackflow-source")) or _text(headers.get("x-first-death-queue")),
            _text(headers.get("x-ackflow-error-type"))
            or _text(headers.get("x-first-death-reason")),
            _text(headers.get("x-ackflow-error")),
            _time(headers.get("x-ackflow-time")) or _time(_death(headers.get("x-death"))),
        )


@dataclass(frozen=True)
class Wanted:
    """Which letters are meant; empty means all."""

    errors: Collection[str] = ()
    sources: Collection[str] = ()
    since: datetime | None = None
    until: datetime | None = None

    def takes(self, letter: Letter) -> bool:
        """Say whether a letter is meant. One without a time is in no span of time."""
        if self.errors and letter.error not in self.errors:
            return False
        if self.sources and letter.source not in self.sources:
            return False
        if self.since is None and self.until is None:
            return True
        if letter.time is None:
            return False
        since, until = self.since or letter.time, self.until or letter.time
        return since <= letter.time <= until


def copy(delivery: Delivery, queue: str) -> Delivery:
    """Return a letter as it was before it died, on its way to a queue, where its attempts begin anew."""
    headers = {
        name: value
        for name, value in delivery.headers.items()
        if not name.startswith((OURS, *BROKERS, *CAUSES))
    }
    return replace(delivery, headers=headers, exchange="", routing_key=queue, source=queue)


def target(delivery: Any) -> str:
    """Return the routing key of a copy: the queue it goes to."""
    if not isinstance(delivery, Delivery) or delivery.routing_key == NOWHERE:
        raise Reject("names no queue that it came from")
    return delivery.routing_key


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value if isinstance(value, str) else ""


def _time(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    try:
        return _time(datetime.fromisoformat(_text(value)))
    except ValueError:
        return None


def _death(deaths: object) -> object:
    """Return the time of the latest death that RabbitMQ noted, which stands first."""
    first = deaths[0] if isinstance(deaths, list) and deaths else None
    return first.get("time") if isinstance(first, dict) else None
