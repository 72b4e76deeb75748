"""Inspection: which deliveries are refused before anybody works on them."""

from collections.abc import Sequence
from typing import Any

from ackflow.streams.amqp.raw import Raw, delivery_count
from ackflow.streams.core import Reject, describe


class Inspection:
    """Refuses bodies that are too large, headers that can't be read, and what seems to kill readers.

    Headers only where somebody needs them: for deliveries that are handed out whole (`properties`), and
    for the count of those that come again.

    For one epoch: of the deliveries that were handed out too often, only the first of each queue is
    refused, since whatever else a process had in hand when it died was handed out as often. The others
    are suspects, as are those that were handed out half as often.
    """

    def __init__(self, max_body_bytes: int, deliveries: int, *, properties: bool) -> None:
        self._max_body_bytes = max_body_bytes
        self._deliveries = deliveries
        self._properties = properties
        self._blamed: set[Any] = set()
        """The consumers whose first delivery of those that came too often is refused already."""

    def inspect(self, raws: Sequence[Raw]) -> tuple[dict[int, Exception], list[int]]:
        """Return the errors of those that are refused, by position, and the positions of suspects."""
        refused: dict[int, Exception] = {}
        suspects: list[int] = []
        for position, raw in enumerate(raws):
            if raw.size > self._max_body_bytes:
                refused[position] = self._too_large(raw.size)
            elif self._properties or raw.redelivered:
                self._look_into(position, raw, refused, suspects)
        return refused, suspects

    def _look_into(
        self, position: int, raw: Raw, refused: dict[int, Exception], suspects: list[int]
    ) -> None:
        error = getattr(raw.header, "error", None)
        if error is not None:
            refused[position] = self._unreadable(error)
        elif raw.redelivered and (count := delivery_count(raw)) * 2 >= self._deliveries:
            queue = raw.method.consumer_tag
            if count >= self._deliveries and queue not in self._blamed:
                self._blamed.add(queue)
                refused[position] = self._too_often(count)
            else:
                suspects.append(position)

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
