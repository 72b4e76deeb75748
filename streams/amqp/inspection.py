"""Inspection: which deliveries are refused before anybody works on them."""

from collections.abc import Sequence

from ackflow.streams.amqp.raw import Raw, delivery_count
from ackflow.streams.core import Reject, describe


class Inspection:
    """Refuses bodies that are too large, headers that can't be read, and what seems to kill readers."""

    def __init__(self, max_body_bytes: int, deliveries: int) -> None:
        self._max_body_bytes = max_body_bytes
        self._deliveries = deliveries

    def refuse(self, raws: Sequence[Raw]) -> dict[int, Exception]:
        """Return the errors of those that are refused, by position."""
        refused: dict[int, Exception] = {}
        for position, raw in enumerate(raws):
            if len(raw.body) > self._max_body_bytes:
                refused[position] = self._too_large(len(raw.body))
            elif (error := getattr(raw.header, "error", None)) is not None:
                refused[position] = self._unreadable(error)
            elif raw.delivery.redelivered and delivery_count(raw) >= self._deliveries:  # type: ignore[union-attr]
                refused[position] = self._too_often(delivery_count(raw))
        return refused

    def _too_large(self, size: int) -> Reject:
        return Reject(
            f"a body of {size:,} bytes is over max_body_bytes={self._max_body_bytes:,} of its source"
        )

    def _unreadable(self, error: Exception) -> Reject:
        return Reject(
            f"its properties or headers can't be decoded ({describe(error)}); a dead letter holds "
            "them as bytes, its publisher has to write what AMQP 0-9-1 knows, texts in UTF-8"
        )

    def _too_often(self, count: int) -> Reject:
        return Reject(
            f"handed out {count} times before without being settled (deliveries={self._deliveries}): "
            "does working on it end the process?"
        )
