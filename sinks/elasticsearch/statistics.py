"""What a bulk sink counts."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from ackflow.streams.core import Figure

PREFIX = "ackflow_elasticsearch"
SINGLE: tuple[tuple[str, Literal["counter", "gauge"], str, str], ...] = (
    ("retries_total", "counter", "retries", "Documents sent again."),
    ("bisects_total", "counter", "bisects", "Bulks split in two."),
    ("sent_bytes_total", "counter", "bytes", "Bytes of bulks sent."),
    ("bulks_in_flight", "gauge", "in_flight", "Bulks under way."),
    ("bulks_in_flight_limit", "gauge", "limit", "Bulks that may be under way."),
    ("bulk_bytes_limit", "gauge", "bytes_limit", "Bytes that a bulk may have."),
    ("round_trip_seconds", "gauge", "round_trip", "Mean time of a bulk."),
)
"""Metrics of one value: name, kind, counter, meaning."""


@dataclass(slots=True)
class BulkStatistics:
    """The counters of one run of a bulk sink, counted in documents unless said otherwise.

    `indexed` were accepted, the special cases included: `created` new ones, `duplicates` of a
    create that was there already, `stale` ones that a newer version overtook, `missing` deletes of
    nothing, `failure_store` ones that a data stream put aside, `overruled` by `decisions=`.
    `rejected` by error type; `requeued` when the time for retries was over; `retries` sent again.
    `bulks` are requests by HTTP status (0 = no answer), `bisects` requests split in two, `bytes`
    sent, `halts` how often the sink reported an outage. `limit` bulks may be under way at the same
    time, `in_flight` are; `round_trip` is their mean time in seconds; each has `bytes_limit` bytes at
    most.
    """

    indexed: int = 0
    created: int = 0
    duplicates: int = 0
    stale: int = 0
    missing: int = 0
    failure_store: int = 0
    overruled: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    requeued: int = 0
    retries: int = 0
    bulks: Counter[int] = field(default_factory=Counter)
    bisects: int = 0
    bytes: int = 0
    halts: int = 0
    limit: int = 0
    in_flight: int = 0
    bytes_limit: int = 0
    round_trip: float = 0.0

    def figures(self) -> list[Figure]:
        """Return them as metrics."""
        single = (
            Figure(f"{PREFIX}_{name}", kind, meaning, [({}, getattr(self, counter))])
            for name, kind, counter, meaning in SINGLE
        )
        outcomes = [({"outcome": name}, getattr(self, name)) for name in ("indexed", "requeued")]
        bulks = [({"status": str(status)}, count) for status, count in self.bulks.items()]
        rejected = [({"type": kind}, count) for kind, count in self.rejected.items()]
        return [
            Figure(f"{PREFIX}_documents_total", "counter", "Documents by outcome.", outcomes),
            Figure(f"{PREFIX}_rejected_total", "counter", "Documents refused, by error.", rejected),
            Figure(f"{PREFIX}_bulks_total", "counter", "Bulks by HTTP status; 0: none.", bulks),
            *single,
        ]

    def note(self, name: str, count: int = 1) -> None:
        """Count accepted documents of a special kind, by the name of their counter."""
        setattr(self, name, getattr(self, name) + count)
